//! Tests of each translated instruction: random instructions with boundary values as operands give
//! the same results in the JIT and in the interpreter.

#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

use machine::boot::reset_rom;
use machine::bus::RAM_BASE;
use machine::cpu::Hart;
use machine::inputs::{Halted, Inputs, Mark, Moment, Output};
use machine::{Config, Digest, Execution, Exit, Icount, Machine, PhysAddr, PowerOn};
use proptest::prelude::*;
use riscv_isa::table::{Entry, Format, TABLE};
use riscv_isa::{Insn, Op, encode};

/// Address of the data: initial registers, and memory for stores.
const DATA: u64 = 0x4000;
/// The register that contains the address of the data. It is never written.
const BASE: u8 = 31;
/// Instructions in a run, far more than the program has.
const STEPS: u64 = 400;

/// Inputs that fail the test if they are called.
struct NoInputs;

impl Inputs for NoInputs {
    fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
        Err(Halted)
    }
    fn output(&mut self, _: Moment, _: Output<'_>) -> Result<(), Halted> {
        Err(Halted)
    }
    fn mark(&mut self, _: Moment, mark: Mark) -> Result<(), Halted> {
        match mark {
            Mark::Interrupt(_) => Err(Halted),
            Mark::Exception(_) => Ok(()),
        }
    }
}

/// The instructions of a random program: all except those that only the interpreter executes.
fn entries() -> impl Iterator<Item = &'static Entry> {
    let system = |op: Op| (Op::Ecall as u8..=Op::Csrrci as u8).contains(&(op as u8));
    TABLE.iter().filter(move |entry| !system(entry.op))
}

/// A random instruction that branches only forward and accesses only the data.
fn instruction() -> impl Strategy<Value = Insn> {
    let register = || prop_oneof![0u8..31, 8u8..16];
    let immediate = prop_oneof![-2048..2048i32, -8..8i32, any::<i32>()];
    let registers = (0u8..31, register(), register(), register());
    (0..entries().count(), registers, immediate, 0u8..5).prop_map(
        |(index, (rd, rs1, rs2, rs3), imm, rm)| {
            let op = entries().nth(index).unwrap().op;
            let mut insn = Insn {
                rd,
                rs1,
                rs2,
                rs3,
                imm,
                rm,
                ..Insn::new(op)
            };
            match op.entry().format {
                // To the next instruction, or to the one after it.
                Format::J | Format::B => insn.imm = [4, 8][(imm & 1) as usize],
                Format::Load | Format::Store | Format::FLoad | Format::FStore => {
                    insn.rs1 = BASE;
                    // Most accesses are aligned.
                    insn.imm = (imm % 2048) & if rs1 < 8 { !0 } else { !7 };
                }
                Format::LoadReserved | Format::Amo => insn.rs1 = BASE,
                _ => {}
            }
            // The target of JALR is computed, so `j` takes its place; `a_jump_through_a_register`
            // tests it.
            if op == Op::Jalr {
                insn = Insn {
                    imm: 8,
                    ..Insn::new(Op::Jal)
                };
            }
            insn
        },
    )
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        any::<i32>().prop_map(|low| i64::from(low) as u64),
        prop::sample::select(vec![
            0,
            1,
            2,
            u64::MAX,
            1 << 31,
            (1 << 31) - 1,
            u32::MAX.into(),
            1 << 63,
            (1 << 63) - 1,
            0xffff_ffff_8000_0000,
            0x7ff0_0000_0000_0000,
        ]),
    ]
}

/// Loads all registers, stores to the page once, executes `body` twice, and loops.
fn program(body: &[Insn]) -> Vec<Insn> {
    let memory = |op, register, imm| Insn {
        rd: register,
        rs1: BASE,
        rs2: register,
        imm,
        ..Insn::new(op)
    };
    let mut program = vec![
        Insn {
            rd: BASE,
            imm: DATA as i32,
            ..Insn::new(Op::Auipc)
        },
        // Enable the floating-point unit.
        Insn {
            rd: 1,
            imm: 3 << 13,
            ..Insn::new(Op::Lui)
        },
        Insn {
            rs1: 1,
            imm: 0x300,
            ..Insn::new(Op::Csrrs)
        },
        memory(Op::Sd, 0, 1024),
    ];
    program.extend((1..31).map(|register| memory(Op::Ld, register, i32::from(register) * 8)));
    program.extend((0..32).map(|register| memory(Op::Fld, register, i32::from(register) * 8)));
    program.extend_from_slice(body);
    program.extend_from_slice(body);
    let end = Insn::new(Op::Jal);
    // The last instruction of `body` may jump over the first of these.
    program.extend([end, end]);
    program
}

