//! Errors of virtqueues and of requests.

use crate::inputs::Halted;
use crate::units::PhysAddr;
use serde::{Deserialize, Serialize};

/// A part of a split virtqueue (section 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ring {
    /// The descriptor table.
    Descriptors,
    /// The available ring (driver area).
    Available,
    /// The used ring (device area).
    Used,
}

impl std::fmt::Display for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Descriptors => "descriptor table",
            Self::Available => "available ring",
            Self::Used => "used ring",
        })
    }
}

/// How a driver violated the specification (Virtual I/O Device 1.2, section 2.7). The device sets
/// DEVICE_NEEDS_RESET; the rest of the machine is not affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DeviceError {
    /// QueueNum is not a power of two, or exceeds the device's limit.
    #[error("a queue of {size} entries: it must be a power of two, {max} at most")]
    QueueSize {
        /// The size that the driver set.
        size: u32,
        /// The largest size that the device supports.
        max: u16,
    },
    /// A part of the queue is not aligned.
    #[error("the {ring} at {address:#x} is not aligned")]
    RingUnaligned {
        /// The part.
        ring: Ring,
        /// Its physical address.
        address: PhysAddr,
    },
    /// A part of the queue is not completely in RAM.
    #[error("the {ring} at {address:#x} is not all in RAM")]
    RingOutside {
        /// The part.
        ring: Ring,
        /// Its physical address.
        address: PhysAddr,
    },
    /// The available index advanced by more than the queue size.
    #[error("the available index jumps from {from} to {to} in a queue of {size}")]
    IndexJump {
        /// The index up to which the device has taken chains.
        from: u16,
        /// The driver's available index.
        to: u16,
        /// The queue size.
        size: u16,
    },
    /// A descriptor index is beyond its table.
    #[error("descriptor {index} in a table of {len}")]
    DescriptorOutside {
        /// The descriptor index.
        index: u16,
        /// Number of entries in the table.
        len: u32,
    },
    /// A chain has too many descriptors, most likely because of a loop.
    #[error("a chain of more than {0} descriptors; does it loop?")]
    ChainTooLong(u32),
    /// The buffers of a chain have more bytes than the device accepts at once.
    #[error("a chain with buffers of more than {0} bytes")]
    TooManyBytes(u64),
    /// A buffer is not completely in RAM.
    #[error("the buffer of {len} bytes at {address:#x} is not all in RAM")]
    BufferOutside {
        /// Its physical address.
        address: PhysAddr,
        /// Its length in bytes.
        len: u32,
    },
    /// A device-readable buffer follows a device-writable one.
    #[error("a buffer for the device to read comes after one for it to write")]
    ReadableAfterWritable,
    /// An indirect descriptor is used without VIRTIO_F_INDIRECT_DESC.
    #[error("an indirect descriptor, but VIRTIO_F_INDIRECT_DESC was not negotiated")]
    IndirectNotNegotiated,
    /// An indirect descriptor is in an indirect table, or has the NEXT flag.
    #[error("an indirect descriptor inside an indirect table, or with a successor")]
    NestedIndirect,
    /// The length of an indirect table is zero, too large, or no multiple of the descriptor size.
    #[error("an indirect table of {0} bytes: not a multiple of 16, empty, or too long")]
    IndirectLength(u32),
    /// An indirect table is not completely in RAM.
    #[error("the indirect table of {len} bytes at {address:#x} is not all in RAM")]
    IndirectOutside {
        /// Its physical address.
        address: PhysAddr,
        /// Its length in bytes.
        len: u32,
    },
    /// A chain is made available while the device still uses it.
    #[error("chain {0} is made available again before the device is done with it")]
    HeadInUse(u16),
    /// The device-readable part of a request is shorter than its header.
    #[error("a request of {0} bytes is shorter than its header")]
    ShortRequest(u64),
    /// The device-writable part of a request has no room for the answer.
    #[error("a request without room for the device to write to")]
    NoRoom,
}

/// Why a device stopped work on its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The driver violated the specification.
    Broken(DeviceError),
    /// The engine stopped the machine.
    Halted(Halted),
}

impl From<DeviceError> for Fault {
    fn from(error: DeviceError) -> Self {
        Self::Broken(error)
    }
}

impl From<Halted> for Fault {
    fn from(halted: Halted) -> Self {
        Self::Halted(halted)
    }
}
