//! Environment calls (ECALL from S-mode) to the machine's own SBI.

use crate::inputs::{Halted, Inputs, Moment};
use crate::machine::Machine;
use crate::sbi::Call;
use crate::units::VirtAddr;

/// Size of an ECALL instruction in bytes.
pub(crate) const ECALL_LEN: u64 = 4;

impl Machine {
    /// Serves the SBI call that the current hart has just made.
    pub(crate) fn sbi_call(&mut self, inputs: &mut dyn Inputs) -> Result<(), Halted> {
        let caller = self.schedule.current();
        let hart = self.current();
        // The icount already includes the ECALL itself.
        let icount = self.icount.saturating_sub(1);
        let at = Moment {
            icount,
            hart: hart.id,
            pc: VirtAddr::new(hart.pc.wrapping_sub(ECALL_LEN)),
        };
        let [a0, a1, a2, a3, a4, a5, function, extension] =
            std::array::from_fn(|n| hart.get_x(10 + n as u8));
        let pointee = self
            .physical(hart.id, VirtAddr::new(a0))
            .and_then(|address| {
                let bytes = self.bus.memory(address, 8)?;
                Some(u64::from_le_bytes(*bytes.first_chunk()?))
            });
        let mut call = Call {
            harts: &mut self.harts,
            devices: &mut self.bus.devices,
            ram: &mut self.bus.ram,
            inputs,
            at,
            now: self.clock.now(icount),
            caller,
            function,
            args: [a0, a1, a2, a3, a4, a5],
            pointee,
            flush: None,
        };
        let served = call.serve(extension as u32);
        if let Some(tlb) = call.flush.and_then(|index| self.tlbs.get_mut(index)) {
            tlb.flush();
        }
        served
    }
}
