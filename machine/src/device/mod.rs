//! Devices of the board, and the interface between a device and the bus.
//!
//! A device reports an invalid access as an error, and the bus decides its effect on the hart. A
//! device reads no clock: it receives the virtual time with each call. Its interrupt line is a
//! function of its state, which the bus reads after each call.

pub mod clint;
pub mod goldfish_rtc;
pub mod htif;
pub mod plic;
pub mod test_finisher;
#[cfg(test)]
mod testing;
pub mod uart16550;

use crate::inputs::{Halted, Inputs, Moment};

/// Why a device rejected an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No register is at this offset.
    #[error("no register at this offset")]
    InvalidRegister,
    /// The register does not support this access size.
    #[error("the register does not take this access size")]
    InvalidAccessSize,
    /// The engine stopped the machine during the access.
    #[error(transparent)]
    Halted(#[from] Halted),
}

/// The context of a call to a device.
pub struct Context<'a> {
    /// Virtual time in nanoseconds. It is a function of the icount and of the logged warps.
    pub now: u64,
    /// The point of the run at which the call is made, for events.
    pub at: Moment,
    /// The calls to the engine, for everything non-deterministic.
    pub inputs: &'a mut dyn Inputs,
}

/// A memory-mapped device.
pub trait Device {
    /// Reads `size` bytes (1, 2, 4 or 8) at `offset` from the device's base. The value is
    /// zero-extended. A read may have side effects.
    ///
    /// # Errors
    /// [`AccessError`] if there is no such register or the engine stops the machine.
    fn read(&mut self, offset: u64, size: u8, cx: &mut Context<'_>) -> Result<u64, AccessError>;

    /// Writes the low `size` bytes (1, 2, 4 or 8) of `value` at `offset` from the device's base.
    ///
    /// # Errors
    /// [`AccessError`] if there is no such register or the engine stops the machine.
    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), AccessError>;

    /// The level of the interrupt line to the PLIC. It is a function of the device's state.
    fn irq(&self) -> bool {
        false
    }

    /// The virtual time (ns) at which [`Device::tick`] must be called next; `None`: never.
    fn deadline(&self) -> Option<u64> {
        None
    }

    /// Called when virtual time has reached [`Device::deadline`].
    ///
    /// # Errors
    /// [`Halted`] if the engine stops the machine.
    fn tick(&mut self, _cx: &mut Context<'_>) -> Result<(), Halted> {
        Ok(())
    }

    /// Resets the device to its power-on state.
    fn reset(&mut self);
}
