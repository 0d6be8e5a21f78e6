//! How a hart stops at breakpoints, and what it tells of watchpoints and traps.

use super::{Core, Mode};
use crate::probe::{AddressSpace, Cause, Stop};
use crate::units::Icount;
use riscv_isa::Insn;

impl Core<'_> {
    /// The address space that instructions are fetched in; none in machine mode.
    fn space(&self) -> Option<AddressSpace> {
        let translated = self.hart.mode != Mode::Machine;
        translated.then(|| AddressSpace::of_satp(self.hart.csrs.satp))
    }

    /// Whether the page of `pc` has breakpoints. The answer holds as long as a cached translation:
    /// it depends on the mode, on `satp`, and on the probes.
    pub(super) fn guards(&self, pc: u64) -> bool {
        self.probes.breakpoints.on_page(pc, self.space())
    }

    /// Whether the hart stops in front of the instruction at `pc`, which is next.
    pub(super) fn stops_before(&mut self, pc: u64) -> bool {
        self.probes.breakpoints.at(pc, self.space())
            && self.fetchable(pc)
            && self
                .probes
                .stop_before((Icount::new(self.head), self.hart.id, pc))
    }

    /// How many of `ops`, the instructions from the pc on, come before the next breakpoint, not
    /// counting one at the first.
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

    /// Stops for what watchpoints saw of the instruction at `pc`.
    #[cold]
    pub(super) fn take_heard(&mut self, pc: u64) {
        let hits = self.bus.ram.take_heard(self.hart.id, pc);
        self.probes.pending.extend(hits.map(Stop::Watch));
    }

    /// The instruction at `pc` raised an exception.
    pub(super) fn caught(&mut self, pc: u64, cause: u64, tval: u64) {
        let cause = Cause::Exception(cause);
        self.probes.trapped(self.hart.id, pc, cause, tval);
    }
}
