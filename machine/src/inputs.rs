//! The machine's door, both ways: everything that is not a function of its state.
//!
//! Between two instructions something may come in: an [`Arrival`], which the engine hands to
//! [`Machine::arrive`](crate::Machine::arrive). While the machine executes it calls [`Inputs`]: for
//! what it must know at once, for each [`Output`], and at each [`Mark`].

use crate::units::{Icount, VirtAddr};
/// The engine asked the machine to stop at once (a replay diverged, the log cannot be written).
/// The reason stays with the [`Inputs`] that said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine stopped the machine")]
pub struct Halted;

/// A point of the run: where an event belongs in the log, and what to show of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Instructions executed by the whole machine before this one.
    pub icount: Icount,
    /// The hart that executes.
    pub hart: u8,
    /// Its program counter (virtual address).
    pub pc: VirtAddr,
}

/// A request to a disk. Its completion comes later, as [`Arrival::Block`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRequest {
    /// Which disk, in the order of the command line.
    pub drive: u8,
    /// Number of the operation, unique in the run: a function of the machine's state.
    pub id: u64,
    /// What is to be done.
    pub op: BlockOp,
}

/// What is to be done on a disk; places and lengths in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockOp {
    /// Read.
    Read {
        /// From where.
        offset: u64,
        /// How much.
        len: u32,
    },
    /// Write.
    Write {
        /// To where.
        offset: u64,
        /// What.
        data: Vec<u8>,
    },
    /// Make durable what was written.
    Flush,
    /// The content is not needed any longer.
    Discard {
        /// From where.
        offset: u64,
        /// How much.
        len: u64,
    },
    /// Make it zeroes.
    WriteZeroes {
        /// From where.
        offset: u64,
        /// How much.
        len: u64,
        /// The room may be given back.
        unmap: bool,
    },
}

/// How a [`BlockRequest`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockResult {
    /// It was carried out; what was read, if it was a read.
    Done(Vec<u8>),
    /// The host failed.
    Error,
}

/// Something from outside, for a device of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes at a serial port. None is ever refused.
    Serial {
        /// Which port: 0 is the UART, others are virtio consoles.
        port: u8,
        /// The bytes.
        data: Vec<u8>,
    },
    /// The end of a [`BlockRequest`]: data read reaches guest memory now. One that the guest has
    /// forgotten, by a reset, is without effect.
    Block {
        /// Which disk.
        drive: u8,
        /// The number of the request.
        id: u64,
        /// How it ended, and what was read.
        result: BlockResult,
    },
    /// An Ethernet frame of 1 to 65 535 bytes at a network adapter. It waits while the guest has no
    /// buffer for it; with 256 frames waiting, or no driver, it is dropped.
    Frame {
        /// Which adapter.
        adapter: u8,
        /// The frame.
        data: Vec<u8>,
    },
}

impl Arrival {
    /// The device that it is for, in words.
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

/// What a device sends to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<'a> {
    /// Bytes that a serial port sends. The guest never learns what became of them.
    Serial {
        /// Which port.
        port: u8,
        /// The bytes.
        data: &'a [u8],
    },
    /// The guest asks something of a disk.
    Block(BlockRequest),
    /// The guest sends an Ethernet frame.
    Frame {
        /// Through which network adapter.
        adapter: u8,
        /// The frame, of 1 to 65 535 bytes.
        frame: &'a [u8],
    },
}

/// What happens in the machine by itself, and by which a replay is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A hart takes an interrupt; the number in `mcause`/`scause` without the top bit.
    Interrupt(u64),
    /// An instruction raises an exception; the number in `mcause`/`scause`.
    Exception(u64),
}

/// What the machine calls while it executes.
///
/// The engine has one implementor that asks the host and writes the log, and one that reads the
/// log; nothing else differs between record and replay.
pub trait Inputs {
    /// The host's wall clock, in nanoseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`Halted`] where the engine must stop the machine here.
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted>;

    /// A device sends something.
    ///
    /// # Errors
    /// [`Halted`] where the engine must stop the machine here.
    fn output(&mut self, at: Moment, output: Output<'_>) -> Result<(), Halted>;

    /// Something happens that a replay must repeat here.
    ///
    /// # Errors
    /// [`Halted`] where the engine must stop the machine here.
    fn mark(&mut self, at: Moment, mark: Mark) -> Result<(), Halted>;
}
