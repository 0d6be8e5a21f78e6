//! What drives a run: where the machine's inputs come from, and what happens between two periods.
//!
//! A period ([`Vcpu::period`](super::vcpu::Vcpu::period)) asks the driver for the next step, and
//! does it. There are two drivers: one records, with a log or without, and one replays. What only
//! some runs can do is a capability, which the driver has or has not.

use super::report::Finish;
use crate::error::Error;
use crate::host::disk::{DiskPool, Pending};
use crate::recording::place::Place;
use crate::recording::snapshot::{Chain, Loaded, LogPlace};
use machine::Request;
use machine::inputs::{Arrival, Inputs, Moment};
use replay_format::Log;
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
    /// The user asks for this; only where the driver is [settled](Driver::settled).
    pub user: Option<UserRequest>,
    /// Host time (ns since the epoch) of the real-time clock's alarm.
    pub alarm: Option<i64>,
}

/// An idle machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// Virtual time (ns) at which a timer could wake it; `None`: only the outside can.
    pub deadline: Option<u64>,
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
    /// Wait for the outside, with the locks released; at most so long.
    Wait(Option<Duration>),
    /// The run is over.
    Stop(Finish),
}

/// What the user wants of a run through the monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRequest {
    /// A reset.
    Reset,
    /// The end.
    Quit,
}

/// Which state a digest is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestOf {
    /// The state at an instruction count, in front of all that is due there.
    Count,
    /// The last state of the run, behind all that was due at its end.
    End,
}

/// Why a call through [`Inputs`] stopped the machine.
#[derive(Debug)]
pub enum Failure {
    /// The log ends in the middle of the instruction: the recording was cut off.
    LogCut,
    /// What went wrong.
    Error(Error),
}

/// What a driver knows once its run is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// Digests that were compared, and equal.
    pub digests_checked: u64,
    /// Why the guest's serial output did not all reach the host, in words.
    pub lost_output: Option<String>,
}

/// The source of inputs and of decisions. Record and replay differ in which one is plugged in.
pub trait Driver: Inputs + Send {
    /// Decides the next step.
    ///
    /// # Errors
    /// A divergence; what keeps the log from being written; [`Error::Refused`] for what the user
    /// asked and cannot have: then nothing has happened.
    fn next(&mut self, situation: &Situation) -> Result<Step, Error>;

    /// Takes the digest of the machine's state: to be written down, or compared.
    ///
    /// # Errors
    /// As for [`Driver::next`].
    fn digest(&mut self, at: Moment, digest: u128, of: DigestOf) -> Result<(), Error>;

    /// Why a call through [`Inputs`] stopped the machine.
    fn failure(&mut self) -> Failure;

    /// The run ended like this: makes durable what is recorded, and closes what was used on the
    /// host.
    ///
    /// # Errors
    /// What could not be written out.
    fn close(&mut self, finish: Finish) -> Result<Closed, Error>;

    /// How snapshots of the run are taken and loaded; `None`: it has no place for them.
    fn snapshots(&mut self) -> Option<&mut dyn Snapshots>;

    /// How the run is brought to another place of its log: only a replay can be.
    fn travel(&mut self) -> Option<&mut dyn Travel> {
        None
    }

    /// Whether the driver is in no wait that the log describes. Only then is the user served, and a
    /// snapshot taken.
    fn settled(&self) -> bool {
        true
    }
}

/// A driver whose runs have snapshots: those that are recorded or replayed.
pub trait Snapshots {
    /// What a snapshot taken now holds of what is outside the machine.
    ///
    /// # Errors
    /// What keeps it from being told.
    fn outside(&mut self, icount: u64) -> Result<Outside<'_>, Error>;

    /// The machine was put into the state of a snapshot: the driver goes on from there, too. What
    /// was recorded behind it is dropped.
    ///
    /// # Errors
    /// What keeps it from going on.
    fn load(&mut self, chain: &Chain, loaded: Loaded) -> Result<(), Error>;
}

/// A driver that can go to any place of its log.
pub trait Travel {
    /// The machine was switched on anew: the driver goes on from the start of the log.
    ///
    /// # Errors
    /// What keeps it from going on.
    fn power_on(&mut self) -> Result<(), Error>;

    /// The guest's output is not shown while the machine is only brought to a place.
    fn mute(&mut self, muted: bool);

    /// The log.
    fn log(&self) -> &Log<'_>;

    /// The place of a machine that has executed so many instructions.
    fn place(&self, icount: u64) -> Place;
}