fn run(program: &[Insn], values: &[u64], execution: Execution) -> (Hart, Digest) {
    let code = program.iter().flat_map(|insn| encode(insn).to_le_bytes());
    let data = values.iter().flat_map(|value| value.to_le_bytes());
    let power_on = PowerOn {
        segments: vec![
            (RAM_BASE, code.collect()),
            (RAM_BASE + DATA, data.collect()),
        ],
        rom: reset_rom(RAM_BASE, PhysAddr::default(), None),
        ..PowerOn::default()
    };
    let mut machine = Machine::new(&Config::new(1 << 20), power_on).unwrap();
    machine.set_execution(execution);
    assert_eq!(machine.run(Icount::new(STEPS), &mut NoInputs), Exit::Count);
    let hart = machine.hart(0).unwrap().clone();
    (hart, machine.digest())
}

fn alike(body: &[Insn], values: &[u64]) {
    let program = program(body);
    let interpreted = run(&program, values, Execution::Interpreter);
    let translated = run(&program, values, Execution::Translated { after: 0 });
    assert_eq!(interpreted.0, translated.0, "{body:#?}\n{values:x?}");
    assert_eq!(
        interpreted.1, translated.1,
        "RAM differs: {body:#?}\n{values:x?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_instructions(
        body in prop::collection::vec(instruction(), 1..60),
        values in prop::collection::vec(value(), 512),
    ) {
        alike(&body, &values);
    }
}

/// Each instruction by itself, with every pair of boundary values.
#[test]
fn each_instruction_at_the_edges() {
    const EDGES: [u64; 6] = [0, 1, u64::MAX, 1 << 31, u32::MAX as u64, 1 << 63];
    let mut values = vec![0; 512];
    let compute = [Format::R, Format::I, Format::Shift, Format::ShiftW];
    let all: Vec<Insn> = entries()
        .filter(|entry| compute.contains(&entry.format) && entry.op != Op::Jalr)
        .map(|entry| Insn {
            rd: 5,
            rs1: 6,
            rs2: 10,
            imm: 31,
            ..Insn::new(entry.op)
        })
        .collect();
    assert!(all.len() > 35);
    // Store each result, so that it is compared.
    let store = |index: usize| Insn {
        rs1: BASE,
        rs2: 5,
        imm: 1032 + 8 * index as i32,
        ..Insn::new(Op::Sd)
    };
    let body: Vec<Insn> = all
        .iter()
        .enumerate()
        .flat_map(|(index, insn)| [*insn, store(index)])
        .collect();
    for (a, b) in EDGES.into_iter().flat_map(|a| EDGES.map(|b| (a, b))) {
        (values[6], values[10]) = (a, b);
        alike(&body, &values);
    }
}

/// Jumps to an odd address in a register, which the jump may overwrite.
#[test]
fn a_jump_through_a_register() {
    for (rd, rs1) in [(0, 1), (1, 1), (1, 5), (10, 10), (5, 10)] {
        // From the AUIPC to the second instruction after the jump. Bit 0 of the target is ignored.
        let body = [
            Insn {
                rd: rs1,
                ..Insn::new(Op::Auipc)
            },
            Insn {
                rd,
                rs1,
                imm: 13,
                ..Insn::new(Op::Jalr)
            },
            Insn {
                rd: 20,
                imm: 4096,
                ..Insn::new(Op::Lui)
            },
        ];
        let values = vec![7; 512];
        alike(&body, &values);
        let hart = run(&program(&body), &values, Execution::Translated { after: 0 }).0;
        assert_eq!(hart.x[20], 7, "it was jumped over");
    }
}
