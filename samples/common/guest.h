/* What every sample shares: types, control and status registers, the board, and a little output. */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

/* The board: the memory map of QEMU's `virt`. */
enum {
    FINISHER = 0x100000,
    RTC = 0x101000,
    CLINT = 0x2000000,
    PLIC = 0xc000000,
    UART = 0x10000000,
    UART_IRQ = 10,
    RTC_IRQ = 11,
    TIMEBASE_HZ = 10000000, /* mtime ticks a second */
};

/* CLINT registers of hart 0 */
#define CLINT_MSIP (CLINT + 0x0)
#define CLINT_MTIMECMP (CLINT + 0x4000)
#define CLINT_MTIME (CLINT + 0xbff8)

/* 16550A registers (byte wide) and the bits used here */
enum {
    UART_RBR = UART + 0,
    UART_THR = UART + 0,
    UART_IER = UART + 1,
    UART_IIR = UART + 2,
    UART_FCR = UART + 2,
    UART_LCR = UART + 3,
    UART_LSR = UART + 5,
    IER_RX = 0x01,
    IIR_FIFO_ON = 0xc0,
    FCR_ENABLE = 0x01,
    FCR_TRIGGER_1 = 0x00,
    FCR_TRIGGER_8 = 0x80,
    LCR_8N1 = 0x03,
    LSR_DATA = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_TX_EMPTY = 0x20,
};

#define INTERRUPT (1ul << 63)
#define MIP_SSIP (1ul << 1)
#define MIP_MSIP (1ul << 3)
#define MIP_STIP (1ul << 5)
#define MIP_MTIP (1ul << 7)
#define MIP_SEIP (1ul << 9)
#define MIP_MEIP (1ul << 11)
#define MSTATUS_MIE (1ul << 3)

#define csr_read(csr)                                                                              \
    ({                                                                                             \
        u64 v_;                                                                                    \
        asm volatile("csrr %0, " #csr : "=r"(v_)::"memory");                                       \
        v_;                                                                                        \
    })
#define csr_write(csr, v) asm volatile("csrw " #csr ", %0" ::"rK"((u64)(v)) : "memory")
#define csr_set(csr, v) asm volatile("csrs " #csr ", %0" ::"rK"((u64)(v)) : "memory")
#define csr_clear(csr, v) asm volatile("csrc " #csr ", %0" ::"rK"((u64)(v)) : "memory")
#define wfi() asm volatile("wfi" ::: "memory")

static inline u8 read8(u64 a) { return *(volatile u8 *)a; }
static inline u32 read32(u64 a) { return *(volatile u32 *)a; }
static inline u64 read64(u64 a) { return *(volatile u64 *)a; }
static inline void write8(u64 a, u8 v) { *(volatile u8 *)a = v; }
static inline void write32(u64 a, u32 v) { *(volatile u32 *)a = v; }
static inline void write64(u64 a, u64 v) { *(volatile u64 *)a = v; }

static inline void interrupts_on(void) { csr_set(mstatus, MSTATUS_MIE); }
static inline void interrupts_off(void) { csr_clear(mstatus, MSTATUS_MIE); }
static inline u64 mtime(void) { return read64(CLINT_MTIME); }

/* start.S: returning from main(), or calling this, ends the machine: 0 powers off, 1..65535 is a failure code. */
_Noreturn void finish(u32 code);

/* A sample that takes traps defines its own trap(); the one in trap.c reports the trap and fails. */
void trap(u64 cause, u64 epc);

/* uart.c */
void uart_init(void);
void uart_put(char c);
/* Serial input raises external interrupts from now on; trigger is FCR_TRIGGER_x. */
void uart_interrupts_on(u8 trigger);
/* The next byte received, or -1. For the interrupt handler, and once before the first wait for an interrupt. */
int uart_receive(void);
extern u32 uart_overruns; /* how often the receiver reported lost input */

/* plic.c: interrupt sources for machine mode on hart 0 */
void plic_enable(u32 irq);
u32 plic_claim(void);
void plic_complete(u32 irq);

/* print.c: %d %u %x with l, %s %c %%, widths, and the flags 0 and - */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* fdt.c: a property of the root ("") or of a top-level node (its name without @unit), or NULL. Big-endian, as stored. */
const void *fdt_prop(const void *dtb, const char *node, const char *prop, u32 *length);
u64 fdt_number(const void *cells, u32 count);
/* The number of `name=NUMBER` in /chosen/bootargs, or `otherwise`. */
u64 boot_option(const void *dtb, const char *name, u64 otherwise);

/* memory.c: what the compiler itself may call, and one comparison */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int text_equal(const char *a, const char *b);

#endif
