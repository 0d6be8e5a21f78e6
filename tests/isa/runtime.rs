//! The fixed part of the test program: it starts each stream, records its traps, and prints the
//! signature.

use riscv_isa::{Op, csr};

use crate::asm::{Asm, Label, RA, ZERO};
use crate::handler::{MACHINE, SUPERVISOR, handler};
use crate::layout::{
    CONTEXT, FINISHER, ITERATIONS, MEMORY, MEMORY_BYTES, POOL_STEP, POOL_WORDS, RET_PAGE,
    SIGNATURE, UART, context, row, tag,
};

/// Floating-point unit on.
pub(crate) const STATUS_FS: u64 = 3 << 13;

/// The machine that the program runs on. The two programs differ only where the reference deviates
/// from the specification. Both have the same length, so that all addresses are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    Rr,
    Qemu,
}

/// Emits the runtime at the start of the program. `table` is bound later, to the table of streams.
pub(crate) fn emit(asm: &mut Asm, table: Label, full: bool, machine: Machine) {
    let boot = asm.label();
    let iteration_end = asm.label();
    asm.jal(ZERO, boot);
    asm.align(8);
    let mtvec = handler(asm, &MACHINE, machine, Some(iteration_end));
    asm.align(8);
    let stvec = handler(asm, &SUPERVISOR, machine, None);
    let print_hex = print_hex(asm);

    asm.bind(boot);
    set_up(asm, mtvec, stvec, table);
    let next_stream = asm.here();
    let finish = asm.label();
    start_stream(asm, finish);
    let next_iteration = asm.here();
    let stream_end = asm.label();
    start_iteration(asm, stream_end);

    asm.bind(iteration_end);
    asm.li(5, CONTEXT);
    asm.i(Op::Ld, 6, 5, context::ITERATION);
    asm.i(Op::Addi, 6, 6, 1);
    asm.store(Op::Sd, 6, 5, context::ITERATION);
    asm.jal(ZERO, next_iteration);

    asm.bind(stream_end);
    append_memory(asm);
    print_signature(asm, print_hex, full);
    asm.li(5, CONTEXT);
    asm.i(Op::Ld, 6, 5, context::ROW);
    asm.i(Op::Addi, 6, 6, row::BYTES);
    asm.store(Op::Sd, 6, 5, context::ROW);
    asm.jal(ZERO, next_stream);

    asm.bind(finish);
    for byte in b"end\n" {
        put(asm, *byte);
    }
    asm.li(5, FINISHER);
    asm.li(6, 0x5555);
    asm.store(Op::Sw, 6, 5, 0);
    let forever = asm.here();
    asm.jal(ZERO, forever);
    asm.align(8);
}

fn set_up(asm: &mut Asm, mtvec: Label, stvec: Label, table: Label) {
    for (register, label) in [(csr::MTVEC, mtvec), (csr::STVEC, stvec)] {
        asm.la(5, label);
        asm.csr(Op::Csrrw, ZERO, register, 5);
    }
    for register in [csr::MIE, csr::MCOUNTEREN, csr::SCOUNTEREN, csr::MIDELEG] {
        asm.csr(Op::Csrrwi, ZERO, register, 0);
    }
    // All modes may access all memory: one naturally aligned region over the whole address space.
    asm.li(5, u64::MAX >> 10);
    asm.csr(Op::Csrrw, ZERO, csr::PMPADDR0, 5);
    asm.csr(Op::Csrrwi, ZERO, csr::PMPCFG0, 0x1f);

    asm.li(5, CONTEXT);
    asm.csr(Op::Csrrw, ZERO, csr::MSCRATCH, 5);
    asm.csr(Op::Csrrw, ZERO, csr::SSCRATCH, 5);
    asm.la(6, table);
    asm.store(Op::Sd, 6, 5, context::ROW);

    // Fills the page of `ret`.
    asm.li(5, RET_PAGE);
    asm.li(6, RET_PAGE + 4096);
    asm.li(7, 0x0000_8067_0000_8067);
    let fill = asm.here();
    asm.store(Op::Sd, 7, 5, 0);
    asm.i(Op::Addi, 5, 5, 8);
    asm.branch(Op::Bne, 5, 6, fill);
    asm.op(Op::FenceI);
}

