//! One period of a run: the driver gives the next step, and the machine carries it out.
//!
//! A period works on plain references, and knows neither locks nor threads. Its caller (the
//! session's vCPU thread, or a timeline) owns the machine and the driver, and decides what comes
//! between periods.

use super::driver::{Driver, Failure, Idle, Situation, Step, UserRequest};
use super::report::Finish;
use crate::divergence::Divergence;
use crate::error::Error;
use crate::run::driver::DigestOf;
use machine::{Exit, Machine, Request};
use machine::{Icount, Stop};
use std::time::Duration;

/// Instructions of one period. It takes well under a millisecond, so inputs do not wait for long.
const PERIOD: u64 = 100_000;

/// How far a period may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// No instruction is executed from this instruction count on.
    pub until: Icount,
    /// Instructions from one state digest to the next, from 1.
    pub digest_every: u64,
}

/// What the caller must do after a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Start the next period.
    Again,
    /// Handle the stop of a probe.
    Stopped(Stop),
    /// Wait for an input, at most for this time.
    Wait(Option<Duration>),
    /// Nothing, because the run is over.
    Over(Finish),
}

/// An event of the guest or its machine, for front ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestEvent {
    /// The machine was reset.
    Reset {
        /// True if the guest requested it.
        by_guest: bool,
    },
    /// The guest has set its real-time clock. It is now ahead of the host's by this many ns.
    ClockSet(i64),
}

/// The result of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// What the caller must do next.
    pub after: After,
    /// The event that happened, if one did.
    pub event: Option<GuestEvent>,
}

impl Period {
    fn again(event: Option<GuestEvent>) -> Self {
        let after = After::Again;
        Self { after, event }
    }

    fn then(after: After) -> Self {
        let event = None;
        Self { after, event }
    }
}

/// State of a run between two periods that the machine itself does not hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vcpu {
    /// Set if every hart waits.
    pub idle: Option<Idle>,
    /// The guest's request, until it is granted.
    pub request: Option<Request>,
    /// A probe or a kick ended the last run, so it may have executed nothing.
    pub cut_short: bool,
}

impl Vcpu {
    fn cut_short() -> Self {
        Self {
            cut_short: true,
            ..Self::default()
        }
    }

    /// Executes one period. `user` is the user's request.
    ///
    /// # Errors
    /// If the replay diverges, the log cannot be written, or the user's request is refused.
    pub fn period(
        &mut self,
        driver: &mut dyn Driver,
        machine: &mut Machine,
        limits: &Limits,
        user: Option<UserRequest>,
    ) -> Result<Period, Error> {
        let situation = Situation {
            at: machine.moment(),
            now: machine.now(),
            idle: self.idle,
            request: self.request,
            cut_short: self.cut_short,
            user,
            alarm: machine.host_deadline(),
        };
        let step = driver.next(&situation);
        match step.map_err(|error| explain(error, machine))? {
            Step::Run { until } => self.execute(driver, machine, limits, until),
            Step::Arrival(arrival) => {
                let at = situation.at;
                machine
                    .arrive(&arrival)
                    .map_err(|absent| explain(Divergence::of_device(at, absent).into(), machine))?;
                self.idle = None;
                Ok(Period::again(None))
            }
            Step::HostTimers => {
                if machine.host_timers(driver).is_err() {
                    return halted(driver, machine);
                }
                self.idle = None;
                Ok(Period::again(None))
            }
            Step::Warp { ns } => {
                machine.warp(ns);
                self.idle = None;
                Ok(Period::again(None))
            }
            Step::Reset => {
                // Without a request of the guest, the user requested the reset, now or in the
                // recording.
                let by_guest = self.request.is_some();
                machine.reset();
                *self = Self::default();
                Ok(Period::again(Some(GuestEvent::Reset { by_guest })))
            }
            Step::Wait(at_most) => Ok(Period::then(After::Wait(at_most))),
            Step::Stop(finish) => Ok(Period::then(After::Over(finish))),
        }
    }

    /// Executes instructions, and takes the digest if one is due.
    fn execute(
        &mut self,
        driver: &mut dyn Driver,
        machine: &mut Machine,
        limits: &Limits,
        until: Icount,
    ) -> Result<Period, Error> {
        let icount = machine.icount();
        let digests = icount.get() / limits.digest_every + 1;
        let digest_at = Icount::new(digests.saturating_mul(limits.digest_every));
        let until = until.min(limits.until).min(digest_at).min(icount + PERIOD);
        let offset = machine.rtc_offset();
        let exit = machine.run(until, driver);
        // Whatever ended the run there: only a machine that was halted is within an instruction.
        if machine.icount() == digest_at && exit != Exit::Halted {
            let digest = machine.digest();
            let taken = driver.digest(machine.moment(), digest, DigestOf::Count);
            taken.map_err(|error| explain(error, machine))?;
        }
        let now = machine.rtc_offset();
        let event = (now != offset).then_some(GuestEvent::ClockSet(now));
        match exit {
            Exit::Count => *self = Self::default(),
            Exit::Kicked => *self = Self::cut_short(),
            Exit::Stopped(stop) => {
                *self = Self::cut_short();
                let after = After::Stopped(stop);
                return Ok(Period { after, event });
            }
            Exit::Idle => {
                let deadline = machine.wake_deadline();
                self.idle = Some(Idle { deadline });
            }
            Exit::Request(asked) => self.request = Some(asked),
            Exit::Halted => return halted(driver, machine),
        }
        Ok(Period::again(event))
    }
}

/// Tells why the driver has stopped the machine.
fn halted(driver: &mut dyn Driver, machine: &Machine) -> Result<Period, Error> {
    match driver.failure() {
        Failure::LogCut => Ok(Period::then(After::Over(Finish::LogCut))),
        Failure::Error(error) => Err(explain(error, machine)),
    }
}

/// Adds the present instruction to a divergence.
pub(super) fn explain(error: Error, machine: &Machine) -> Error {
    match error {
        Error::Diverged(divergence) => divergence.with_instruction(machine).into(),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]
mod tests;
