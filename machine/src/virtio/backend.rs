//! The interface between the transport and the devices.

use super::chain::Chain;
use super::error::{DeviceError, Fault};
use super::memory::Dma;
use super::queue::Queue;
use crate::device::Context;
use crate::inputs::Arrival;

/// The queues of a device while it works on them. Its driver has set DRIVER_OK.
#[derive(Debug)]
pub(super) struct Live<'a> {
    pub(super) dma: Dma<'a>,
    pub(super) queues: &'a mut [Queue],
    /// The negotiated features.
    pub(super) features: u64,
    /// The driver must get an interrupt for a used buffer.
    pub(super) interrupt: bool,
}

impl Live<'_> {
    /// Number of chains that wait in a queue.
    pub(super) fn waiting(&self, queue: usize) -> Result<u16, DeviceError> {
        let queue = self.queues.get(queue);
        queue.map_or(Ok(0), |queue| queue.waiting(&self.dma))
    }

    /// Takes the next available chain. Its buffers may have at most `limit` bytes.
    pub(super) fn pop(&mut self, queue: usize, limit: u64) -> Result<Option<Chain>, DeviceError> {
        match self.queues.get_mut(queue) {
            Some(queue) => queue.pop(&self.dma, self.features, limit),
            None => Ok(None),
        }
    }

    /// Returns the last `count` chains to the queue.
    pub(super) fn unpop(&mut self, queue: usize, count: u16) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.unpop(count);
        }
    }

    /// Puts a chain into the used ring, with `written` bytes of it written by the device.
    pub(super) fn push(&mut self, queue: usize, head: u16, written: u32) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.push(&mut self.dma, head, written);
        }
    }

    /// Ends a batch. `starved`: the device needs a notification of every new chain.
    pub(super) fn settle(&mut self, queue: usize, starved: bool) {
        if let Some(queue) = self.queues.get_mut(queue) {
            self.interrupt |= queue.settle(&mut self.dma, self.features, starved);
        }
    }
}

/// A device behind the transport.
///
/// The default of each method is for devices that do not need it.
pub(super) trait Backend {
    /// Device ID (section 5).
    fn id(&self) -> u32;

    /// Feature bits of the device type.
    fn features(&self) -> u64;

    /// Largest size of each queue. Each one is a power of two.
    fn queues(&self) -> &'static [u16];

    /// Contents of the configuration space.
    fn config(&self) -> Vec<u8>;

    /// Handles a queue notification of the driver.
    fn notify(
        &mut self,
        queue: usize,
        live: &mut Live<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Fault>;

    /// Handles an arrival. Returns false if it is for another device. `live` has the queues if the
    /// driver is ready.
    fn arrive(
        &mut self,
        _arrival: &Arrival,
        _live: Option<&mut Live<'_>>,
    ) -> Result<bool, DeviceError> {
        Ok(false)
    }

    /// The virtual time (ns) at which [`Backend::tick`] must be called next; `None`: never. It is
    /// called only if the driver is ready.
    fn deadline(&self) -> Option<u64> {
        None
    }

    /// Whether [`Backend::tick`] must be called before the next instruction: an arrival lets the
    /// device continue deferred work. It does not wake an idle machine.
    fn ready(&self) -> bool {
        false
    }

    /// Called before an instruction, if virtual time has reached [`Backend::deadline`] or
    /// [`Backend::ready`] is true.
    fn tick(&mut self, _live: &mut Live<'_>, _cx: &mut Context<'_>) -> Result<(), Fault> {
        Ok(())
    }

    /// Drops state that differs from the start between two recordings of the same machine.
    fn forget_seed(&mut self) {}

    /// Resets the device. Requests in flight are dropped.
    fn reset(&mut self);
}
