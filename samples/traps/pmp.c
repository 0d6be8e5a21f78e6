/* Physical memory protection, and addresses where there is nothing. */
#include "traps.h"

enum { PMP_R = 1, PMP_W = 2, PMP_X = 4, TOR = 8, NA4 = 16, NAPOT = 24, LOCK = 128 };

/* A page of its own: the last entry set for it stays locked until reset. */
static u8 target[PAGE] __attribute__((aligned(4096)));
static u8 locked[PAGE] __attribute__((aligned(4096)));

#define NAPOT_PAGE(p) ((u64)(p) >> 2 | (PAGE / 8 - 1))

static u64 try(enum mode mode, function *probe, u64 address)
{
    expect_traps();
    run(mode, probe, address);
    return outcome(address);
}

/* Entries 0 and 1; entry 7 lets everything pass. */
static void configure(u64 first, u64 second)
{
    csr_write(pmpcfg0, 0x1ful << 56 | second << 8 | first);
    fence_vma();
}

void pmp_checks(void)
{
    u64 a = (u64)target;
    *(u32 *)target = 0x00008067; /* ret */
    fence_i();

    csr_write(pmpaddr0, NAPOT_PAGE(target));
    configure(NAPOT, 0);
    check("PMP none: U load", try(U, probe_load, a), LOAD_ACCESS);
    check("PMP none: S load", try(S, probe_load, a + 4088), LOAD_ACCESS);
    check("PMP none: S store", try(S, probe_store, a), STORE_ACCESS);
    check_quirk("PMP none: S amo", try(S, probe_amo, a), STORE_ACCESS, LOAD_ACCESS);
    check("PMP none: S fetch", try(S, probe_fetch, a), FETCH_ACCESS);
    check("PMP none: U fetch", try(U, probe_fetch, a), FETCH_ACCESS);
    check("PMP none: M load passes, not locked", try(M, probe_load, a), NO_TRAP);
    check("PMP none: the page after", try(S, probe_load, a + PAGE), NO_TRAP);
    configure(NAPOT | PMP_R, 0);
    check("PMP read: S load", try(S, probe_load, a), NO_TRAP);
    check("PMP read: S store", try(S, probe_store, a), STORE_ACCESS);
    check("PMP read: S fetch", try(S, probe_fetch, a), FETCH_ACCESS);
    configure(NAPOT | PMP_X, 0);
    check("PMP execute: S fetch", try(S, probe_fetch, a), NO_TRAP);
    check("PMP execute: S load", try(S, probe_load, a), LOAD_ACCESS);

    csr_write(pmpaddr0, a >> 2);
    csr_write(pmpaddr1, (a + 64) >> 2);
    configure(0, TOR | PMP_R);
    check("PMP top of range: store below the top", try(S, probe_store, a + 56), STORE_ACCESS);
    check("PMP top of range: store at the top", try(S, probe_store, a + 64), NO_TRAP);
    csr_write(pmpaddr0, (a + 16) >> 2);
    configure(NA4, 0);
    check("PMP four bytes: byte inside", try(S, probe_load_byte, a + 19), LOAD_ACCESS);
    check("PMP four bytes: byte after", try(S, probe_load_byte, a + 20), NO_TRAP);
    check("PMP four bytes: load half inside", try(S, probe_load, a + 16), LOAD_ACCESS);

    csr_write(pmpaddr0, NAPOT_PAGE(target));
    csr_write(pmpaddr1, NAPOT_PAGE(target));
    configure(NAPOT | PMP_R, NAPOT);
    check("PMP: the first entry that matches counts", try(S, probe_load, a), NO_TRAP);
    configure(NAPOT | PMP_R, 0);
    csr_set(mstatus, 1ul << 11);
    csr_clear(mstatus, 2ul << 11);
    expect_traps();
    probe_mprv_load(a);
    check("PMP read: M with MPRV loads as S", outcome(a), NO_TRAP);

    /* A page table that may not be read gives an access fault, not a page fault. */
    csr_write(pmpaddr0, NAPOT_PAGE(window_entries));
    window_entries[0] = PTE(page_a, V | R | W | X | A | D);
    paging(1);
    configure(NAPOT, 0);
    check("PMP on a page table: load", try(S, probe_load, WINDOW), LOAD_ACCESS);
    check("PMP on a page table: store", try(S, probe_store, WINDOW), STORE_ACCESS);
    check("PMP on a page table: fetch", try(S, probe_fetch, WINDOW), FETCH_ACCESS);
    configure(0, 0);
    paging(0);

    check("nothing at this address: load", try(M, probe_load, 0x18000000), LOAD_ACCESS);
    check("nothing at this address: store", try(M, probe_store, 0x18000000), STORE_ACCESS);
    check("nothing at this address: fetch", try(M, probe_fetch, 0x18000000), FETCH_ACCESS);

    csr_write(pmpaddr2, NAPOT_PAGE(locked));
    csr_write(pmpcfg0, 0x1ful << 56 | (u64)(NAPOT | LOCK | PMP_R) << 16);
    fence_vma();
    check("PMP locked: M load", try(M, probe_load, (u64)locked), NO_TRAP);
    check("PMP locked: M store", try(M, probe_store, (u64)locked), STORE_ACCESS);
    csr_write(pmpcfg0, 0x1ful << 56);
    csr_write(pmpaddr2, 0);
    check("PMP locked: the address stays", csr_read(pmpaddr2), NAPOT_PAGE(locked));
    check("PMP locked: the entry stays", csr_read(pmpcfg0) >> 16 & 255, NAPOT | LOCK | PMP_R);
    check("PMP locked: M store still", try(M, probe_store, (u64)locked), STORE_ACCESS);
}
