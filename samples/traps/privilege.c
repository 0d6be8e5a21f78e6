/* Environment calls, breakpoints, illegal instructions, control registers and counters. */
#include "traps.h"

static u64 trap_of(enum mode mode, function *f, u64 argument, u64 tval)
{
    expect_traps();
    run(mode, f, argument);
    return outcome(tval);
}

static void calls(void)
{
    check("ecall from U", trap_of(U, probe_ecall, 0, 0), ECALL_U);
    check("ecall from U: handler", seen.handler, M);
    check("ecall from U: epc", seen.epc, (u64)probe_ecall);
    check("ecall from S", trap_of(S, probe_ecall, 0, 0), ECALL_S);
    check("ecall from S: mstatus.MPP", seen.from, S);
    check("ecall from M", trap_of(M, probe_ecall, 0, 0), ECALL_M);
    check("ecall from M: mstatus.MPP", seen.from, M);
    check("ebreak from M", trap_of(M, probe_ebreak, 0, ANY), BREAKPOINT);
    check("ebreak from U", trap_of(U, probe_ebreak, 0, ANY), BREAKPOINT);
    check("illegal instruction, tval is its bits", trap_of(M, probe_illegal, 0, 0xffffffff), ILLEGAL);
    check("illegal instruction of two bytes", trap_of(U, probe_zero, 0, 0), ILLEGAL);
}

static void delegation(void)
{
    csr_write(medeleg, 1 << ECALL_U | 1 << BREAKPOINT | 1 << ILLEGAL);
    check("delegated ecall from U", trap_of(U, probe_ecall, 0, 0), ECALL_U);
    check("delegated ecall from U: handler", seen.handler, S);
    check("delegated ecall from U: sstatus.SPP", seen.from, U);
    check("delegated ebreak from S", trap_of(S, probe_ebreak, 0, ANY), BREAKPOINT);
    check("delegated ebreak from S: handler", seen.handler, S);
    check("delegated ebreak from S: sstatus.SPP", seen.from, S);
    check("delegated ebreak from M", trap_of(M, probe_ebreak, 0, ANY), BREAKPOINT);
    check("delegated ebreak from M: stays in M", seen.handler, M);
    check("delegated illegal from U", trap_of(U, probe_illegal, 0, 0xffffffff), ILLEGAL);
    check("delegated illegal from U: handler", seen.handler, S);
    check("ecall from S is not delegated", trap_of(S, probe_ecall, 0, 0), ECALL_S);
    check("ecall from S: handler", seen.handler, M);
    csr_write(medeleg, -1ul);
    check_quirk("medeleg: ecall from M cannot be delegated", csr_read(medeleg) >> ECALL_M & 1, 0, 1);
    csr_write(medeleg, 0);
}

static void control_registers(void)
{
    check("U reads satp", trap_of(U, probe_read_satp, 0, ANY), ILLEGAL);
    check("U reads sie", trap_of(U, probe_read_sie, 0, ANY), ILLEGAL);
    check("S reads satp", trap_of(S, probe_read_satp, 0, ANY), NO_TRAP);
    check("S reads mstatus", trap_of(S, probe_read_mstatus, 0, ANY), ILLEGAL);
    check("M writes cycle, which is read-only", trap_of(M, probe_write_cycle, 0, ANY), ILLEGAL);
    check("M reads a register that is not there", trap_of(M, probe_read_absent, 0, ANY), ILLEGAL);
    check("U executes sret", trap_of(U, probe_sret, 0, ANY), ILLEGAL);
    check("S executes mret", trap_of(S, probe_mret, 0, ANY), ILLEGAL);
    check("U executes sfence.vma", trap_of(U, probe_fence_vma, 0, ANY), ILLEGAL);
    check("S executes sfence.vma", trap_of(S, probe_fence_vma, 0, ANY), NO_TRAP);

    csr_set(mstatus, MSTATUS_TVM);
    check("TVM: S reads satp", trap_of(S, probe_read_satp, 0, ANY), ILLEGAL);
    check("TVM: S executes sfence.vma", trap_of(S, probe_fence_vma, 0, ANY), ILLEGAL);
    csr_clear(mstatus, MSTATUS_TVM);
    csr_set(mstatus, MSTATUS_TSR);
    check("TSR: S executes sret", trap_of(S, probe_sret, 0, ANY), ILLEGAL);
    csr_clear(mstatus, MSTATUS_TSR);
    csr_set(mstatus, MSTATUS_TW);
    check("TW: S executes wfi", trap_of(S, probe_wfi, 0, ANY), ILLEGAL);
    csr_clear(mstatus, MSTATUS_TW);

    u64 m = csr_read(mstatus);
    csr_set(mstatus, MSTATUS_MPP);
    csr_clear(mstatus, MSTATUS_MPP);
    csr_set(mstatus, 2ul << 11);
    check_quirk("mstatus.MPP never holds the reserved mode", (csr_read(mstatus) & MSTATUS_MPP) == 2ul << 11, 0, 1);
    csr_write(mstatus, m);
    csr_write(mepc, 0x80000001);
    check_quirk("mepc bit 0 is zero", csr_read(mepc), 0x80000000, 0x80000001);
    check("misa has I, M, A, F, D, C, S, U", csr_read(misa) & 0x14112d, 0x14112d);
    check("mhartid", csr_read(mhartid), 0);
    csr_write(satp, 5ul << 60 | 123); /* a reserved mode: the whole write has no effect */
    check("satp ignores a reserved mode", csr_read(satp), 0);
}

