//! The JIT (just-in-time compiler) of the machine: it translates blocks of guest instructions to
//! host instructions.
//!
//! Translated code executes instructions that are frequent and cannot trap: integer arithmetic,
//! jumps, and accesses to RAM through the [`tlb`]. It stops before any other instruction and hands
//! it to the interpreter, which alone implements traps, devices and system instructions. The state
//! of the machine does not depend on what is translated, where blocks begin, or when translations
//! are dropped.
//!
//! Only x86-64 Linux is supported. Other hosts translate nothing.
//!
//! # The two parts
//!
//! What does not depend on the host is shared: `cache.rs` (how blocks are found, linked, dropped,
//! entered and left), `block.rs` (where a block ends, and the bookkeeping of its code), `frame.rs`
//! (the data of translated code), `arena.rs` (its memory) and `tlb.rs`. What depends on the host is
//! a *back end* in a folder of its own (`x64/`). Between them is the trait `Host` in `host.rs`. It
//! states the duties of a back end, and the reasons for its shape.
//!
//! # How to add a back end
//!
//! 1. Read `Host`. The code of every block must keep the list under *Safety*.
//! 2. Make a folder beside `x64/` with a type that implements `Host`. First write the glue and
//!    `enter`. Then write a `translate` that emits the head of a block and leaves every instruction
//!    to the interpreter, jumps without a position to resume; `Draft` in `block.rs` does the
//!    bookkeeping. That is already correct. Then add one group of instructions after the other.
//! 3. Name it here as `Native`, with its `cfg`, and exclude its host from the `cfg` of `none.rs`.
//!    Add its assembler to `Cargo.toml` under the same `cfg`. `map` in `arena.rs` must support the
//!    system.
//! 4. Add the host to the `cfg` of `tests/leaving.rs`. Then `cargo test -p machine-jit -p machine`
//!    tests it: `exact_stops` and `templates` compare it with the interpreter, and `leaving` checks
//!    the budget and the kick flag. `cargo test -p rr-cli --test isa` compares it with QEMU.
//!
//! `cache/tests.rs` tests the shared part without a real host. Its back end has two or three
//! invented instructions, with jumps and an instruction cache like those of AArch64.

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

// Tests compile it on every host, so that it is not broken unnoticed.
#[cfg(any(test, not(all(target_arch = "x86_64", target_os = "linux"))))]
mod none;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
use none::Nothing as Native;

pub use cache::CodeCache;

/// The code cache of this host.
pub type Jit = CodeCache<Native>;

use riscv_isa::Insn;
use std::sync::atomic::AtomicBool;
use tlb::{Space, Tlb};

/// The state that translated code works on.
#[derive(Debug)]
pub struct State<'a> {
    /// Integer registers. `x[0]` is zero.
    pub x: &'a mut [u64; 32],
    /// Floating-point registers; `None` unless `mstatus.FS` is dirty. So a store to one changes no
    /// other state.
    pub f: Option<&'a mut [u64; 32]>,
    /// RAM offset of the reservation of LR.
    pub reservation: &'a mut Option<u64>,
    /// The TLB of the hart.
    pub tlb: &'a Tlb,
    /// The set of the TLB for fetches.
    pub fetch: Space,
    /// The set of the TLB for loads and stores.
    pub data: Space,
    /// The RAM that the TLB's offsets refer to.
    pub ram: &'a mut [u8],
    /// The kick flag. Every loop reads it, and ends the run if it is set.
    pub kick: &'a AtomicBool,
}

/// How translated code was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Virtual address of the next instruction.
    pub pc: u64,
    /// Number of the allowed instructions that were not executed.
    pub left: u64,
    /// How to continue.
    pub next: Next,
}

/// How to continue after an [`Exit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Continue at the pc. Nothing is known about the instruction there.
    Go,
    /// The interpreter must execute this instruction, which has had no effect yet. If it completes
    /// without a change of mode or of its page's translation, [`CodeCache::resume`] continues after
    /// it.
    Interpret(Insn, Resume),
}

/// The position after an interpreted instruction at which to resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    site: u32,
    /// The generation of the code that the site belongs to.
    generation: u64,
}
