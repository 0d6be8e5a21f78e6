/* The handlers, the record of what they saw, and the result lines. */
#include "traps.h"

enum { WAY_BACK = 0x1eaf };

struct frame {
    u64 x[32], slot;
};

extern struct frame m_frame, s_frame;
void harness_start(void);
u64 enter(u64 f, u64 argument, u64 mode, u64 stack, u64 alias);
_Noreturn void leave(u64 result);
_Noreturn void pass_on(u64 result);
void on_m_trap(struct frame *frame);
void on_s_trap(struct frame *frame);

volatile struct record seen;
static u32 checks, failures;
static int translated;

static void note(u64 cause, u64 epc, u64 tval, struct frame *frame, enum mode handler, enum mode from)
{
    if (seen.count++ == 0) {
        seen.cause = cause;
        seen.epc = epc;
        seen.tval = tval;
        seen.slot = frame->slot;
        seen.handler = handler;
        seen.from = from;
    }
    frame->slot = -1;
}

static u64 resume(u64 cause, u64 epc, const struct frame *frame)
{
    if (cause & INTERRUPT)
        return epc;
    return cause == FETCH_ACCESS || cause == FETCH_PAGE ? frame->x[1] : epc + 4;
}

void on_m_trap(struct frame *frame)
{
    u64 cause = csr_read(mcause), epc = csr_read(mepc);
    if (frame->x[17] == WAY_BACK && cause >= ECALL_U && cause <= ECALL_M)
        leave(frame->x[10]);
    note(cause, epc, csr_read(mtval), frame, M, (csr_read(mstatus) & MSTATUS_MPP) >> 11);
    if (cause & INTERRUPT)
        csr_clear(mie, 1ul << (cause & 63));
    csr_write(mepc, resume(cause, epc, frame));
}

void on_s_trap(struct frame *frame)
{
    u64 cause = csr_read(scause), epc = csr_read(sepc);
    if (frame->x[17] == WAY_BACK && cause == ECALL_U)
        pass_on(frame->x[10]);
    note(cause, epc, csr_read(stval), frame, S, csr_read(sstatus) >> 8 & 1);
    if (cause & INTERRUPT)
        csr_clear(sie, 1ul << (cause & 63));
    csr_write(sepc, resume(cause, epc, frame));
}

void expect_traps(void)
{
    seen.count = 0;
    seen.cause = seen.epc = seen.tval = seen.slot = seen.handler = seen.from = -1;
    m_frame.slot = s_frame.slot = -1;
}

u64 outcome(u64 tval_wanted)
{
    if (seen.count == 0)
        return NO_TRAP;
    u64 cause = seen.cause;
    if (seen.count > 1)
        cause |= MANY_TRAPS;
    if (tval_wanted != ANY && seen.tval != tval_wanted)
        cause |= WRONG_TVAL;
    return cause;
}

void check(const char *name, u64 got, u64 want)
{
    check_quirk(name, got, want, want);
}

void check_quirk(const char *name, u64 got, u64 want, u64 qemu)
{
    checks++;
    if (got == want) {
        print("ok %u %s\n", checks, name);
    } else if (got == qemu) {
        print("ok %u %s (0x%lx as in QEMU 7.2; the specification says 0x%lx)\n", checks, name, got, want);
    } else {
        failures++;
        print("FAIL %u %s got 0x%lx want 0x%lx\n", checks, name, got, want);
    }
}

u64 run(enum mode mode, function *f, u64 argument)
{
    static u8 stack[4096] __attribute__((aligned(16)));
    u64 alias = mode == U && translated ? ALIAS : 0;
    return enter((u64)f + alias, argument, mode, (u64)(stack + sizeof stack) + alias, alias);
}

/* --- translation --- */

u64 root_entries[512] __attribute__((aligned(4096)));
u64 middle_entries[512] __attribute__((aligned(4096)));
u64 window_entries[512] __attribute__((aligned(4096)));
u8 page_a[PAGE] __attribute__((aligned(4096)));
u8 page_b[PAGE] __attribute__((aligned(4096)));

void paging(int on)
{
    root_entries[1] = PTE(middle_entries, V);
    root_entries[2] = PTE(0x80000000, V | R | W | X | A | D | G);
    root_entries[3] = PTE(0x80000000, V | R | W | X | A | D | UU);
    middle_entries[0] = PTE(window_entries, V);
    csr_write(satp, on ? 8ul << 60 | (u64)root_entries >> 12 : 0);
    fence_vma();
    translated = on;
}

int main(void)
{
    harness_start();
    /* S and U mode may use all of memory, until a test says otherwise. */
    csr_write(pmpaddr7, -1);
    csr_write(pmpcfg0, 0x1ful << 56);
    csr_write(mcounteren, 7);
    csr_write(scounteren, 7);

    privilege_checks();
    interrupt_checks();
    paging_checks();
    pmp_checks();
    atomic_checks();
    code_checks();
    float_checks();
    print("traps: %u checks, %u failed\n", checks, failures);
    return failures != 0;
}
