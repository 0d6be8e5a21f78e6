//! The second tier of the machine: blocks of guest instructions, translated to the host's.
//!
//! Translated code does what is frequent and cannot go wrong: integer arithmetic, jumps, and accesses
//! to RAM that the [`tlb`] knows. At anything else it stops in front of the instruction and hands it
//! to the interpreter, which stays the only home of traps, devices and system instructions. Where code
//! was translated, where blocks begin and when translations are dropped cannot be told from the state
//! of the machine.
//!
//! On hosts other than x86-64 Linux nothing is ever translated.

pub mod tlb;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod x64;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use x64::Jit;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod none;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub use none::Jit;

use riscv_isa::Insn;
use std::sync::atomic::AtomicBool;
use tlb::{Space, Tlb};

/// What translated code works on.
#[derive(Debug)]
pub struct State<'a> {
    /// Integer registers; `x[0]` is zero.
    pub x: &'a mut [u64; 32],
    /// Floating-point registers, where they are on and their status is dirty: so that a store to one changes
    /// nothing else.
    pub f: Option<&'a mut [u64; 32]>,
    /// RAM offset that LR reserved.
    pub reservation: &'a mut Option<u64>,
    /// Cached translations of the hart.
    pub tlb: &'a Tlb,
    /// Which set of them instructions are fetched through.
    pub fetch: Space,
    /// Which set loads and stores go through.
    pub data: Space,
    /// The RAM that the translations lead to.
    pub ram: &'a mut [u8],
    /// Looked at in every loop: ends the run.
    pub kick: &'a AtomicBool,
}

/// How translated code ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Address of the next instruction.
    pub pc: u64,
    /// Instructions of those allowed that were not executed.
    pub left: u64,
    /// What is there.
    pub next: Next,
}

/// What to do after an [`Exit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on at the pc: nothing is known of the instruction there.
    Go,
    /// The interpreter must execute this instruction, of which nothing has happened yet. If it
    /// completes, and neither the translation of its page nor the mode has changed, [`Jit::resume`]
    /// goes on behind it.
    Interpret(Insn, Resume),
}

/// Where to go on after an instruction that was interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    site: u32,
    /// Of the code that the site belongs to.
    generation: u64,
}
