//! The second tier of the machine: blocks of guest instructions, translated to the host's.
//!
//! Translated code does what is frequent and cannot go wrong: integer arithmetic, jumps, and
//! accesses to RAM that the [`tlb`] knows. At anything else it stops in front of the instruction
//! and hands it to the interpreter, which stays the only home of traps, devices and system
//! instructions. Where code was translated, where blocks begin and when translations are dropped
//! cannot be told from the state of the machine.
//!
//! On hosts other than x86-64 Linux nothing is ever translated.
//!
//! # The two parts
//!
//! What no host's instruction set is in is shared: `cache.rs` (which blocks there are, how they are
//! linked, dropped, entered and left), `block.rs` (where a block ends, and what is known of its
//! code), `frame.rs` (what code finds in memory), `arena.rs` (where the code is) and `tlb.rs`. What
//! one is in is a *back end*, a folder of its own (`x64/`). Between them is one trait, `Host` in
//! `host.rs`. It says what a back end owes, and why it has the shape that it has.
//!
//! # How to add a back end
//!
//! 1. Read `Host`. The list under *Safety* is what the code of every block must keep.
//! 2. Make a folder beside `x64/`, with a type that implements `Host`. First the glue and `enter`;
//!    then a `translate` that makes the head of a block and leaves every instruction to the
//!    interpreter, jumps without a place to resume at: `Draft` in `block.rs` does the book-keeping.
//!    That is correct already. Then one group of instructions after the other.
//! 3. Name it here, with its `cfg`, as `Native`, and take its host out of the `cfg` of `none.rs`.
//!    Its assembler goes into `Cargo.toml` under the same `cfg`. `map` in `arena.rs` must know the
//!    system.
//! 4. Put the host into the `cfg` of `tests/leaving.rs`. `cargo test -p machine-jit -p machine`
//!    then tests it: `exact_stops` and `templates` compare it with the interpreter, `leaving` holds
//!    the budget and the kick flag. `cargo test -p rr-cli --test isa` compares it with QEMU.
//!
//! The shared part is tested without any back end for a real host, in `cache/tests.rs`: by one
//! whose code is two or three made-up instructions, with jumps and a cache of instructions as on
//! AArch64.

mod arena;
#[cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux")),
    allow(dead_code, reason = "called by back ends alone")
)]
mod block;
mod cache;
mod frame;
mod host;
pub mod tlb;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod x64;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use x64::X64 as Native;

// With the tests on all hosts, so that it is not forgotten where it is not used.
#[cfg(any(test, not(all(target_arch = "x86_64", target_os = "linux"))))]
mod none;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
use none::Nothing as Native;

pub use cache::CodeCache;

/// Translated code for this host.
pub type Jit = CodeCache<Native>;

use riscv_isa::Insn;
use std::sync::atomic::AtomicBool;
use tlb::{Space, Tlb};

/// What translated code works on.
#[derive(Debug)]
pub struct State<'a> {
    /// Integer registers; `x[0]` is zero.
    pub x: &'a mut [u64; 32],
    /// Floating-point registers, where they are on and their status is dirty: so that a store to
    /// one changes nothing else.
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
    /// completes, and neither the translation of its page nor the mode has changed,
    /// [`CodeCache::resume`] goes on behind it.
    Interpret(Insn, Resume),
}

/// Where to go on after an instruction that was interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    site: u32,
    /// Of the code that the site belongs to.
    generation: u64,
}
