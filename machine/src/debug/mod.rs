//! The debugger's view of a machine: it inserts probes, and reads state without side effects.

mod fault;
mod single;
mod witness;

use crate::cpu::{Hart, look};
use crate::inputs::Moment;
use crate::machine::Machine;
use crate::probe::{AddressSpace, Probe, Probes, Stop};
use crate::units::{PhysAddr, VirtAddr};

impl Machine {
    /// Inserts a probe. A probe that is already inserted stays, but a witness starts a new hash and
    /// a fault replaces the old one. It flushes the cached translations.
    pub fn insert_probe(&mut self, probe: Probe) {
        self.probes.insert(probe);
        self.probes_changed();
    }

    /// Removes a probe if it is inserted. It flushes the cached translations.
    pub fn remove_probe(&mut self, probe: Probe) {
        self.probes.remove(probe);
        self.probes_changed();
    }

    /// Removes all probes, and drops stops that no run has returned yet.
    pub fn clear_probes(&mut self) {
        self.probes = Probes::default();
        self.bus.ram.clear_watch_hits();
        self.probes_changed();
    }

    /// Disables breakpoints at the harts' next instructions until the icount changes. A debugger
    /// calls it to continue from a point at which no breakpoint has stopped.
    pub fn pass_breakpoints(&mut self) {
        let place = |hart: &Hart| (self.icount, hart.id, hart.pc);
        self.probes.passed = self.harts.iter().map(place).collect();
    }

    /// The address space of hart `hart` in S-mode and U-mode.
    pub fn address_space(&self, hart: u8) -> Option<AddressSpace> {
        let hart = self.hart(hart)?;
        Some(AddressSpace::of_satp(hart.csrs.satp))
    }

    /// Updates watched pages and cached translations after a change of the probes.
    fn probes_changed(&mut self) {
        let points = self.probes.watchpoints.iter().copied();
        self.bus.ram.set_watchpoints(points.collect());
        self.tlbs.iter_mut().for_each(|tlb| tlb.flush());
        self.bus.ram.unmark_tables();
    }

    /// Drops pending stops and hits: the machine has moved to another point of the run.
    pub(crate) fn reapply_probes(&mut self) {
        self.probes.clear_stops();
        self.bus.ram.clear_watch_hits();
        self.probes_changed();
    }

    /// Takes the next pending stop at the current icount. The next [`run`](Self::run) would return
    /// it without executing an instruction.
    pub fn take_stop(&mut self) -> Option<Stop> {
        if self.bus.ram.has_watch_hits() {
            // These hits come from outside: a hart's own hits are taken after its instruction.
            let Moment { hart, pc, .. } = self.moment();
            self.report_watch_hits(hart, pc.get());
        }
        self.probes.pending.pop_front()
    }

    /// Records a step: hart number `turn` has executed an instruction.
    pub(crate) fn stepped(&mut self, turn: usize) {
        if let Some(hart) = self.harts.get(turn) {
            let (hart, pc) = (hart.id, VirtAddr::new(hart.pc));
            self.probes.pending.push_back(Stop::Step { hart, pc });
        }
    }

    /// Records stops for the watchpoint hits of the instruction of `hart` at `pc`.
    pub(crate) fn report_watch_hits(&mut self, hart: u8, pc: u64) {
        let hits = self.bus.ram.take_watch_hits(hart, pc).map(Stop::Watch);
        self.probes.pending.extend(hits);
    }

    /// Translates `va` for a load or store of hart `hart` to a physical address, with MPRV but
    /// without a check of permissions. `None`: not mapped. It sets no A or D bit.
    pub fn physical(&self, hart: u8, va: VirtAddr) -> Option<PhysAddr> {
        let hart = self.hart(hart)?;
        look(hart, &self.bus.ram, va.get(), hart.data_mode()).map(PhysAddr::new)
    }

    /// The guest's setting of the real-time clock minus the host's time, in ns.
    pub fn rtc_offset(&self) -> i64 {
        self.bus.devices.rtc.offset.cast_signed()
    }

    /// The instruction word at `va`, fetched by hart `hart` without a check of permissions. Of a
    /// compressed instruction it has the low 16 bits.
    pub fn instruction(&self, hart: u8, va: VirtAddr) -> Option<u32> {
        let hart = self.hart(hart)?;
        let half = |va: VirtAddr| {
            let address = look(hart, &self.bus.ram, va.get(), hart.mode)?;
            let bytes = self.bus.memory(PhysAddr::new(address), 2)?;
            Some(u32::from(u16::from_le_bytes(*bytes.first_chunk()?)))
        };
        let low = half(va)?;
        if low & 3 != 3 {
            return Some(low);
        }
        Some(half(va.wrapping_add(2))? << 16 | low)
    }
}

#[cfg(test)]
mod tests {
    use crate::bus::RAM_BASE;
    use crate::cpu::mstatus;
    use crate::{Config, Machine, PhysAddr, PowerOn, VirtAddr};

    const LOW: VirtAddr = VirtAddr::new(8);

    #[test]
    fn data_is_seen_in_the_mode_that_mprv_lends_and_code_is_not() {
        // A gigapage at virtual address 0 that maps RAM.
        let entry = RAM_BASE.get() >> 2 | 0xcf;
        let segments = vec![
            (RAM_BASE, entry.to_le_bytes().to_vec()),
            (RAM_BASE + 8, vec![0x13, 0, 0, 0]),
        ];
        let power_on = PowerOn {
            segments,
            ..PowerOn::default()
        };
        let mut machine = Machine::new(&Config::new(1 << 20), power_on).unwrap();
        let hart = &mut machine.harts[0];
        hart.csrs.satp = 8 << 60 | RAM_BASE.get() >> 12;
        assert_eq!(
            machine.physical(0, LOW),
            Some(PhysAddr::new(8)),
            "machine mode"
        );
        machine.harts[0].csrs.mstatus = mstatus::MPRV | 1 << mstatus::MPP_SHIFT;
        assert_eq!(machine.physical(0, LOW), Some(RAM_BASE + 8));
        assert_eq!(
            machine.instruction(0, VirtAddr::new(RAM_BASE.get() + 8)),
            Some(0x13)
        );
        assert_eq!(machine.instruction(0, LOW), None, "fetches are not lent");
    }
}
