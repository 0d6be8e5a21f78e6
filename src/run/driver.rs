//! The driver of a run: the source of the machine's inputs, and of what happens between two
//! periods.
//!
//! A period ([`Vcpu::period`](super::vcpu::Vcpu::period)) asks the driver for the next step, and
//! carries it out. There are two drivers: one records (or runs without a log), and one replays.
//! What only some runs can do is a capability, an `Option` that the driver may return.

use super::report::Finish;
use crate::error::Error;
use crate::host::disk::{DiskPool, Pending};
use crate::recording::place::Place;
use crate::recording::snapshot::{Chain, Loaded, LogPlace};
use machine::inputs::{Arrival, Inputs, Moment};
use machine::{Digest, Icount, Request};
use replay_format::Log;
use std::time::Duration;

/// The state of a machine between two periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// Instruction count, hart and pc.
    pub at: Moment,
    /// Virtual time in ns.
    pub now: u64,
    /// Set if every hart waits: a timer may wake one at a later virtual time.
    pub idle: Option<Idle>,
    /// The guest's request to be switched off or reset.
    pub request: Option<Request>,
    /// A probe or a kick ended the last run, so it may have executed nothing.
    pub cut_short: bool,
    /// The user's request. It is set only while the driver is [settled](Driver::settled).
    pub user: Option<UserRequest>,
    /// Host time (ns since the epoch) of the real-time clock's alarm.
    pub alarm: Option<i64>,
}

/// An idle machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// Virtual time (ns) at which a timer could wake it; `None`: only an input can.
    pub deadline: Option<u64>,
}

/// The state of a run outside the machine, for a snapshot.
#[derive(Debug)]
pub struct Outside<'a> {
    /// The place in the log after all events that have happened.
    pub log: LogPlace,
    /// The disks, if the machine has any.
    pub disks: Option<&'a DiskPool>,
    /// Disk operations that are done, and whose completion the guest has not seen yet.
    pub pending: Vec<Pending>,
    /// Numbers of the disk operations that had failed so far.
    pub failed: Vec<u64>,
}

/// The next step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Execute up to this instruction count, or less far.
    Run {
        /// The instruction count at which the driver must be asked again, at the latest.
        until: Icount,
    },
    /// Deliver an input.
    Arrival(Arrival),
    /// Let the real-time clock compare its alarm with the host's clock.
    HostTimers,
    /// Let virtual time pass without instructions.
    Warp {
        /// The time that passes, in ns.
        ns: u64,
    },
    /// Reset the machine.
    Reset,
    /// Wait for an input with the locks released, at most for this time.
    Wait(Option<Duration>),
    /// End the run.
    Stop(Finish),
}

/// A user's request to a run, through the monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRequest {
    /// Reset the machine.
    Reset,
    /// End the run.
    Quit,
}

/// The state that a digest is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestOf {
    /// The state at an instruction count, before all events there.
    Count,
    /// The last state of the run, after all events at its end.
    End,
}

/// Why a call through [`Inputs`] stopped the machine.
#[derive(Debug)]
pub enum Failure {
    /// The log ends in the middle of the instruction: the recording was cut off.
    LogCut,
    /// Another error.
    Error(Error),
}

/// What a driver reports when its run has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// The number of digests that were compared, and equal.
    pub digests_checked: u64,
    /// Why a part of the guest's serial output did not reach the host, as text.
    pub lost_output: Option<String>,
}

/// The source of a run's inputs and decisions. A recording and a replay differ in their driver.
pub trait Driver: Inputs + Send {
    /// Decides the next step.
    ///
    /// # Errors
    /// If the replay diverges, or the log cannot be written. [`Error::Refused`] if the run cannot
    /// do what the user requested; then nothing has happened.
    fn next(&mut self, situation: &Situation) -> Result<Step, Error>;

    /// Takes the digest of the machine's state, to record it or to compare it.
    ///
    /// # Errors
    /// As for [`Driver::next`].
    fn digest(&mut self, at: Moment, digest: Digest, of: DigestOf) -> Result<(), Error>;

    /// Why a call through [`Inputs`] stopped the machine.
    fn failure(&mut self) -> Failure;

    /// Ends the run: makes the recorded files durable, and closes the host's files and devices.
    ///
    /// # Errors
    /// If something could not be written out.
    fn close(&mut self, finish: Finish) -> Result<Closed, Error>;

    /// The capability to take and load snapshots; `None`: the run has no place for them.
    fn snapshots(&mut self) -> Option<&mut dyn Snapshots>;

    /// The capability to go to another place of the log; only a replay has it.
    fn travel(&mut self) -> Option<&mut dyn Travel> {
        None
    }

    /// True if the driver is not in a wait that the log describes. Only then are the user's
    /// requests served and snapshots taken.
    fn settled(&self) -> bool {
        true
    }
}

/// The capability to take and load snapshots, for runs that are recorded or replayed.
pub trait Snapshots {
    /// The state outside the machine that a snapshot taken now holds.
    ///
    /// # Errors
    /// If a disk of the replay failed.
    fn outside(&mut self, icount: Icount) -> Result<Outside<'_>, Error>;

    /// Goes on from a snapshot into whose state the machine was put. A recording drops its events
    /// after the snapshot.
    ///
    /// # Errors
    /// If the disks or the log cannot go on from there.
    fn load(&mut self, chain: &Chain, loaded: Loaded) -> Result<(), Error>;
}

/// The capability of a driver to go to any place of its log.
pub trait Travel {
    /// Goes on from the start of the log, when the machine is at power-on. `fresh`: for the first
    /// time, so the disks are as they were opened.
    ///
    /// # Errors
    /// If the disks or the log cannot go on from there.
    fn power_on(&mut self, fresh: bool) -> Result<(), Error>;

    /// Hides the guest's output, while the machine is only brought to a place.
    fn mute(&mut self, muted: bool);

    /// The log.
    fn log(&self) -> &Log<'_>;

    /// The place of the machine, which has executed `icount` instructions.
    fn place(&self, icount: Icount) -> Place;
}
