//! What differs from device to device, and what the transport lends to each.

use super::chain::Chain;
use super::error::{DeviceError, Fault};
use super::memory::Dma;
use super::queue::Queue;
use crate::device::Context;
use crate::inputs::Arrival;

/// The queues of a device whose driver is ready, while the device works on them.
#[derive(Debug)]
pub(super) struct Live<'a> {
    pub(super) dma: Dma<'a>,
    pub(super) queues: &'a mut [Queue],
    /// What driver and device agreed on.
    pub(super) features: u64,
    /// The driver wants to hear of a used buffer.
    pub(super) interrupt: bool,
}

impl Live<'_> {
    /// How many chains wait in a queue.
    pub(super) fn waiting(&self, queue: usize) -> Result<u16, DeviceError> {
        let queue = self.queues.get(queue);
        queue.map_or(Ok(0), |queue| queue.waiting(&self.dma))
    }

    /// Takes the next chain, with `limit` bytes of buffers at most.
    pub(super) fn pop(&mut self, queue: usize, limit: u64) -> Result<Option<Chain>, DeviceError> {
        match self.queues.get_mut(queue) {
            Some(queue) => queue.pop(&self.dma, self.features, limit),
            None => Ok(None),
        }
    }

    /// Gives the last `count` chains back to the queue.
    pub(super) fn unpop(&mut self, queue: usize, count: u16) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.unpop(count);
        }
    }

    /// Hands a chain back to the driver, with `written` bytes of it stored to.
    pub(super) fn push(&mut self, queue: usize, head: u16, written: u32) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.push(&mut self.dma, head, written);
        }
    }

    /// Ends a batch; `starved`: the device wants to hear of any new chain.
    pub(super) fn settle(&mut self, queue: usize, starved: bool) {
        if let Some(queue) = self.queues.get_mut(queue) {
            self.interrupt |= queue.settle(&mut self.dma, self.features, starved);
        }
    }
}

/// A device behind the transport.
///
/// A device that has no business with something leaves that method as it is.
pub(super) trait Backend {
    /// Device ID (section 5).
    fn id(&self) -> u32;

    /// Feature bits of the device itself.
    fn features(&self) -> u64;

    /// The most entries of each queue: powers of two.
    fn queues(&self) -> &'static [u16];

    /// The configuration space.
    fn config(&self) -> Vec<u8>;

    /// Works on a queue of which the driver says that it has new chains.
    fn notify(
        &mut self,
        queue: usize,
        live: &mut Live<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Fault>;

    /// Takes something that arrives from outside, if it is for this device; says whether it is.
    /// `live`: the queues, where the driver is ready.
    fn arrive(
        &mut self,
        _arrival: &Arrival,
        _live: Option<&mut Live<'_>>,
    ) -> Result<bool, DeviceError> {
        Ok(false)
    }

    /// The virtual time (ns) at which the device next wants [`Backend::tick`]; `None`: never. It is
    /// asked only where the driver is ready.
    fn deadline(&self) -> Option<u64> {
        None
    }

    /// Whether the device wants [`Backend::tick`] before the next instruction, for another reason
    /// than time: an arrival lets it go on with what it had put off. An idle machine is not woken.
    fn ready(&self) -> bool {
        false
    }

    /// Called before an instruction, when virtual time has reached [`Backend::deadline`] or the
    /// device is [`Backend::ready`].
    fn tick(&mut self, _live: &mut Live<'_>, _cx: &mut Context<'_>) -> Result<(), Fault> {
        Ok(())
    }

    /// Forgets what differs between two recordings of one machine from the start.
    fn forget_seed(&mut self) {}

    /// The driver takes its queues back: what is under way is no longer theirs to see.
    fn reset(&mut self);
}
