//! A split virtqueue, from the device's side (section 2.7).
//!
//! Everything in guest memory is read once and checked before it is used: the guest may change it
//! at any time, and may have written anything.

use super::chain::{Chain, walk};
use super::error::{DeviceError, Ring};
use super::memory::Dma;
use crate::units::PhysAddr;
use serde::{Deserialize, Serialize};
use virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;
use virtio_bindings::virtio_ring::{
    VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC, VRING_AVAIL_ALIGN_SIZE,
    VRING_AVAIL_F_NO_INTERRUPT, VRING_DESC_ALIGN_SIZE, VRING_USED_ALIGN_SIZE,
};

/// Feature bits of all our devices (sections 2.2 and 6).
pub(super) mod feature {
    use super::*;
    pub(in crate::virtio) const VERSION_1: u64 = 1 << VIRTIO_F_VERSION_1;
    pub(in crate::virtio) const INDIRECT: u64 = 1 << VIRTIO_RING_F_INDIRECT_DESC;
    pub(in crate::virtio) const EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;
}

/// A queue: what the driver set up, and how far the device has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    /// The most entries the device takes.
    pub(super) max: u16,
    /// Entries, as the driver set them; checked when the queue becomes ready.
    pub(super) size: u32,
    pub(super) ready: bool,
    /// Physical addresses of the three parts.
    pub(super) descriptors: u64,
    pub(super) available: u64,
    pub(super) used: u64,
    /// Index of the chain that the device takes next.
    next_available: u16,
    /// Index of the next entry of the used ring.
    next_used: u16,
    /// `next_used` when the driver was last considered for an interrupt; `None`: never yet.
    considered: Option<u16>,
}

impl Queue {
    pub(super) fn new(max: u16) -> Self {
        Self {
            max,
            size: 0,
            ready: false,
            descriptors: 0,
            available: 0,
            used: 0,
            next_available: 0,
            next_used: 0,
            considered: None,
        }
    }

    /// The driver says that the queue is set up: from now on its size and places are good.
    pub(super) fn enable(&mut self, dma: &Dma<'_>) -> Result<(), DeviceError> {
        let (size, max) = (self.size, self.max);
        if !size.is_power_of_two() || size > u32::from(max) {
            return Err(DeviceError::QueueSize { size, max });
        }
        let size = u64::from(size);
        let rings = [
            (
                Ring::Descriptors,
                self.descriptors,
                VRING_DESC_ALIGN_SIZE,
                16 * size,
            ),
            (
                Ring::Available,
                self.available,
                VRING_AVAIL_ALIGN_SIZE,
                6 + 2 * size,
            ),
            (Ring::Used, self.used, VRING_USED_ALIGN_SIZE, 6 + 8 * size),
        ];
        for (ring, address, align, len) in rings {
            let (aligned, held) = (
                address.is_multiple_of(u64::from(align)),
                dma.holds(address, len),
            );
            let address = PhysAddr::new(address);
            if !aligned {
                return Err(DeviceError::RingUnaligned { ring, address });
            }
            if !held {
                return Err(DeviceError::RingOutside { ring, address });
            }
        }
        *self = Self {
            ready: true,
            next_available: 0,
            next_used: 0,
            considered: None,
            ..*self
        };
        Ok(())
    }

    fn len(&self) -> u16 {
        // `enable` has checked it against `max`.
        self.size as u16
    }

    fn slot(&self, index: u16) -> u64 {
        u64::from(index & self.len().wrapping_sub(1))
    }

    /// How many chains the driver has made available and the device not taken.
    pub(super) fn waiting(&self, dma: &Dma<'_>) -> Result<u16, DeviceError> {
        if !self.ready {
            return Ok(0);
        }
        let (from, to) = (self.next_available, dma.u16(self.available + 2));
        let count = to.wrapping_sub(from);
        if count > self.len() {
            let size = self.len();
            return Err(DeviceError::IndexJump { from, to, size });
        }
        Ok(count)
    }

    /// Takes the next chain, whose buffers have `limit` bytes at most.
    pub(super) fn pop(
        &mut self,
        dma: &Dma<'_>,
        features: u64,
        limit: u64,
    ) -> Result<Option<Chain>, DeviceError> {
        if self.waiting(dma)? == 0 {
            return Ok(None);
        }
        let head = dma.u16(self.available + 4 + 2 * self.slot(self.next_available));
        let table = (self.descriptors, self.size);
        let chain = walk(dma, table, head, features & feature::INDIRECT != 0, limit)?;
        self.next_available = self.next_available.wrapping_add(1);
        Ok(Some(chain))
    }

    /// Gives back the last `count` chains that were taken: they come again.
    pub(super) fn unpop(&mut self, count: u16) {
        self.next_available = self.next_available.wrapping_sub(count);
    }

    /// Hands a chain back to the driver; `written` bytes of it were stored to.
    pub(super) fn push(&mut self, dma: &mut Dma<'_>, head: u16, written: u32) {
        if !self.ready {
            return;
        }
        let entry = self.used + 4 + 8 * self.slot(self.next_used);
        dma.write(entry, &u32::from(head).to_le_bytes());
        dma.write(entry + 4, &written.to_le_bytes());
        self.next_used = self.next_used.wrapping_add(1);
        dma.write(self.used + 2, &self.next_used.to_le_bytes());
    }

    /// After a batch: says which new chain the device wants to hear of, and returns whether the
    /// driver wants an interrupt. `starved`: of any new one, not only of those it has yet to take.
    pub(super) fn settle(&mut self, dma: &mut Dma<'_>, features: u64, starved: bool) -> bool {
        if !self.ready {
            return false;
        }
        let event_idx = features & feature::EVENT_IDX != 0;
        if event_idx {
            let event = match starved {
                true => dma.u16(self.available + 2),
                false => self.next_available,
            };
            let at = self.used + 4 + 8 * u64::from(self.size);
            if dma.u16(at) != event {
                dma.write(at, &event.to_le_bytes());
            }
        }
        let new = self.next_used;
        let before = self.considered.replace(new);
        if before.unwrap_or(0) == new {
            return false;
        }
        if !event_idx {
            let flags = u32::from(dma.u16(self.available));
            return flags & VRING_AVAIL_F_NO_INTERRUPT == 0;
        }
        let event = dma.u16(self.available + 4 + 2 * u64::from(self.size));
        // Section 2.7.10: has the used index passed the event since the last look?
        before.is_none_or(|old| new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old))
    }
}
