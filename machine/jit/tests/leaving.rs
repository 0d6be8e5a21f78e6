//! Tests of the exits of translated code: at the end of its budget, and in any loop once the kick
//! flag is set.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

use machine_jit::tlb::{Kind, Space, Tlb};
use machine_jit::{Exit, Jit, Next, State};
use riscv_isa::{Insn, Op};
use std::sync::atomic::AtomicBool;

const SPACE: Space = Space::new(3);
const RAM: u64 = 4 * 4096;
/// Virtual address of RAM.
const AT: u64 = 0x8000_0000;

fn jump(imm: i32) -> Insn {
    Insn {
        imm,
        ..Insn::new(Op::Jal)
    }
}

/// Blocks with the RAM offsets of their starts. Execution starts at the first one.
type Code = Vec<(u64, Vec<Insn>)>;

/// Endless loops.
fn loops() -> Vec<Code> {
    let add = Insn {
        rd: 10,
        rs1: 10,
        imm: 1,
        ..Insn::new(Op::Addi)
    };
    let back = Insn {
        rs1: 10,
        imm: -4,
        ..Insn::new(Op::Bne)
    };
    let here = Insn {
        rd: 5,
        ..Insn::new(Op::Auipc)
    };
    let register = Insn {
        rs1: 5,
        ..Insn::new(Op::Jalr)
    };
    vec![
        vec![(0, vec![jump(0)])],
        vec![(0, vec![add, back, add]), (8, vec![jump(-8)])],
        vec![(0, vec![jump(8)]), (8, vec![add, jump(-12)])],
        vec![(0, vec![jump(4096)]), (4096, vec![jump(-4096)])],
        vec![(0, vec![here, register])],
    ]
}

/// Calls with the state of a hart whose registers are zero and that accesses RAM through `tlb`.
fn with_state<T>(
    tlb: &Tlb,
    ram: &mut [u8],
    kick: bool,
    then: impl FnOnce(&mut State<'_>) -> T,
) -> T {
    then(&mut State {
        x: &mut [0; 32],
        f: None,
        reservation: &mut None,
        tlb,
        fetch: SPACE,
        data: SPACE,
        ram,
        kick: &AtomicBool::new(kick),
    })
}

fn run(code: &Code, kick: bool, left: u64) -> Exit {
    let mut jit = Jit::new().unwrap();
    for (start, ops) in code {
        assert!(jit.translate(*start, ops), "this host lets code be made");
    }
    let mut tlb = Tlb::new(RAM);
    for page in 0..4 {
        tlb.fill(Kind::Fetch, SPACE, AT + page * 4096, page * 4096);
    }
    with_state(&tlb, &mut [0; RAM as usize], kick, |state| {
        jit.run(code[0].0, AT + code[0].0, state, left).unwrap()
    })
}

#[test]
fn the_budget_is_kept_to_the_instruction() {
    for (number, code) in loops().iter().enumerate() {
        for left in 0..50 {
            let exit = run(code, false, left);
            assert_eq!(exit.next, Next::Go);
            assert!(exit.left < 4, "loop {number}: {} of {left} left", exit.left);
        }
    }
}

#[test]
fn every_loop_looks_at_the_kick_flag() {
    for (number, code) in loops().iter().enumerate() {
        let exit = run(code, true, 1000);
        assert_eq!(exit.next, Next::Go);
        assert!((985..1000).contains(&exit.left), "loop {number}: {exit:?}");
    }
}

#[test]
fn ram_that_is_too_small_is_not_entered() {
    let mut jit = Jit::new().unwrap();
    assert!(jit.translate(0, &[jump(0)]));
    let exit = with_state(&Tlb::new(RAM), &mut [0; 100], false, |state| {
        jit.run(0, AT, state, 10)
    });
    assert_eq!(exit, None);
}

/// A full arena is emptied, and code that was left before is not resumed.
#[test]
fn a_full_arena_is_emptied() {
    let mut jit = Jit::new().unwrap();
    let load = Insn {
        rd: 10,
        rs1: 11,
        ..Insn::new(Op::Ld)
    };
    let block = [load; 64];
    assert!(jit.translate(0, &block));
    with_state(&Tlb::new(RAM), &mut [0; RAM as usize], false, |state| {
        let exit = jit.run(0, AT, state, 100).unwrap();
        let Next::Interpret(insn, resume) = exit.next else {
            panic!("{exit:?}: the translation is not cached");
        };
        assert_eq!((insn, exit.pc, exit.left), (load, AT, 100));
        // Execution resumes after the instruction.
        let again = jit.resume(resume, AT + 4, state, 99).unwrap();
        assert_eq!((again.pc, again.left), (AT + 4, 99));
        for place in 1..20_000 {
            assert!(jit.translate(place * 256, &block));
        }
        assert_eq!(jit.run(0, AT, state, 100), None);
        assert_eq!(jit.resume(resume, AT + 4, state, 99), None);
        assert!(jit.run(19_999 * 256, AT + 0xf00, state, 100).is_some());
    });
}
