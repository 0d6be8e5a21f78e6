//! A split virtqueue from the device's side (section 2.7).
//!
//! Everything in guest memory is read once and checked before use: the guest may write any value,
//! and may change it at any time.

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

/// Feature bits that all devices share (sections 2.2 and 6).
pub(super) mod feature {
    use super::*;
    pub(in crate::virtio) const VERSION_1: u64 = 1 << VIRTIO_F_VERSION_1;
    pub(in crate::virtio) const INDIRECT: u64 = 1 << VIRTIO_RING_F_INDIRECT_DESC;
    pub(in crate::virtio) const EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;
}

/// A virtqueue: its configuration by the driver, and the device's indices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    /// Largest size that the device supports.
    pub(super) max: u16,
    /// Size (QueueNum) as the driver wrote it. It is checked when the queue becomes ready.
    pub(super) size: u32,
    pub(super) ready: bool,
    /// Physical addresses of the descriptor table, the available ring and the used ring.
    pub(super) descriptors: u64,
    pub(super) available: u64,
    pub(super) used: u64,
    /// Available index of the next chain to take.
    next_available: u16,
    /// Used index of the next entry to write.
    next_used: u16,
    /// `next_used` at the last decision about an interrupt; `None` before the first one.
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

    /// Checks size and addresses when the driver sets QueueReady.
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
        // It fits, because `enable` has checked it against `max`.
        self.size as u16
    }

    fn slot(&self, index: u16) -> u64 {
        u64::from(index & self.len().wrapping_sub(1))
    }

    /// Number of available chains that the device has not taken.
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

    /// Takes the next available chain. Its buffers may have at most `limit` bytes.
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

    /// Returns the last `count` chains to the queue, to be taken again.
    pub(super) fn unpop(&mut self, count: u16) {
        self.next_available = self.next_available.wrapping_sub(count);
    }

    /// Puts a chain into the used ring, with `written` bytes of it written by the device.
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

    /// Ends a batch: requests notifications, and returns whether the driver must get an interrupt.
    /// `starved`: request a notification of every new chain, not only of those after the untaken
    /// ones.
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
        // Section 2.7.10: has the used index passed used_event since the last decision?
        before.is_none_or(|old| new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old))
    }
}
