/* Load-reserved and store-conditional, read-modify-write, and misaligned accesses. */
#include "traps.h"

static u64 cell[4] __attribute__((aligned(64)));

#define AMO(op, suffix, before, operand)                                                                               \
    ({                                                                                                                 \
        u64 old_;                                                                                                      \
        cell[0] = (before);                                                                                            \
        asm volatile(#op "." #suffix " %0, %1, (%2)" : "=r"(old_) : "r"((u64)(operand)), "r"(cell) : "memory");        \
        old_;                                                                                                          \
    })
#define CHECK_AMO(op, suffix, before, operand, old, after)                                                             \
    do {                                                                                                               \
        check(#op "." #suffix ": old value", AMO(op, suffix, before, operand), old);                                   \
        check(#op "." #suffix ": new value", cell[0], after);                                                          \
    } while (0)

static void read_modify_write(void)
{
    const u64 big = 0x8000000000000000, low = 0xffffffff80000000;
    CHECK_AMO(amoswap, d, 5, 9, 5, 9);
    CHECK_AMO(amoadd, d, -1ul, 2, -1ul, 1);
    CHECK_AMO(amoxor, d, 0xff00, 0x0ff0, 0xff00, 0xf0f0);
    CHECK_AMO(amoand, d, 0xff00, 0x0ff0, 0xff00, 0x0f00);
    CHECK_AMO(amoor, d, 0xff00, 0x0ff0, 0xff00, 0xfff0);
    CHECK_AMO(amomin, d, 1, big, 1, big);
    CHECK_AMO(amomax, d, 1, big, 1, 1);
    CHECK_AMO(amominu, d, 1, big, 1, 1);
    CHECK_AMO(amomaxu, d, 1, big, 1, big);
    /* the word forms: the old value sign-extended, the upper half of the cell untouched */
    CHECK_AMO(amoswap, w, 0x1234567880000000, 7, low, 0x1234567800000007);
    CHECK_AMO(amoadd, w, 0x12345678ffffffff, 1, -1ul, 0x1234567800000000);
    CHECK_AMO(amomin, w, 0x1234567800000001, 0x80000000, 1, 0x1234567880000000);
    CHECK_AMO(amomax, w, 0x1234567800000001, 0x80000000, 1, 0x1234567800000001);
    CHECK_AMO(amominu, w, 0x1234567880000000, 0x700000001, low, 0x1234567800000001);
    CHECK_AMO(amomaxu, w, 0x1234567800000001, 0x80000000, 1, 0x1234567880000000);
}

static u64 conditional(volatile u64 *reserve, volatile u64 *store, u64 value)
{
    u64 failed;
    asm volatile("lr.d t0, (%1)\n\tsc.d %0, %3, (%2)" : "=&r"(failed) : "r"(reserve), "r"(store), "r"(value) : "t0", "memory");
    return failed;
}

static u64 again(volatile u64 *p, u64 value)
{
    u64 failed;
    asm volatile("sc.d %0, %2, (%1)" : "=&r"(failed) : "r"(p), "r"(value) : "memory");
    return failed;
}

static void reservations(void)
{
    cell[0] = 1;
    check("lr/sc succeeds", conditional(cell, cell, 2), 0);
    check("lr/sc stored", cell[0], 2);
    check("sc without a reservation fails", again(cell, 3), 1);
    check("sc without a reservation stored nothing", cell[0], 2);
    check("sc to another address fails", conditional(cell, cell + 3, 4), 1);
    check("sc after a failed sc fails", again(cell, 5), 1);
    u64 w, failed;
    cell[0] = 0x1234567880000001;
    asm volatile("lr.w %0, (%2)\n\tsc.w %1, %3, (%2)" : "=&r"(w), "=&r"(failed) : "r"(cell), "r"(0xfffffffful) : "memory");
    check("lr.w extends the sign", w, 0xffffffff80000001);
    check("sc.w succeeds", failed, 0);
    check("sc.w stores a word", cell[0], 0x12345678ffffffff);
}

static u64 fault(function *probe, u64 address)
{
    expect_traps();
    run(M, probe, address);
    return outcome(address);
}

static void misaligned(void)
{
    u64 a = (u64)page_a;
    for (int i = 0; i < 32; i++)
        page_a[i] = i;
    check("misaligned ld", run(M, probe_load, a + 1), 0x0807060504030201);
    u16 h;
    s32 w;
    asm volatile("lhu %0, 3(%1)" : "=r"(h) : "r"(a) : "memory");
    asm volatile("lw %0, 5(%1)" : "=r"(w) : "r"(a) : "memory");
    check("misaligned lhu", h, 0x0403);
    check("misaligned lw", w, 0x08070605);
    run(M, probe_store, a + 3);
    check("misaligned sd", run(M, probe_load, a + 3), a + 3);
    check("misaligned sd leaves the neighbours", (u64)page_a[2] << 8 | page_a[11], 0x020b);
    check("misaligned lr.d", fault(probe_lr, a + 4), LOAD_MISALIGNED);
    check("misaligned lr.w", fault(probe_lr_misaligned, a + 2), LOAD_MISALIGNED);
    check_quirk("misaligned amoadd.d", fault(probe_amo, a + 4), STORE_MISALIGNED, LOAD_MISALIGNED);
}

void atomic_checks(void)
{
    read_modify_write();
    reservations();
    misaligned();
}
