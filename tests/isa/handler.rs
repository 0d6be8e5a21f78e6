//! The trap handlers of the test program, which record a trap and go on.

use riscv_isa::{Op, csr};

use crate::asm::{Asm, Label, ZERO};
use crate::layout::{SIGNATURE_END, context, tag};
use crate::runtime::{Machine, STATUS_FS};

/// The fields of `mstatus` and `sstatus` that are compared. FS, VS, XS and SD are not, because a
/// machine may be imprecise about what is dirty (volume II, 3.1.6.6), and QEMU and rr are so in
/// different ways.
const STATUS_MASK: u64 = 0x0000_000f_007e_19ea;
/// The differences of the two handlers.
pub(crate) struct Level {
    tag: u64,
    cause_bit: u64,
    save: i32,
    scratch: u16,
    cause: u16,
    epc: u16,
    tval: u16,
    status: u16,
    ret: Op,
}

pub(crate) const MACHINE: Level = Level {
    tag: tag::MACHINE_TRAP,
    cause_bit: 1,
    save: context::MACHINE,
    scratch: csr::MSCRATCH,
    cause: csr::MCAUSE,
    epc: csr::MEPC,
    tval: csr::MTVAL,
    status: csr::MSTATUS,
    ret: Op::Mret,
};

pub(crate) const SUPERVISOR: Level = Level {
    tag: tag::SUPERVISOR_TRAP,
    cause_bit: 1 << 32,
    save: context::SUPERVISOR,
    scratch: csr::SSCRATCH,
    cause: csr::SCAUSE,
    epc: csr::SEPC,
    tval: csr::STVAL,
    status: csr::SSTATUS,
    ret: Op::Sret,
};

/// Records the trap, and goes on after the instruction that caused it. An `ecall` into machine mode
/// also records all registers, and ends the run if it is the one at [`context::END`].
pub(crate) fn handler(
    asm: &mut Asm,
    level: &Level,
    machine: Machine,
    iteration_end: Option<Label>,
) -> Label {
    let saved = |register: u8| level.save + 8 * i32::from(register);
    let entry = asm.here();
    asm.csr(Op::Csrrw, 31, level.scratch, 31);
    for register in 1..31 {
        asm.store(Op::Sd, register, 31, saved(register));
    }
    asm.csr(Op::Csrrw, 1, level.scratch, 31);
    asm.store(Op::Sd, 1, 31, saved(31));

    asm.i(Op::Ld, 2, 31, context::NEXT);
    asm.csr(Op::Csrrs, 3, level.cause, ZERO);
    asm.csr(Op::Csrrs, 4, level.epc, ZERO);
    asm.csr(Op::Csrrs, 5, level.tval, ZERO);
    asm.csr(Op::Csrrs, 6, level.status, ZERO);
    // Where no device answers, QEMU divides a misaligned access into two aligned ones, and reports
    // the address of a part that may start before it. So the last three bits are not compared for
    // access faults. For page faults they are.
    let access_fault = asm.label();
    let compared = asm.label();
    for cause in [5, 7] {
        asm.i(Op::Addi, 10, ZERO, cause);
        asm.branch(Op::Beq, 3, 10, access_fault);
    }
    asm.jal(ZERO, compared);
    asm.bind(access_fault);
    asm.i(Op::Andi, 5, 5, -8);
    asm.bind(compared);
    // At a breakpoint, tval is the pc or 0 (volume II, 3.1.16): rr's is the pc, QEMU's is 0.
    let tval_is_right = asm.label();
    asm.i(Op::Addi, 10, 3, -3);
    asm.branch(Op::Bne, 10, ZERO, tval_is_right);
    asm.branch(Op::Bne, 4, 5, tval_is_right);
    asm.i(Op::Addi, 5, ZERO, 0);
    asm.bind(tval_is_right);
    right_cause_of_atomics(asm, machine);
    asm.li(10, level.cause_bit);
    asm.r(Op::Sll, 10, 10, 3);
    asm.i(Op::Ld, 11, 31, context::CAUSES);
    asm.r(Op::Or, 11, 11, 10);
    asm.store(Op::Sd, 11, 31, context::CAUSES);
    asm.li(7, level.tag);
    asm.li(8, STATUS_MASK);
    asm.r(Op::And, 8, 8, 6);
    for (i, register) in [7, 3, 4, 5, 8].into_iter().enumerate() {
        asm.store(Op::Sd, register, 2, 8 * i as i32);
    }
    asm.i(Op::Addi, 2, 2, 40);

    let resume = asm.label();
    if let Some(iteration_end) = iteration_end {
        let no_call = asm.label();
        asm.i(Op::Addi, 10, 3, -8);
        asm.i(Op::Sltiu, 10, 10, 4);
        asm.branch(Op::Beq, 10, ZERO, no_call);
        dump(asm, level);
        asm.i(Op::Ld, 11, 31, context::END);
        low_half(asm, 10, 4);
        let go_on = asm.label();
        asm.branch(Op::Bne, 10, 11, go_on);
        asm.store(Op::Sd, 2, 31, context::NEXT);
        asm.jal(ZERO, iteration_end);
        asm.bind(go_on);
        asm.bind(no_call);
        // Stops a machine that traps for ever.
        asm.li(10, SIGNATURE_END - 4096);
        let room = asm.label();
        asm.branch(Op::Bltu, 2, 10, room);
        asm.store(Op::Sd, 2, 31, context::NEXT);
        asm.jal(ZERO, iteration_end);
        asm.bind(room);
    }

    // After a fetch fault there is no instruction to skip. The jumps that may cause one link to x1.
    let fetch_fault = asm.label();
    for cause in [1, 12] {
        asm.i(Op::Addi, 10, ZERO, cause);
        asm.branch(Op::Beq, 3, 10, fetch_fault);
    }
    // The length of the instruction, read at its physical address.
    low_half(asm, 10, 4);
    asm.i(Op::Lhu, 11, 10, 0);
    asm.i(Op::Andi, 11, 11, 3);
    asm.i(Op::Addi, 11, 11, -3);
    asm.i(Op::Sltiu, 11, 11, 1);
    asm.i(Op::Slli, 11, 11, 1);
    asm.r(Op::Add, 4, 4, 11);
    asm.i(Op::Addi, 4, 4, 2);
    asm.jal(ZERO, resume);
    asm.bind(fetch_fault);
    asm.i(Op::Ld, 4, 31, saved(1));

    asm.bind(resume);
    asm.csr(Op::Csrrw, ZERO, level.epc, 4);
    asm.store(Op::Sd, 2, 31, context::NEXT);
    // With MPRV set, the mret changes the privilege of loads and stores, and QEMU 7.2 does not
    // flush its TLB for that.
    if machine == Machine::Qemu && level.ret == Op::Mret {
        asm.op(Op::SfenceVma);
    } else {
        asm.i(Op::Addi, ZERO, ZERO, 0);
    }
    for register in 1..=31 {
        asm.i(Op::Ld, register, 31, saved(register));
    }
    asm.op(level.ret);
    entry
}

