/*
 * A virtio driver that breaks the rules. For each virtio-mmio device (version 2) it breaks one rule at a time, and checks
 * that the device says DEVICE_NEEDS_RESET and raises a configuration interrupt; that it stays that way; and that after
 * a reset a good request works. The machine has to go on all the while.
 *
 * Virtio 1.2: section 4.2 (registers), 2.1 (status), 2.7 (split queues).
 */
#include "virtio.h"

enum { SIZE = 8 }; /* entries of the queue */
enum { DRIVER_OK = 15, NEEDS_RESET = 0x40, CONFIG_CHANGED = 2 };

static struct descriptor table[SIZE] __attribute__((aligned(16)));
static struct descriptor inner[SIZE] __attribute__((aligned(16)));
static struct {
    u16 flags, index, ring[SIZE], used_event;
} available __attribute__((aligned(2)));
static volatile struct {
    u16 flags, index;
    struct {
        u32 id, length;
    } ring[SIZE];
    u16 avail_event;
} used __attribute__((aligned(4)));
static u8 buffer[1024];

static u64 base;
static u32 kind, queue, failures;

static u32 get(u32 reg) { return read32(base + reg); }
static void set(u32 reg, u32 value) { write32(base + reg, value); }

static void set_address(u32 reg, u64 address)
{
    set(reg, address);
    set(reg + 4, address >> 32);
}

/* Everything up to a queue that is set up, but not ready. */
static void negotiate(void)
{
    memset(table, 0, sizeof table);
    memset(&available, 0, sizeof available);
    memset((void *)&used, 0, sizeof used);
    memset(buffer, 0, sizeof buffer);
    set(STATUS, 0);
    set(STATUS, 1);
    set(STATUS, 3);
    set(DRIVER_FEATURES_SEL, 0);
    set(DRIVER_FEATURES, 1u << 28); /* indirect descriptors */
    set(DRIVER_FEATURES_SEL, 1);
    set(DRIVER_FEATURES, 1);
    set(STATUS, 11);
    /* The queue in which the device looks at buffers as soon as it is told. */
    queue = kind == NET || kind == CONSOLE;
    set(QUEUE_SEL, queue);
    set(QUEUE_NUM, SIZE);
    set_address(QUEUE_DESC, (u64)table);
    set_address(QUEUE_DRIVER, (u64)&available);
    set_address(QUEUE_DEVICE, (u64)&used);
}

static void start(void)
{
    negotiate();
    set(QUEUE_READY, 1);
    set(STATUS, DRIVER_OK);
}

static void describe(struct descriptor *d, const void *address, u32 length, u16 flags, u16 next)
{
    *d = (struct descriptor){(u64)address, length, flags, next};
}

static void offer(u16 head)
{
    available.ring[available.index % SIZE] = head;
    available.index++;
}

static void notify(void)
{
    asm volatile("fence" ::: "memory");
    set(QUEUE_NOTIFY, queue);
}

/* A request that each kind of device answers at once; 1 if it does. */
static int good_request(void)
{
    start();
    describe(&table[0], buffer, 64, kind == ENTROPY ? WRITE : 0, 0);
    if (kind == BLOCK) {
        buffer[0] = 8; /* the serial number */
        describe(&table[0], buffer, 16, NEXT, 1);
        describe(&table[1], buffer + 16, 21, WRITE, 0);
    }
    offer(0);
    notify();
    return used.index == 1 && get(STATUS) == DRIVER_OK;
}

