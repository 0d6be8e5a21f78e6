//! What a debugger does with a machine: it inserts probes, and looks without touching.

mod fault;
mod single;
mod witness;

use crate::cpu::Mode;
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

    /// The physical address of `va` as hart `hart` sees it now, whatever its rights.
    pub fn physical(&self, hart: u8, va: u64) -> Option<u64> {
        let hart = self.hart(hart)?;
        let satp = hart.csrs.satp;
        let levels: u32 = match satp >> 60 {
            _ if hart.mode == Mode::Machine => return Some(va),
            0 => return Some(va),
            8 => 3,
            9 => 4,
            _ => 5,
        };
        let mut table = (satp & ((1 << 44) - 1)) << 12;
        for level in (0..levels).rev() {
            let shift = 12 + 9 * level;
            let bytes = self.bus.memory(table + (va >> shift & 0x1ff) * 8, 8)?;
            let entry = u64::from_le_bytes(*bytes.first_chunk()?);
            if entry & 1 == 0 {
                return None;
            }
            table = (entry >> 10 & ((1 << 44) - 1)) << 12;
            if entry & 0xe != 0 {
                let within = (1 << shift) - 1;
                return Some(table & !within | va & within);
            }
        }
        None
    }

    /// By how much the guest has set its real-time clock ahead of the host's, in ns.
    pub fn rtc_offset(&self) -> i64 {
        self.bus.devices.rtc.offset.cast_signed()
    }

    /// The instruction word at `va` as hart `hart` sees it; of a compressed one the low 16 bits.
    pub fn instruction(&self, hart: u8, va: u64) -> Option<u32> {
        let half = |va: u64| {
            let bytes = self.bus.memory(self.physical(hart, va)?, 2)?;
            Some(u32::from(u16::from_le_bytes(*bytes.first_chunk()?)))
        };
        let low = half(va)?;
        if low & 3 != 3 {
            return Some(low);
        }
        Some(half(va.wrapping_add(2))? << 16 | low)
    }
}
