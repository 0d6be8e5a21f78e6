//! The interface of the host's parts of devices, such as the networks that adapters lead to.

use machine::inputs::{Arrival, DeviceOutput};
use std::sync::Arc;

/// Takes the arrivals for a device of the guest, on any thread.
pub type OnArrival = Arc<dyn Fn(Arrival) + Send + Sync>;

/// What a host does with the output of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It has no part of this device.
    Declined,
    /// It has taken the output.
    Taken,
    /// It has taken the output, and may answer within milliseconds.
    MayAnswer,
}

/// The host's part of all devices of a type. Dropping it closes it.
pub trait HostDevice: Send {
    /// Takes an output, or declines it because it is for another device. This never waits.
    fn output(&mut self, output: &DeviceOutput) -> Handled;

    /// Notes that the machine gets an arrival, for a device of any type.
    fn arrived(&mut self, _arrival: &Arrival) {}
}