/* The rules to break. Each starts with the device ready, but for those that make the queue so. */
static void loop(void)
{
    describe(&table[0], buffer, 1, NEXT, 1);
    describe(&table[1], buffer, 1, NEXT, 0);
    offer(0);
}
static void head_outside(void) { offer(SIZE); }
static void next_outside(void)
{
    describe(&table[0], buffer, 1, NEXT, 999);
    offer(0);
}
static void index_jump(void) { available.index += SIZE + 1; }
static void buffer_outside(void)
{
    describe(&table[0], (void *)0x1000, 16, 0, 0);
    offer(0);
}
static void buffer_wraps(void)
{
    describe(&table[0], (void *)~15ul, 64, 0, 0);
    offer(0);
}
static void buffer_too_long(void)
{
    describe(&table[0], buffer, ~0u, WRITE, 0);
    offer(0);
}
static void read_after_write(void)
{
    describe(&table[0], buffer, 16, WRITE | NEXT, 1);
    describe(&table[1], buffer, 16, 0, 0);
    offer(0);
}
static void nested(void)
{
    describe(&inner[0], inner, 16, INDIRECT, 0);
    describe(&table[0], inner, 16, INDIRECT, 0);
    offer(0);
}
static void indirect_length(void)
{
    describe(&table[0], inner, 17, INDIRECT, 0);
    offer(0);
}
static void indirect_outside(void)
{
    describe(&table[0], (void *)0x1000, 16, INDIRECT, 0);
    offer(0);
}
static void indirect_loop(void)
{
    describe(&inner[0], buffer, 1, NEXT, 0);
    describe(&table[0], inner, 32, INDIRECT, 0);
    offer(0);
}
static void make_ready(u32 reg, u64 address)
{
    negotiate();
    if (reg == QUEUE_NUM)
        set(reg, address);
    else
        set_address(reg, address);
    set(STATUS, DRIVER_OK);
    set(QUEUE_READY, 1);
}
static void odd_size(void) { make_ready(QUEUE_NUM, 6); }
static void size_too_big(void) { make_ready(QUEUE_NUM, 1u << 20); }
static void table_unaligned(void) { make_ready(QUEUE_DESC, (u64)table + 8); }
static void ring_outside(void) { make_ready(QUEUE_DRIVER, 0x1000); }
static void used_in_rom(void) { make_ready(QUEUE_DEVICE, 0x2000); }

static const struct {
    const char *name;
    void (*act)(void);
} rules[] = {
    {"a chain that loops", loop},
    {"a head beyond the table", head_outside},
    {"a successor beyond the table", next_outside},
    {"an index that jumps", index_jump},
    {"a buffer outside RAM", buffer_outside},
    {"a buffer that wraps around", buffer_wraps},
    {"a buffer of 4 GiB", buffer_too_long},
    {"reading after writing", read_after_write},
    {"a table in a table", nested},
    {"a table of 17 bytes", indirect_length},
    {"a table outside RAM", indirect_outside},
    {"a table that loops", indirect_loop},
    {"a queue of 6", odd_size},
    {"a queue of a million", size_too_big},
    {"an unaligned table", table_unaligned},
    {"a ring outside RAM", ring_outside},
    {"a used ring in the ROM", used_in_rom},
};

static void check(u32 slot, const char *what, int ok)
{
    print("%s slot %u: %s\n", ok ? "ok" : "FAIL", slot, what);
    failures += !ok;
}

int main(void)
{
    u32 devices = 0, count = sizeof rules / sizeof *rules;
    for (u32 slot = 0; slot < SLOTS; slot++) {
        base = SLOT_BASE + slot * (u64)SLOT_SIZE;
        kind = get(DEVICE);
        if (get(MAGIC) != 0x74726976 || get(VERSION) != 2 || kind < NET || kind > ENTROPY)
            continue;
        devices++;
        check(slot, "a good request", good_request());
        for (u32 i = 0; i < count; i++) {
            start();
            rules[i].act();
            notify();
            u32 broken = get(STATUS) & NEEDS_RESET, told = get(INTERRUPT_STATUS) & CONFIG_CHANGED;
            set(INTERRUPT_ACK, 3);
            notify();
            u32 still = get(STATUS) & NEEDS_RESET;
            u32 silent = used.index == 0 && get(INTERRUPT_STATUS) == 0;
            check(slot, rules[i].name, broken && told && still && silent && good_request());
        }
    }
    print("%u devices, %u rules each, %u failures\n", devices, count, failures);
    return failures != 0 || devices == 0;
}
