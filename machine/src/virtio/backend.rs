//! What differs from device to device, and what the transport lends to each.

use super::VirtioConfig;
use super::block::Block;
use super::chain::Chain;
use super::console::Console;
use super::error::{DeviceError, Fault};
use super::memory::Dma;
use super::net::Net;
use super::queue::Queue;
use super::rng::Rng;
use crate::device::Context;
use serde::{Deserialize, Serialize};

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

    /// The driver takes its queues back: what is under way is no longer theirs to see.
    fn reset(&mut self);
}

/// The devices there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Block(Block),
    Net(Net),
    Rng(Rng),
    Console(Console),
}

impl Kind {
    pub(super) fn new(config: &VirtioConfig) -> Self {
        match config {
            VirtioConfig::Block {
                drive,
                size,
                read_only,
                serial,
            } => Self::Block(Block::new(*drive, *size, *read_only, serial)),
            VirtioConfig::Net { adapter, mac } => Self::Net(Net::new(*adapter, *mac)),
            VirtioConfig::Rng { seed } => Self::Rng(Rng::new(*seed)),
            VirtioConfig::Console { port } => Self::Console(Console::new(*port)),
        }
    }

    pub(super) fn backend(&mut self) -> &mut dyn Backend {
        match self {
            Self::Block(block) => block,
            Self::Net(net) => net,
            Self::Rng(rng) => rng,
            Self::Console(console) => console,
        }
    }
}
