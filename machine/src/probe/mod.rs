//! What looks at execution from outside: one interface for all of it. The `debug` room acts on it.
//!
//! A probe is the debugger's, not the machine's: no snapshot, digest or log knows of it, and the guest
//! cannot tell whether there is one. Loading a snapshot and a reset leave it where it is.
//!
//! | probe | what it does | what it costs |
//! |---|---|---|
//! | [`Probe::Witness`] | hashes what every instruction leaves behind | each instruction is executed alone |
//! | [`Probe::Fault`] | makes an instruction go wrong | the same, from its place on |

mod fault;

pub(crate) use fault::Planted;
pub use fault::{Fault, FaultError};

/// Something that looks at execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// A running hash of what every instruction leaves behind: [`Machine::witness`].
    Witness,
    /// An instruction is to go wrong; where it did is [`Machine::fault_at`].
    Fault(Fault),
}

/// All probes of a machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probes {
    /// The hash so far.
    pub(crate) witness: Option<u64>,
    pub(crate) fault: Option<Planted>,
}
