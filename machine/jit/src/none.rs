//! For hosts that no translation is made for.

use crate::{Exit, Resume, State};
use riscv_isa::Insn;

/// Translates nothing.
#[derive(Debug, Clone, Default)]
pub struct Jit;

impl Jit {
    /// `None`: there is no translation for this host.
    pub fn new() -> Option<Self> {
        None
    }

    /// Nothing is translated.
    pub fn translate(&mut self, _: u64, _: &[Insn]) -> bool {
        false
    }

    /// There is nothing to drop.
    pub fn invalidate(&mut self, _: u64, _: u64) -> bool {
        false
    }

    /// There is nothing to drop.
    pub fn clear(&mut self) {}

    /// There is nothing to run.
    pub fn run(&mut self, _: u64, _: u64, _: &mut State<'_>, _: u64) -> Option<Exit> {
        None
    }

    /// There is nothing to run.
    pub fn resume(&mut self, _: Resume, _: u64, _: &mut State<'_>, _: u64) -> Option<Exit> {
        None
    }
}
