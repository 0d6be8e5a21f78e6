//! What a debugger does with a machine: it inserts probes, and looks without touching.

mod fault;
mod single;
mod witness;

use crate::cpu::look;
use crate::machine::Machine;
use crate::probe::{Planted, Probe};

impl Machine {
    /// Inserts a probe. A witness begins anew where there is one; a fault takes the place of another.
    pub fn insert_probe(&mut self, probe: Probe) {
        match probe {
            Probe::Witness => self.probes.witness = Some(0),
            Probe::Fault(fault) => self.probes.fault = Some(Planted::new(fault)),
        }
    }

    /// Removes a probe; without effect where there is none such.
    pub fn remove_probe(&mut self, probe: Probe) {
        match probe {
            Probe::Witness => self.probes.witness = None,
            Probe::Fault(fault) => {
                let same = |planted: &Planted| planted.fault == fault;
                self.probes.fault.take_if(|planted| same(planted));
            }
        }
    }

    /// The physical address that a load or store of hart `hart` at `va` goes to now, whatever its
    /// rights: so in the mode that `MPRV` lends it. `None`: nowhere. Marks no page as used.
    pub fn physical(&self, hart: u8, va: u64) -> Option<u64> {
        let hart = self.hart(hart)?;
        look(hart, &self.bus.ram, va, hart.data_mode())
    }

    /// By how much the guest has set its real-time clock ahead of the host's, in ns.
    pub fn rtc_offset(&self) -> i64 {
        self.bus.devices.rtc.offset.cast_signed()
    }

    /// The instruction word at `va` as hart `hart` would fetch it, whatever its rights; of a compressed
    /// one the low 16 bits.
    pub fn instruction(&self, hart: u8, va: u64) -> Option<u32> {
        let hart = self.hart(hart)?;
        let half = |va: u64| {
            let address = look(hart, &self.bus.ram, va, hart.mode)?;
            let bytes = self.bus.memory(address, 2)?;
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
    use crate::{Config, Machine, PowerOn};

    #[test]
    fn data_is_seen_in_the_mode_that_mprv_lends_and_code_is_not() {
        // A page of 1 GiB at address 0, which leads to RAM.
        let entry = RAM_BASE >> 2 | 0xcf;
        let segments = vec![
            (RAM_BASE, entry.to_le_bytes().to_vec()),
            (RAM_BASE + 8, vec![0x13, 0, 0, 0]),
        ];
        let power_on = PowerOn {
            segments,
            ..PowerOn::default()
        };
        let mut machine = Machine::new(&Config::new(1 << 20), power_on);
        let hart = &mut machine.harts[0];
        hart.csrs.satp = 8 << 60 | RAM_BASE >> 12;
        assert_eq!(machine.physical(0, 8), Some(8), "machine mode");
        machine.harts[0].csrs.mstatus = mstatus::MPRV | 1 << mstatus::MPP_SHIFT;
        assert_eq!(machine.physical(0, 8), Some(RAM_BASE + 8));
        assert_eq!(machine.instruction(0, RAM_BASE + 8), Some(0x13));
        assert_eq!(machine.instruction(0, 8), None, "fetches are not lent");
    }
}