static void floating_point_off(void)
{
    csr_clear(mstatus, MSTATUS_FS);
    check("FS off: fadd.d", trap_of(M, probe_fadd, 0, ANY), ILLEGAL);
    check("FS off: fld", trap_of(M, probe_fld, (u64)page_a, ANY), ILLEGAL);
    csr_set(mstatus, 1ul << 13);
    check("FS initial: no SD", csr_read(mstatus) & MSTATUS_SD, 0);
    run(M, probe_fld, (u64)page_a);
    check("FS dirty after fld", csr_read(mstatus) & (MSTATUS_FS | MSTATUS_SD), MSTATUS_FS | MSTATUS_SD);
    check("sstatus shows FS and SD", csr_read(sstatus) & (MSTATUS_FS | MSTATUS_SD), MSTATUS_FS | MSTATUS_SD);
    check("reserved static rounding mode", trap_of(M, probe_fadd_bad_mode, 0, ANY), ILLEGAL);
    csr_write(frm, 5);
    check("reserved dynamic rounding mode", trap_of(M, probe_fadd, 0, ANY), ILLEGAL);
    csr_write(frm, 0);
}

static void counters(void)
{
    check("U reads cycle", trap_of(U, probe_read_cycle, 0, ANY), NO_TRAP);
    csr_write(scounteren, 0);
    check("scounteren 0: U reads cycle", trap_of(U, probe_read_cycle, 0, ANY), ILLEGAL);
    check("scounteren 0: S reads cycle", trap_of(S, probe_read_cycle, 0, ANY), NO_TRAP);
    csr_write(scounteren, 7);
    csr_write(mcounteren, 5);
    check("mcounteren.TM 0: S reads time", trap_of(S, probe_read_time, 0, ANY), ILLEGAL);
    check("mcounteren.TM 0: U reads time", trap_of(U, probe_read_time, 0, ANY), ILLEGAL);
    check("mcounteren.TM 0: U reads instret", trap_of(U, probe_read_instret, 0, ANY), NO_TRAP);
    csr_write(mcounteren, 7);
    u64 t0 = mtime(), t1 = run(U, probe_read_time, 0), t2 = mtime();
    check("time is mtime", t0 <= t1 && t1 <= t2, 1);
    u64 c0 = run(U, probe_read_cycle, 0), c1 = run(U, probe_read_cycle, 0);
    check("cycle advances", c0 < c1, 1);
    u64 i0 = csr_read(minstret), i1 = csr_read(minstret);
    check("instret advances", i0 < i1, 1);
    csr_write(mcountinhibit, 4);
    i0 = csr_read(minstret);
    i1 = csr_read(minstret);
    check("mcountinhibit stops instret", i1 - i0, 0);
    csr_write(mcountinhibit, 0);
    csr_write(minstret, 1ul << 40);
    check("minstret can be written", csr_read(minstret) >> 40, 1);
}

void privilege_checks(void)
{
    calls();
    delegation();
    control_registers();
    floating_point_off();
    counters();
}
