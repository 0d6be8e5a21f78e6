//! What drives a run: where the machine's inputs come from, and what happens between two runs.
//!
//! The session asks its driver for the next step, does it, and asks again. Record, replay and a run
//! without a log are three drivers; the session does not know which it has.

use crate::error::Error;
use crate::host::disk::{DiskPool, Pending};
use crate::recording::snapshot::{Chain, Loaded, LogPlace};
use machine::Request;
use machine::inputs::{BlockResult, Inputs, Moment};
use replay_format::ShutdownCause;
use std::time::Duration;

/// Where the machine stands between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// Instruction count, hart and pc.
    pub at: Moment,
    /// Virtual time in ns.
    pub now: u64,
    /// Every hart waits: when virtual time gets there, one may wake.
    pub idle: Option<Idle>,
    /// The guest asks to be switched off or reset.
    pub request: Option<Request>,
    /// Host time (ns since the epoch) of the real-time clock's alarm.
    pub alarm: Option<i64>,
}

/// An idle machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// Virtual time (ns) at which a timer could wake it; `None`: only the outside can.
    pub deadline: Option<u64>,
}

/// Something from outside, for a device of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes at a serial port.
    Serial {
        /// Which port.
        port: u8,
        /// The bytes.
        data: Vec<u8>,
    },
    /// The end of an operation on a disk.
    Block {
        /// Which disk.
        drive: u8,
        /// The operation.
        id: u64,
        /// How it ended, and what was read.
        result: BlockResult,
    },
    /// A frame at a network adapter.
    Frame {
        /// Which adapter.
        adapter: u8,
        /// The frame.
        data: Vec<u8>,
    },
}

/// What a snapshot holds beside the machine.
#[derive(Debug)]
pub struct Outside<'a> {
    /// The place in the log behind everything that has happened.
    pub log: LogPlace,
    /// The disks, if there are any.
    pub disks: Option<&'a DiskPool>,
    /// Operations on disks that the guest has yet to hear of.
    pub pending: Vec<Pending>,
    /// Operations that had failed so far.
    pub failed: Vec<u64>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Execute until this instruction count, or less.
    Run {
        /// The count at which the driver wants to be asked again, at the latest.
        until: u64,
    },
    /// Something arrives from outside.
    Arrival(Arrival),
    /// The real-time clock looks at the host's.
    HostTimers,
    /// Virtual time passes without instructions.
    Warp {
        /// How much, in ns.
        ns: u64,
    },
    /// The machine is reset.
    Reset,
    /// The driver wants to see the digest of the state: [`Driver::compare`].
    Compare,
    /// Wait for the outside, with the locks released; at most so long.
    Wait(Option<Duration>),
    /// The run is over.
    Stop(Finish),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The machine was shut down.
    Shutdown {
        /// By whom.
        cause: ShutdownCause,
        /// The code with which the guest reported failure; 0: none.
        code: u16,
    },
    /// The log ends here, in the middle of the run: the recording was cut off.
    LogCut,
    /// The position that was asked for is reached.
    Reached,
    /// The user stopped the replay.
    Interrupted,
    /// The user ended it through the monitor.
    Quit,
}

/// What the user can wish of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A reset.
    Reset,
    /// The end.
    Quit,
}

/// The source of inputs and of decisions.
pub trait Driver: Inputs + Send {
    /// Decides the next step.
    ///
    /// # Errors
    /// A divergence, or what keeps the log from being written.
    fn next(&mut self, situation: &Situation) -> Result<Step, Error>;

    /// The digest of the machine at an instruction count; `last`: at the end of the run.
    ///
    /// # Errors
    /// As for [`Driver::next`].
    fn digest(&mut self, at: Moment, digest: u128, last: bool) -> Result<(), Error>;

    /// The digest that [`Step::Compare`] asked for. Gives how the run ends, if it does here.
    ///
    /// # Errors
    /// A divergence.
    fn compare(&mut self, _at: Moment, _digest: u128) -> Result<Option<Finish>, Error> {
        Ok(None)
    }

    /// What a snapshot taken now must hold of the driver; `None`: the run is not recorded.
    ///
    /// # Errors
    /// What keeps it from being told.
    fn outside(&mut self, icount: u64) -> Result<Option<Outside<'_>>, Error>;

    /// Whether the driver is in no wait that the log describes: then a wish of the user can be carried out.
    fn settled(&self) -> bool {
        true
    }

    /// The machine was put into the state of a snapshot, or of power-on: the driver goes on from there, too.
    ///
    /// # Errors
    /// What keeps it from going on.
    fn travel(&mut self, to: Option<(&Chain, Loaded)>) -> Result<(), Error>;

    /// The guest's output is not shown while the machine is only brought to a place.
    fn mute(&mut self, muted: bool);

    /// The instruction count at which the run is known to end.
    fn end(&self) -> Option<u64> {
        None
    }

    /// The user resets the machine, or has it end, through the monitor.
    ///
    /// # Errors
    /// Why that cannot be.
    fn by_user(&mut self, icount: u64, wish: Wish) -> Result<Step, Error>;

    /// How many digests were compared, and equal.
    fn digests_checked(&self) -> u64 {
        0
    }

    /// Whether the machine was stopped because the log ends in the middle of an instruction.
    fn log_cut(&self) -> bool {
        false
    }

    /// Why the guest's serial output did not all reach the host.
    fn lost_output(&self) -> Option<std::io::Error>;

    /// Why a call through [`Inputs`] stopped the machine.
    fn failure(&mut self) -> Error;

    /// Closes what the run used on the host, the disks for one.
    ///
    /// # Errors
    /// What could not be written out.
    fn close(&mut self) -> Result<(), Error>;

    /// The run is over: everything is made durable.
    ///
    /// # Errors
    /// What keeps the log from being written.
    fn finish(&mut self) -> Result<(), Error>;
}
