//! The hart's side of the probes: it stops at breakpoints, and reports watchpoint hits and traps.

use super::{Core, Mode};
use crate::probe::{AddressSpace, Cause, Stop};
use crate::units::Icount;
use riscv_isa::Insn;

impl Core<'_> {
    /// The address space of fetches; `None` in M-mode.
    fn space(&self) -> Option<AddressSpace> {
        let translated = self.hart.mode != Mode::Machine;
        translated.then(|| AddressSpace::of_satp(self.hart.csrs.satp))
    }

    /// Whether the page of `pc` has breakpoints. The answer holds as long as a cached translation
    /// does: it depends on the mode, on `satp`, and on the probes.
    pub(super) fn page_has_breakpoints(&self, pc: u64) -> bool {
        self.probes.breakpoints.on_page(pc, self.space())
    }

    /// Whether a breakpoint stops the hart before the instruction at `pc`, which is the next one.
    pub(super) fn stops_before(&mut self, pc: u64) -> bool {
        self.probes.breakpoints.at(pc, self.space())
            && self.fetchable(pc)
            && self
                .probes
                .stop_before((Icount::new(self.head), self.hart.id, pc))
    }

    /// Number of instructions in `ops` before the next breakpoint. `ops` starts at the pc. A
    /// breakpoint at the first instruction is ignored.
    pub(super) fn before_breakpoint(&self, ops: &[Insn]) -> usize {
        let space = self.space();
        let mut pc = self.hart.pc;
        let stops = |insn: &Insn| {
            pc = pc.wrapping_add(u64::from(insn.len));
            self.probes.breakpoints.at(pc, space)
        };
        let last = ops.iter().position(stops);
        last.map_or(ops.len(), |last| last + 1)
    }

    /// Reports the watchpoint hits of the instruction at `pc`.
    #[cold]
    pub(super) fn report_watch_hits(&mut self, pc: u64) {
        let hits = self.bus.ram.take_watch_hits(self.hart.id, pc);
        self.probes.pending.extend(hits.map(Stop::Watch));
    }

    /// Reports an exception of the instruction at `pc`.
    pub(super) fn report_exception(&mut self, pc: u64, cause: u64, tval: u64) {
        let cause = Cause::Exception(cause);
        self.probes.trapped(self.hart.id, pc, cause, tval);
    }
}
