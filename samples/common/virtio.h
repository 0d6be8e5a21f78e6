/* Virtio-mmio, version 2: where the slots of the board are, registers (virtio 1.2, 4.2.2), descriptors (2.7.5). */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "guest.h"

enum {
    SLOTS = 8,
    SLOT_BASE = 0x10001000,
    SLOT_SIZE = 0x1000,
};

/* Registers */
enum {
    MAGIC = 0x00,
    VERSION = 0x04,
    DEVICE = 0x08,
    DRIVER_FEATURES = 0x20,
    DRIVER_FEATURES_SEL = 0x24,
    QUEUE_SEL = 0x30,
    QUEUE_NUM = 0x38,
    QUEUE_READY = 0x44,
    QUEUE_NOTIFY = 0x50,
    INTERRUPT_STATUS = 0x60,
    INTERRUPT_ACK = 0x64,
    STATUS = 0x70,
    QUEUE_DESC = 0x80,
    QUEUE_DRIVER = 0x90,
    QUEUE_DEVICE = 0xa0,
    CONFIG = 0x100,
};

enum { NET = 1, BLOCK = 2, CONSOLE = 3, ENTROPY = 4 };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

#endif
