//! The back end for hosts that are not supported.

use crate::block::{Start, Translation};
use crate::frame::Frame;
use crate::host::Host;
use riscv_isa::Insn;

/// A back end that translates nothing.
#[cfg_attr(
    test,
    allow(unreachable_pub, reason = "on other hosts the tests alone know it")
)]
#[derive(Debug)]
pub enum Nothing {}

// SAFETY: it returns no code, so none is executed.
unsafe impl Host for Nothing {
    const ARENA: usize = 0;

    fn available() -> bool {
        false
    }

    fn glue(_: usize) -> Option<(Self, Vec<u8>)> {
        None
    }

    fn translate(&self, _: Start, _: &[Insn]) -> Option<Translation> {
        match *self {}
    }

    fn jump(_: usize, _: usize) -> [u8; 4] {
        [0; 4]
    }

    fn flush_icache(&self, _: &[u8], _: usize) {
        match *self {}
    }

    unsafe fn enter(&self, _: &mut Frame, _: usize) {
        match *self {}
    }
}
