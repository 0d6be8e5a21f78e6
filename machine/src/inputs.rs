//! The machine's interface to the outside: everything that is not a function of its state.
//!
//! Input arrives between two instructions: the engine passes each [`Arrival`] to
//! [`Machine::arrive`](crate::Machine::arrive). While the machine executes it calls [`Inputs`]: to
//! read the host's clock, for each [`Output`], and at each [`Mark`].

use crate::units::{Icount, VirtAddr};
/// The engine told the machine to stop at once, because a replay diverged or the log cannot be
/// written. The [`Inputs`] that returned it keeps the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine stopped the machine")]
pub struct Halted;

/// A point of the run: the position of an event in the log, and the hart and pc for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The icount: instructions executed by all harts before this point.
    pub icount: Icount,
    /// Id of the hart that executes.
    pub hart: u8,
    /// The program counter of that hart (a virtual address).
    pub pc: VirtAddr,
}

/// A request to a disk. Its completion arrives later as [`Arrival::Block`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRequest {
    /// Number of the drive, in the order of the command line.
    pub drive: u8,
    /// Number of the request, unique in the run. It is a function of the machine's state.
    pub id: u64,
    /// The operation.
    pub op: BlockOp,
}

/// A disk operation. Offsets and lengths are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockOp {
    /// Read from the disk.
    Read {
        /// Offset of the first byte.
        offset: u64,
        /// Number of bytes.
        len: u32,
    },
    /// Write to the disk.
    Write {
        /// Offset of the first byte.
        offset: u64,
        /// The bytes to write.
        data: Vec<u8>,
    },
    /// Make all completed writes durable.
    Flush,
    /// Discard a range: the guest no longer needs its content.
    Discard {
        /// Offset of the first byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
    },
    /// Fill a range with zeroes.
    WriteZeroes {
        /// Offset of the first byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
        /// The host may deallocate the range.
        unmap: bool,
    },
}

/// The result of a [`BlockRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockResult {
    /// The request succeeded. The bytes are the data of a read, and empty otherwise.
    Done(Vec<u8>),
    /// The host could not carry out the request.
    Error,
}

/// Input from outside for one device of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes received by a serial port. The port accepts any number of them.
    Serial {
        /// Number of the port: 0 is the UART, higher numbers are virtio consoles.
        port: u8,
        /// The bytes.
        data: Vec<u8>,
    },
    /// The completion of a [`BlockRequest`]. The data of a read is written to guest memory now. It
    /// has no effect if the guest has reset the device since the request.
    Block {
        /// Number of the drive.
        drive: u8,
        /// The number of the request.
        id: u64,
        /// The result, with the data of a read.
        result: BlockResult,
    },
    /// An Ethernet frame of 1 to 65 535 bytes for a network adapter. The adapter queues up to 256
    /// frames while the guest has no buffer for them. It drops a frame if the queue is full or the
    /// guest has no driver.
    Frame {
        /// Number of the adapter.
        adapter: u8,
        /// The frame.
        data: Vec<u8>,
    },
}

impl Arrival {
    /// The device that the arrival is for, as text for a message.
    #[must_use]
    pub fn receiver(&self) -> String {
        match self {
            Self::Serial { port, .. } => format!("serial port {port}"),
            Self::Block { drive, .. } => format!("disk {drive}"),
            Self::Frame { adapter, .. } => format!("network adapter {adapter}"),
        }
    }
}

/// The machine has no device for an [`Arrival`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the machine has no {0}")]
pub struct NoDevice(pub String);

/// Output of a device to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<'a> {
    /// Bytes that a serial port transmits. The guest cannot observe what becomes of them.
    Serial {
        /// Number of the port.
        port: u8,
        /// The bytes.
        data: &'a [u8],
    },
    /// A request to a disk.
    Block(BlockRequest),
    /// Output of any other device.
    Device(DeviceOutput),
}

/// Output of a device to its part on the host. It has no result, for the guest or for the log: what
/// the host answers comes as an [`Arrival`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceOutput {
    /// An Ethernet frame that a network adapter transmits.
    Frame {
        /// Number of the adapter.
        adapter: u8,
        /// The frame, of 1 to 65 535 bytes.
        frame: Vec<u8>,
    },
}

/// A trap. Marks are not input; they are recorded so that a replay can be checked against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A hart takes an interrupt, with this number in `mcause` or `scause` (top bit clear).
    Interrupt(u64),
    /// An instruction raises an exception, with this number in `mcause` or `scause`.
    Exception(u64),
}

/// The calls that the machine makes to the engine while it executes.
///
/// One implementation records: it asks the host and writes the log. Another replays: it reads the
/// log. The machine itself does the same in both cases.
pub trait Inputs {
    /// The host's wall clock, in nanoseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`Halted`] if the engine must stop the machine at this point.
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted>;

    /// A device transmits to the outside.
    ///
    /// # Errors
    /// [`Halted`] if the engine must stop the machine at this point.
    fn output(&mut self, at: Moment, output: Output<'_>) -> Result<(), Halted>;

    /// A trap happens. A replay must see the same one at the same point.
    ///
    /// # Errors
    /// [`Halted`] if the engine must stop the machine at this point.
    fn mark(&mut self, at: Moment, mark: Mark) -> Result<(), Halted>;
}