/// QEMU 7.2 reports a misaligned or faulting read-modify-write with the cause of its load, where
/// volume II, 3.1.15 asks for the store/AMO causes. For QEMU, the causes 4, 5 and 13 (x3) of an AMO
/// or SC (at x4) become 6, 7 and 15.
fn right_cause_of_atomics(asm: &mut Asm, machine: Machine) {
    let right = asm.label();
    let load = asm.label();
    asm.i(Op::Addi, 10, ZERO, i32::from(machine == Machine::Qemu));
    asm.branch(Op::Beq, 10, ZERO, right);
    for cause in [4, 5, 13] {
        asm.i(Op::Addi, 10, ZERO, cause);
        asm.branch(Op::Beq, 3, 10, load);
    }
    asm.jal(ZERO, right);
    asm.bind(load);
    low_half(asm, 10, 4);
    asm.i(Op::Lbu, 11, 10, 0);
    asm.i(Op::Andi, 11, 11, 0x7f);
    asm.i(Op::Addi, 11, 11, -0x2f);
    asm.branch(Op::Bne, 11, ZERO, right);
    asm.i(Op::Lbu, 11, 10, 3);
    asm.i(Op::Srli, 11, 11, 3);
    // LR, which is a load.
    asm.i(Op::Addi, 11, 11, -2);
    asm.branch(Op::Beq, 11, ZERO, right);
    asm.i(Op::Addi, 3, 3, 2);
    asm.bind(right);
}

/// Records all registers at x2, and moves x2 on.
fn dump(asm: &mut Asm, level: &Level) {
    // The stream may have switched off the floating-point unit.
    asm.li(10, STATUS_FS);
    asm.csr(Op::Csrrs, ZERO, level.status, 10);
    asm.li(10, tag::REGISTERS);
    asm.store(Op::Sd, 10, 2, 0);
    for register in 1..=31 {
        asm.i(Op::Ld, 10, 31, level.save + 8 * register);
        asm.store(Op::Sd, 10, 2, 8 * register);
    }
    for register in 0..32 {
        asm.store(Op::Fsd, register, 2, 256 + 8 * i32::from(register));
    }
    asm.csr(Op::Csrrs, 10, csr::FCSR, ZERO);
    asm.store(Op::Sd, 10, 2, 512);
    asm.i(Op::Addi, 2, 2, 520);
    asm.csr(Op::Csrrw, ZERO, level.status, 6);
}

/// `rd` is the low 32 bits of `rs`.
fn low_half(asm: &mut Asm, rd: u8, rs: u8) {
    asm.i(Op::Slli, rd, rs, 32);
    asm.i(Op::Srli, rd, rd, 32);
}
