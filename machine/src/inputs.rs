//! The one door: everything that is not a function of the machine's state comes through [`Inputs`].

/// The engine asked the machine to stop at once (a replay diverged, the log cannot be written).
/// The reason stays with the [`Inputs`] that said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine stopped the machine")]
pub struct Halted;

/// A point of the run: where an event belongs in the log, and what to show of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Instructions executed by the whole machine before this one.
    pub icount: u64,
    /// The hart that executes.
    pub hart: u8,
    /// Its program counter (virtual address).
    pub pc: u64,
}

/// A request to a disk. Its completion comes later, by [`Machine::block_complete`](crate::Machine::block_complete).
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

/// What the machine takes from outside, and the marks by which a replay is checked.
///
/// The engine has one implementor that asks the host and writes the log, and one that reads the log;
/// nothing else differs between record and replay.
pub trait Inputs {
    /// The host's wall clock, in nanoseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`Halted`] where the engine must stop the machine here.
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted>;

    /// Bytes that serial port `port` sends. The guest never learns what became of them.
    ///
    /// # Errors
    /// [`Halted`] where the engine must stop the machine here.
    fn serial_write(&mut self, at: Moment, port: u8, data: &[u8]) -> Result<(), Halted>;

    /// A hart takes an interrupt; `cause` is the number in `mcause`/`scause` without the top bit.
    ///
    /// # Errors
    /// [`Halted`] where the engine must stop the machine here.
    fn interrupt(&mut self, at: Moment, cause: u64) -> Result<(), Halted>;

    /// An instruction raises an exception; `cause` is the number in `mcause`/`scause`.
    ///
    /// # Errors
    /// [`Halted`] where the engine must stop the machine here.
    fn exception(&mut self, at: Moment, cause: u64) -> Result<(), Halted>;

    /// The guest asks something of a disk.
    ///
    /// # Errors
    /// [`Halted`] where the engine must stop the machine here; always, where it has no disks.
    fn block_submit(&mut self, _at: Moment, _request: BlockRequest) -> Result<(), Halted> {
        Err(Halted)
    }

    /// The guest sends an Ethernet frame through network adapter `adapter`.
    ///
    /// # Errors
    /// [`Halted`] where the engine must stop the machine here; always, where it has no network.
    fn net_send(&mut self, _at: Moment, _adapter: u8, _frame: &[u8]) -> Result<(), Halted> {
        Err(Halted)
    }
}
