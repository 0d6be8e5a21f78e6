/*
 * Several harts: a lock taken with AMO and one taken with LR/SC, counters without a lock, and software interrupts that go
 * round. The sums depend on the order in which the harts come, the counts do not.
 * Boot arguments: harts=NUMBER (2 to 8), n=ROUNDS.
 */
#include "guest.h"

enum { MAX_HARTS = 8, DEFAULT_ROUNDS = 200, TOKENS = 20 };

/* start.S: what the interrupt handler keeps of each hart */
struct block {
    u64 saved[2];
    volatile u64 received;
    u64 unused;
};
extern struct block blocks[MAX_HARTS];

static volatile u32 harts, rounds, amo_lock, reserve_lock, arrived;
static volatile u64 amo_count, reserve_count, free_count, added;
static volatile u32 order = 2166136261u; /* FNV-1a over the harts, in the order in which they took a lock */

static void note(u32 hart) { order = (order ^ hart) * 16777619u; }

static void amo_take(volatile u32 *lock)
{
    u32 held;
    do
        asm volatile("amoswap.w.aq %0, %1, (%2)" : "=&r"(held) : "r"(1), "r"(lock) : "memory");
    while (held);
}

static void reserve_take(volatile u32 *lock)
{
    u32 scratch;
    asm volatile("1: lr.w.aq %0, (%1)\n\tbnez %0, 1b\n\tsc.w %0, %2, (%1)\n\tbnez %0, 1b"
                 : "=&r"(scratch)
                 : "r"(lock), "r"(1)
                 : "memory");
}

static void release(volatile u32 *lock) { asm volatile("amoswap.w.rl zero, zero, (%0)" ::"r"(lock) : "memory"); }

static u64 add(volatile u64 *to, u64 value)
{
    u64 old;
    asm volatile("amoadd.d %0, %1, (%2)" : "=&r"(old) : "r"(value), "r"(to) : "memory");
    return old;
}

static void increment(volatile u64 *counter)
{
    u64 value, failed;
    asm volatile("1: lr.d %0, (%2)\n\taddi %0, %0, 1\n\tsc.d %1, %0, (%2)\n\tbnez %1, 1b"
                 : "=&r"(value), "=&r"(failed)
                 : "r"(counter)
                 : "memory");
}

static void barrier(u32 number)
{
    u32 mine;
    asm volatile("amoadd.w %0, %1, (%2)" : "=&r"(mine) : "r"(1), "r"(&arrived) : "memory");
    while (arrived < number * harts)
        ;
}

static void contend(u32 hart)
{
    for (u32 i = 0; i < rounds; i++) {
        amo_take(&amo_lock);
        u64 seen = amo_count;
        note(hart);
        amo_count = seen + 1;
        release(&amo_lock);
        reserve_take(&reserve_lock);
        seen = reserve_count;
        for (u32 k = 0; k < (hart + i) % 7; k++)
            asm volatile("" ::: "memory");
        reserve_count = seen + 1;
        release(&reserve_lock);
        increment(&free_count);
        add(&added, hart + 1);
    }
}

/* Each hart waits for as many interrupts as its turn needs, then sends one on; hart 0 begins. */
static void pass_round(u32 hart)
{
    csr_set(mie, MIP_MSIP);
    for (u64 i = 1; i <= TOKENS; i++) {
        if (hart == 0)
            write32(CLINT_MSIP + 4 * 1, 1);
        interrupts_off();
        while (blocks[hart].received < i) {
            wfi();
            interrupts_on();
            interrupts_off();
        }
        if (hart != 0)
            write32(CLINT_MSIP + 4 * ((hart + 1) % harts), 1);
    }
    csr_clear(mie, MIP_MSIP);
}

static void work(u32 hart)
{
    barrier(1);
    contend(hart);
    barrier(2);
    pass_round(hart);
    barrier(3);
}

void other(u32 hart)
{
    while (!harts)
        ;
    if (hart < harts)
        work(hart);
}

int main(const void *dtb)
{
    rounds = boot_option(dtb, "n", DEFAULT_ROUNDS);
    u32 number = boot_option(dtb, "harts", 2);
    if (number < 2 || number > MAX_HARTS) {
        print("smp: harts=2 to 8\n");
        return 2;
    }
    print("smp: harts=%u n=%u\n", number, rounds);
    harts = number;
    work(0);
    u64 passed = 0;
    for (u32 hart = 0; hart < number; hart++)
        passed += blocks[hart].received;
    u64 expected = (u64)number * rounds, sum = rounds * (u64)number * (number + 1) / 2;
    print("smp: amo %lu lr/sc %lu free %lu added %lu passed %lu order %08x\n", amo_count, reserve_count, free_count, added,
          passed, order);
    int right = amo_count == expected && reserve_count == expected && free_count == expected && added == sum &&
                passed == (u64)number * TOKENS;
    print(right ? "smp: ok\n" : "smp: FAIL\n");
    return !right;
}
