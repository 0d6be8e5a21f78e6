/* Interrupts: vectors, priorities, delegation, and the timer of supervisor mode. */
#include "traps.h"

static void pulse(void)
{
    interrupts_on();
    asm volatile("nop");
    interrupts_off();
}

static void set_vector(char *table, int vectored) { csr_write(mtvec, (u64)table | vectored); }

static void software(int on)
{
    write32(CLINT_MSIP, on);
    /* QEMU raises and lowers the line at once; another machine may need a moment */
    while ((csr_read(mip) & MIP_MSIP) != (on ? MIP_MSIP : 0))
        ;
}

static void machine_interrupts(void)
{
    csr_write(mie, 0);
    software(1);
    csr_write(mie, MIP_MSIP);
    expect_traps();
    pulse();
    check("software interrupt", outcome(0), INTERRUPT | 3);
    check("software interrupt: direct", seen.slot, -1ul);

    set_vector(m_vectors, 1);
    csr_write(mie, MIP_MSIP);
    expect_traps();
    pulse();
    check("software interrupt: vectored", seen.slot, 3);
    write64(CLINT_MTIMECMP, 0);
    csr_write(mie, MIP_MTIP);
    expect_traps();
    pulse();
    check("timer interrupt", outcome(0), INTERRUPT | 7);
    check("timer interrupt: vectored", seen.slot, 7);
    expect_traps();
    run(U, probe_ecall, 0);
    check("vectored: an exception takes the base", seen.slot, 0);

    csr_write(mie, MIP_MSIP | MIP_MTIP);
    expect_traps();
    pulse();
    check("software comes before timer", seen.cause, INTERRUPT | 3);
    check("then the timer: two traps", seen.count, 2);
    set_vector(m_entry, 0);
    software(0);

    csr_write(mie, MIP_MTIP);
    expect_traps();
    wfi();
    check("wfi goes on when an interrupt waits, enabled or not", outcome(ANY), NO_TRAP);
    expect_traps();
    run(U, probe_load_byte, (u64)page_a);
    check("U mode is interrupted though mstatus.MIE is 0", outcome(0), INTERRUPT | 7);
    check("U mode is interrupted: MPP", seen.from, U);
    write64(CLINT_MTIMECMP, -1);
    check("mtimecmp in the future clears MTIP", csr_read(mip) & MIP_MTIP, 0);
}

static void delegated(void)
{
    csr_write(mideleg, MIP_SSIP | MIP_STIP | MIP_SEIP);
    csr_write(mie, 0);
    csr_set(mip, MIP_SSIP);
    expect_traps();
    run(S, probe_set_sie_wait, MIP_SSIP);
    check("delegated software interrupt", outcome(0), INTERRUPT | 1);
    check("delegated software interrupt: handler", seen.handler, S);
    csr_write(stvec, (u64)s_vectors | 1);
    expect_traps();
    run(S, probe_set_sie_wait, MIP_SSIP);
    check("delegated software interrupt: vectored", seen.slot, 1);
    csr_set(mip, MIP_SEIP);
    expect_traps();
    run(S, probe_set_sie_wait, MIP_SSIP | MIP_SEIP);
    check_quirk("external comes before software", seen.cause, INTERRUPT | 9, INTERRUPT | 1);
    check("external, then software: two traps", seen.count, 2);
    csr_clear(mip, MIP_SSIP | MIP_SEIP);

    csr_write(sie, MIP_SSIP);
    csr_set(mip, MIP_SSIP);
    csr_set(mstatus, MSTATUS_SIE);
    expect_traps();
    run(M, probe_load_byte, (u64)page_a);
    check("M mode is not interrupted by what it delegated", outcome(ANY), NO_TRAP);
    csr_clear(mstatus, MSTATUS_SIE);
    expect_traps();
    run(U, probe_load_byte, (u64)page_a);
    check("U mode is, though sstatus.SIE is 0", outcome(0), INTERRUPT | 1);
    csr_clear(mip, MIP_SSIP);
    csr_write(sie, 0);
    csr_write(stvec, (u64)s_entry);
    csr_write(sie, -1ul);
    check("S mode enables only what was delegated to it", csr_read(mie) & (MIP_MSIP | MIP_MTIP | MIP_MEIP), 0);
    csr_write(sie, 0);
}

/* The timer of S mode: by Sstc's stimecmp where there is one, else M mode passes its timer on as STIP. */
static void supervisor_timer(void)
{
    expect_traps();
    u64 environment = run(M, probe_read_menvcfg, 0);
    if (seen.count == 0)
        run(M, probe_write_menvcfg, environment | 1ul << 63);
    expect_traps();
    run(S, probe_read_stimecmp, 0);
    int sstc = seen.count == 0;
    u64 due = mtime() + 2000;
    if (sstc) {
        run(S, probe_write_stimecmp, due);
        check("stimecmp reads back", run(S, probe_read_stimecmp, 0), due);
        expect_traps();
        run(S, probe_set_sie_wait, MIP_STIP);
        check("S timer interrupt", outcome(0), INTERRUPT | 5);
        check("S timer interrupt: not early", mtime() >= due, 1);
        csr_write(mcounteren, 5);
        expect_traps();
        run(S, probe_read_stimecmp, 0);
        check("mcounteren.TM 0: S reads stimecmp", outcome(ANY), ILLEGAL);
        csr_write(mcounteren, 7);
        run(S, probe_write_stimecmp, -1ul);
    } else {
        check("stimecmp is not there", outcome(ANY), ILLEGAL);
        write64(CLINT_MTIMECMP, due);
        csr_write(mie, MIP_MTIP);
        expect_traps();
        while (!seen.count)
            pulse();
        write64(CLINT_MTIMECMP, -1);
        csr_set(mip, MIP_STIP);
        expect_traps();
        run(S, probe_set_sie_wait, MIP_STIP);
        check("S timer interrupt", outcome(0), INTERRUPT | 5);
        check("S timer interrupt: not early", mtime() >= due, 1);
        csr_clear(mip, MIP_STIP);
        check("mip.STIP can be cleared", csr_read(mip) & MIP_STIP, 0);
    }
    csr_write(mie, 0);
    csr_write(mideleg, 0);
}

void interrupt_checks(void)
{
    machine_interrupts();
    delegated();
    supervisor_timer();
}
