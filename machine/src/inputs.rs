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
}
