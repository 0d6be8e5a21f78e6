//! Descriptor chains: parsing and checks (sections 2.7.5 and 2.7.5.3).

use super::error::DeviceError;
use super::memory::{Dma, Segment, total};
use crate::units::PhysAddr;
use virtio_bindings::virtio_ring::{VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};

/// Most descriptors in an indirect table. Linux makes tables that are longer than the queue.
const INDIRECT_MAX: u32 = 1024;

/// The buffers of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// Index of the head descriptor, which identifies the chain to the driver.
    pub(super) head: u16,
    /// Device-readable buffers.
    pub(super) readable: Vec<Segment>,
    /// Device-writable buffers.
    pub(super) writable: Vec<Segment>,
}

impl Chain {
    /// Number of device-readable bytes.
    pub(super) fn readable_len(&self) -> u64 {
        total(&self.readable)
    }

    /// Number of device-writable bytes.
    pub(super) fn writable_len(&self) -> u64 {
        total(&self.writable)
    }
}

struct Descriptor {
    address: u64,
    len: u32,
    flags: u32,
    next: u16,
}

fn descriptor(dma: &Dma<'_>, table: (u64, u32), index: u16) -> Result<Descriptor, DeviceError> {
    let (base, len) = table;
    let outside = DeviceError::DescriptorOutside { index, len };
    if u32::from(index) >= len {
        return Err(outside);
    }
    let bytes = dma.get(base + 16 * u64::from(index), 16).ok_or(outside)?;
    let field = |from: usize, len: usize| {
        let bytes = bytes.iter().skip(from).take(len).rev();
        bytes.fold(0u64, |value, &byte| value << 8 | u64::from(byte))
    };
    Ok(Descriptor {
        address: field(0, 8),
        len: field(8, 4) as u32,
        flags: field(12, 2) as u32,
        next: field(14, 2) as u16,
    })
}

/// Parses the chain that starts at `head`. `table` is the address of the descriptor table, which is
/// in RAM, and the number of its entries. The buffers may have at most `limit` bytes.
pub(super) fn walk(
    dma: &Dma<'_>,
    table: (u64, u32),
    head: u16,
    indirect: bool,
    limit: u64,
) -> Result<Chain, DeviceError> {
    let mut chain = Chain {
        head,
        readable: Vec::new(),
        writable: Vec::new(),
    };
    let (mut table, mut index, mut inside) = (table, head, false);
    let (mut count, mut bytes) = (0, 0u64);
    loop {
        let found = descriptor(dma, table, index)?;
        if found.flags & VRING_DESC_F_INDIRECT != 0 {
            if !indirect {
                return Err(DeviceError::IndirectNotNegotiated);
            }
            if inside || found.flags & VRING_DESC_F_NEXT != 0 {
                return Err(DeviceError::NestedIndirect);
            }
            table = indirect_table(dma, &found)?;
            (index, inside, count) = (0, true, 0);
            continue;
        }
        count += 1;
        if count > table.1 {
            return Err(DeviceError::ChainTooLong(table.1));
        }
        bytes += u64::from(found.len);
        if bytes > limit {
            return Err(DeviceError::TooManyBytes(limit));
        }
        add(dma, &mut chain, &found)?;
        if found.flags & VRING_DESC_F_NEXT == 0 {
            return Ok(chain);
        }
        index = found.next;
    }
}

fn indirect_table(dma: &Dma<'_>, found: &Descriptor) -> Result<(u64, u32), DeviceError> {
    let &Descriptor { address, len, .. } = found;
    if len == 0 || !len.is_multiple_of(16) || len / 16 > INDIRECT_MAX {
        return Err(DeviceError::IndirectLength(len));
    }
    if !dma.holds(address, len.into()) {
        let address = PhysAddr::new(address);
        return Err(DeviceError::IndirectOutside { address, len });
    }
    Ok((address, len / 16))
}

fn add(dma: &Dma<'_>, chain: &mut Chain, found: &Descriptor) -> Result<(), DeviceError> {
    let &Descriptor { address, len, .. } = found;
    if !dma.holds(address, len.into()) {
        let address = PhysAddr::new(address);
        return Err(DeviceError::BufferOutside { address, len });
    }
    let writable = found.flags & VRING_DESC_F_WRITE != 0;
    if !writable && !chain.writable.is_empty() {
        return Err(DeviceError::ReadableAfterWritable);
    }
    let list = match writable {
        true => &mut chain.writable,
        false => &mut chain.readable,
    };
    if len > 0 {
        list.push(Segment { address, len });
    }
    Ok(())
}
