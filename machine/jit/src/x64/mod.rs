//! The back end for x86-64 (System V calling convention).
#![allow(
    clippy::useless_conversion,
    reason = "dynasm! converts the numbers of registers to what they are"
)]

mod arithmetic;
mod control;
mod float;
mod glue;
mod memory;
mod registers;
mod translate;

use crate::block::{Start, Translation};
use crate::frame::Frame;
use crate::host::Host;
use glue::Glue;
use riscv_isa::Insn;

/// The back end for x86-64.
#[derive(Debug)]
pub struct X64 {
    glue: Glue,
}

// SAFETY: the code keeps the rules of the trait. The glue saves the registers that the ABI
// preserves, and has one exit. RAM is accessed only after `Translator::ram_offset`. All exits of
// blocks are in `control`. Nothing in the code unwinds.
unsafe impl Host for X64 {
    const ARENA: usize = 24 << 20;

    /// It uses only instructions that every x86-64 processor has.
    fn available() -> bool {
        true
    }

    fn glue(base: usize) -> Option<(Self, Vec<u8>)> {
        let (glue, code) = glue::assemble(base)?;
        Some((Self { glue }, code))
    }

    fn translate(&self, start: Start, ops: &[Insn]) -> Option<Translation> {
        translate::translate(&self.glue, start, ops)
    }

    /// The displacement from the end of the jump. It is the jump's last four bytes.
    fn jump(place: usize, target: usize) -> [u8; 4] {
        let from = place as i64 + 4;
        ((target as i64 - from) as i32).to_le_bytes()
    }

    /// x86 keeps instruction fetches coherent with stores through any mapping.
    fn flush_icache(&self, _: &[u8], _: usize) {}

    #[inline(always)]
    unsafe fn enter(&self, frame: &mut Frame, code: usize) {
        // SAFETY: `Glue::enter` is the address of code with this signature. The caller guarantees
        // that the code is still there, and that the frame and `code` are valid for it.
        unsafe {
            let enter: extern "sysv64" fn(*mut Frame, usize) = std::mem::transmute(self.glue.enter);
            enter(frame, code);
        }
    }
}