/// Fills the memory from the stream's pool, which is repeated. Jumps to `finish` after the last
/// stream.
fn start_stream(asm: &mut Asm, finish: Label) {
    asm.li(5, CONTEXT);
    asm.i(Op::Ld, 6, 5, context::ROW);
    asm.i(Op::Ld, 7, 6, row::ENTRY);
    let go_on = asm.label();
    asm.branch(Op::Bne, 7, ZERO, go_on);
    asm.jal(ZERO, finish);
    asm.bind(go_on);
    asm.store(Op::Sd, ZERO, 5, context::ITERATION);
    asm.store(Op::Sd, ZERO, 5, context::CAUSES);
    asm.li(7, SIGNATURE);
    asm.store(Op::Sd, 7, 5, context::NEXT);

    asm.li(7, MEMORY);
    asm.li(8, MEMORY + MEMORY_BYTES);
    let again = asm.here();
    asm.i(Op::Ld, 9, 6, row::POOL);
    asm.i(Op::Addi, 10, ZERO, POOL_WORDS as i32);
    let fill = asm.here();
    asm.i(Op::Ld, 11, 9, 0);
    asm.store(Op::Sd, 11, 7, 0);
    asm.i(Op::Addi, 9, 9, 8);
    asm.i(Op::Addi, 7, 7, 8);
    asm.i(Op::Addi, 10, 10, -1);
    asm.branch(Op::Bne, 10, ZERO, fill);
    asm.branch(Op::Bltu, 7, 8, again);
}

/// Sets the CSRs and registers, and enters the stream. Jumps to `stream_end` after the last run.
fn start_iteration(asm: &mut Asm, stream_end: Label) {
    asm.li(5, CONTEXT);
    asm.i(Op::Ld, 6, 5, context::ITERATION);
    asm.i(Op::Addi, 7, ZERO, ITERATIONS as i32);
    let go_on = asm.label();
    asm.branch(Op::Bne, 6, 7, go_on);
    asm.jal(ZERO, stream_end);
    asm.bind(go_on);

    asm.i(Op::Ld, 8, 5, context::ROW);
    asm.i(Op::Ld, 9, 8, row::END);
    asm.store(Op::Sd, 9, 5, context::END);
    asm.i(Op::Ld, 31, 8, row::POOL);
    asm.i(Op::Addi, 7, ZERO, 8 * POOL_STEP as i32);
    asm.r(Op::Mul, 6, 6, 7);
    asm.r(Op::Add, 31, 31, 6);
    // The floating-point unit is on at first, to load its registers.
    asm.li(9, STATUS_FS);
    asm.csr(Op::Csrrw, ZERO, csr::MSTATUS, 9);
    for register in 0..32 {
        asm.i(Op::Fld, register, 31, 256 + 8 * i32::from(register));
    }
    for (register, word) in [
        (csr::FCSR, row::FCSR),
        (csr::SATP, row::SATP),
        (csr::MEDELEG, row::MEDELEG),
        (csr::MEPC, row::ENTRY),
        (csr::MSTATUS, row::MSTATUS),
    ] {
        asm.i(Op::Ld, 9, 8, word);
        asm.csr(Op::Csrrw, ZERO, register, 9);
    }
    // Clears the CSRs of the last stream that streams may read.
    for register in [csr::STVAL, csr::MTVAL, csr::SEPC, csr::SCAUSE] {
        asm.csr(Op::Csrrwi, ZERO, register, 0);
    }
    asm.op(Op::SfenceVma);
    for register in 1..=31 {
        asm.i(Op::Ld, register, 31, 8 * i32::from(register));
    }
    asm.op(Op::Mret);
}

