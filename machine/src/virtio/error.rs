//! What can be wrong with a queue or with what lies in it.

use crate::inputs::Halted;
use crate::units::PhysAddr;
use serde::{Deserialize, Serialize};

/// One of the three parts of a split queue (section 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ring {
    /// The descriptor table.
    Descriptors,
    /// The driver's ring of available chains.
    Available,
    /// The device's ring of used chains.
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

/// Why a device is broken: what its driver did against the specification (Virtual I/O Device 1.2,
/// section 2.7). The device then wants to be reset; nothing else suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DeviceError {
    /// QueueNum is not a power of two, or more than the device has.
    #[error("a queue of {size} entries: it must be a power of two, {max} at most")]
    QueueSize {
        /// What the driver set.
        size: u32,
        /// The most the device takes.
        max: u16,
    },
    /// A part of the queue is not aligned.
    #[error("the {ring} at {address:#x} is not aligned")]
    RingUnaligned {
        /// Which part.
        ring: Ring,
        /// Where the driver put it.
        address: PhysAddr,
    },
    /// A part of the queue is not all in RAM.
    #[error("the {ring} at {address:#x} is not all in RAM")]
    RingOutside {
        /// Which part.
        ring: Ring,
        /// Where the driver put it.
        address: PhysAddr,
    },
    /// The driver's index moved on by more than the queue holds.
    #[error("the available index jumps from {from} to {to} in a queue of {size}")]
    IndexJump {
        /// The index up to which the device has come.
        from: u16,
        /// The driver's.
        to: u16,
        /// Entries of the queue.
        size: u16,
    },
    /// A descriptor index beyond its table.
    #[error("descriptor {index} in a table of {len}")]
    DescriptorOutside {
        /// The index.
        index: u16,
        /// Entries of the table.
        len: u32,
    },
    /// A chain has more descriptors than it may: a loop, most likely.
    #[error("a chain of more than {0} descriptors; does it loop?")]
    ChainTooLong(u32),
    /// The buffers of a chain are more than the device takes at once.
    #[error("a chain with buffers of more than {0} bytes")]
    TooManyBytes(u64),
    /// A buffer is not all in RAM.
    #[error("the buffer of {len} bytes at {address:#x} is not all in RAM")]
    BufferOutside {
        /// Where it starts.
        address: PhysAddr,
        /// Its length in bytes.
        len: u32,
    },
    /// A device-readable buffer behind a device-writable one.
    #[error("a buffer for the device to read comes after one for it to write")]
    ReadableAfterWritable,
    /// An indirect descriptor, without the feature that allows it.
    #[error("an indirect descriptor, but VIRTIO_F_INDIRECT_DESC was not negotiated")]
    IndirectNotNegotiated,
    /// An indirect descriptor in an indirect table, or one with a successor.
    #[error("an indirect descriptor inside an indirect table, or with a successor")]
    NestedIndirect,
    /// An indirect table whose length is none.
    #[error("an indirect table of {0} bytes: not a multiple of 16, empty, or too long")]
    IndirectLength(u32),
    /// An indirect table that is not all in RAM.
    #[error("the indirect table of {len} bytes at {address:#x} is not all in RAM")]
    IndirectOutside {
        /// Where it starts.
        address: PhysAddr,
        /// Its length in bytes.
        len: u32,
    },
    /// A chain that the device still works on is made available again.
    #[error("chain {0} is made available again before the device is done with it")]
    HeadInUse(u16),
    /// A request without room for its header.
    #[error("a request of {0} bytes is shorter than its header")]
    ShortRequest(u64),
    /// A request without room for the answer.
    #[error("a request without room for the device to write to")]
    NoRoom,
}

/// Why a device stopped working on its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The driver broke the device.
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
