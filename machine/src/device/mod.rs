//! Devices of the board, and what the bus asks of each.
//!
//! A device says what is wrong with an access; the bus decides what the hart sees. A device never
//! reads a clock: the virtual time comes with each call. Its interrupt line is a function of its
//! state, which the bus reads after each call.

pub mod clint;
pub mod goldfish_rtc;
pub mod htif;
pub mod plic;
pub mod test_finisher;
#[cfg(test)]
mod testing;
pub mod uart16550;

use crate::inputs::{Halted, Inputs, Moment};

/// Why a device refused an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No register at this offset.
    #[error("no register at this offset")]
    InvalidRegister,
    /// The register exists, but not in this access size.
    #[error("the register does not take this access size")]
    InvalidAccessSize,
    /// The engine stopped the machine during the access.
    #[error(transparent)]
    Halted(#[from] Halted),
}

/// What a device may use during a call.
pub struct Context<'a> {
    /// Virtual time in nanoseconds: a function of the icount and of logged warps.
    pub now: u64,
    /// Where in the run the call happens, for events.
    pub at: Moment,
    /// The door to everything non-deterministic.
    pub inputs: &'a mut dyn Inputs,
}

/// A memory-mapped device.
pub trait Device {
    /// Reads `size` bytes (1, 2, 4 or 8) at `offset` from the device's base; the value is
    /// zero-extended. A read may have side effects.
    ///
    /// # Errors
    /// What is wrong with the access.
    fn read(&mut self, offset: u64, size: u8, cx: &mut Context<'_>) -> Result<u64, AccessError>;

    /// Writes the low `size` bytes (1, 2, 4 or 8) of `value` at `offset` from the device's base.
    ///
    /// # Errors
    /// What is wrong with the access.
    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), AccessError>;

    /// The interrupt line to the PLIC: a function of the device's state.
    fn irq(&self) -> bool {
        false
    }

    /// The virtual time (ns) at which the device next wants [`Device::tick`]; `None`: never.
    fn deadline(&self) -> Option<u64> {
        None
    }

    /// Called when virtual time has reached [`Device::deadline`].
    ///
    /// # Errors
    /// [`Halted`] where the engine stops the machine.
    fn tick(&mut self, _cx: &mut Context<'_>) -> Result<(), Halted> {
        Ok(())
    }

    /// Puts the device into its power-on state.
    fn reset(&mut self);
}