/// Appends the memory and the page tables to the signature.
fn append_memory(asm: &mut Asm) {
    asm.li(5, CONTEXT);
    asm.i(Op::Ld, 6, 5, context::NEXT);
    asm.i(Op::Ld, 7, 5, context::ROW);
    let copy = asm.label();
    let copied = asm.label();
    let tables = asm.label();
    asm.li(8, MEMORY);
    asm.li(9, MEMORY_BYTES / 8);
    asm.la(RA, tables);
    asm.jal(ZERO, copy);
    asm.bind(tables);
    asm.i(Op::Ld, 8, 7, row::TABLES);
    asm.i(Op::Ld, 9, 7, row::TABLES_WORDS);
    asm.la(RA, copied);

    // Copies x9 words from x8 to x6, then jumps to x1.
    asm.bind(copy);
    asm.li(10, tag::MEMORY);
    asm.store(Op::Sd, 10, 6, 0);
    asm.store(Op::Sd, 8, 6, 8);
    asm.store(Op::Sd, 9, 6, 16);
    asm.i(Op::Addi, 6, 6, 24);
    let done = asm.label();
    let next = asm.here();
    asm.branch(Op::Beq, 9, ZERO, done);
    asm.i(Op::Ld, 10, 8, 0);
    asm.store(Op::Sd, 10, 6, 0);
    asm.i(Op::Addi, 8, 8, 8);
    asm.i(Op::Addi, 6, 6, 8);
    asm.i(Op::Addi, 9, 9, -1);
    asm.jal(ZERO, next);
    asm.bind(done);
    asm.i(Op::Jalr, ZERO, RA, 0);

    asm.bind(copied);
    asm.store(Op::Sd, 6, 5, context::NEXT);
}

/// Prints the stream's number, the length of its signature in words, its hash, and
/// [`context::CAUSES`]; with `full` also the words.
fn print_signature(asm: &mut Asm, print_hex: Label, full: bool) {
    asm.li(5, CONTEXT);
    asm.i(Op::Ld, 20, 5, context::NEXT);
    asm.li(21, SIGNATURE);
    asm.i(Op::Ld, 6, 5, context::ROW);
    asm.i(Op::Ld, 10, 6, row::NUMBER);
    asm.jal(RA, print_hex);
    asm.r(Op::Sub, 10, 20, 21);
    asm.i(Op::Srli, 10, 10, 3);
    asm.jal(RA, print_hex);

    asm.i(Op::Addi, 10, ZERO, 1);
    asm.li(11, 0x9fb2_1c65_1e98_df25);
    asm.i(Op::Addi, 12, 21, 0);
    let next = asm.here();
    asm.i(Op::Ld, 13, 12, 0);
    asm.r(Op::Xor, 10, 10, 13);
    asm.r(Op::Mul, 10, 10, 11);
    asm.i(Op::Srli, 13, 10, 32);
    asm.r(Op::Xor, 10, 10, 13);
    asm.i(Op::Addi, 12, 12, 8);
    asm.branch(Op::Bne, 12, 20, next);
    asm.jal(RA, print_hex);
    asm.li(5, CONTEXT);
    asm.i(Op::Ld, 10, 5, context::CAUSES);
    asm.jal(RA, print_hex);
    put(asm, b'\n');

    if full {
        let next = asm.here();
        asm.i(Op::Ld, 10, 21, 0);
        asm.jal(RA, print_hex);
        put(asm, b'\n');
        asm.i(Op::Addi, 21, 21, 8);
        asm.branch(Op::Bne, 21, 20, next);
    }
}

/// A subroutine that prints x10 as 16 hexadecimal digits and a space. Changes x14 to x16.
fn print_hex(asm: &mut Asm) -> Label {
    let entry = asm.here();
    asm.li(14, UART);
    asm.i(Op::Addi, 15, ZERO, 60);
    let next = asm.here();
    asm.r(Op::Srl, 16, 10, 15);
    asm.i(Op::Andi, 16, 16, 15);
    asm.i(Op::Addi, 16, 16, i32::from(b'0'));
    asm.i(Op::Addi, 17, ZERO, i32::from(b'9'));
    let digit = asm.label();
    asm.branch(Op::Bge, 17, 16, digit);
    asm.i(Op::Addi, 16, 16, i32::from(b'a' - b'9' - 1));
    asm.bind(digit);
    asm.store(Op::Sb, 16, 14, 0);
    asm.i(Op::Addi, 15, 15, -4);
    asm.branch(Op::Bge, 15, ZERO, next);
    asm.i(Op::Addi, 16, ZERO, i32::from(b' '));
    asm.store(Op::Sb, 16, 14, 0);
    asm.i(Op::Jalr, ZERO, RA, 0);
    entry
}

fn put(asm: &mut Asm, byte: u8) {
    asm.li(5, UART);
    asm.i(Op::Addi, 6, ZERO, i32::from(byte));
    asm.store(Op::Sb, 6, 5, 0);
}
