//! One period of a run: the driver is asked for the next step, and the machine does it.
//!
//! A period works on plain references, and knows neither locks nor threads. Whoever calls it (the
//! session's vCPU thread, a timeline) owns machine and driver, and decides what comes between
//! periods.

use super::driver::{Driver, Failure, Idle, Situation, Step, UserRequest};
use super::report::Finish;
use crate::divergence::Divergence;
use crate::error::Error;
use crate::run::driver::DigestOf;
use machine::Stop;
use machine::{Exit, Machine, Request};
use std::time::Duration;

/// Instructions of one period: well under a millisecond, so input is taken soon.
const PERIOD: u64 = 100_000;

/// How far a period may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nothing is executed from this instruction count on.
    pub until: u64,
    /// Instructions from one state digest to the next, from 1.
    pub digest_every: u64,
}

/// What is to be done after a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next period.
    Again,
    /// What a probe of the machine has stopped it for is to be looked at.
    Stopped(Stop),
    /// To wait for the outside, at most so long.
    Wait(Option<Duration>),
    /// Nothing: the run is over.
    Over(Finish),
}

/// What the guest, or its machine, did that others want to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestEvent {
    /// The machine was reset.
    Reset {
        /// The guest asked for it.
        by_guest: bool,
    },
    /// The guest has set its real-time clock: by how much it is now ahead of the host's, in ns.
    ClockSet(i64),
}

/// What a period came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// What is to be done next.
    pub after: After,
    /// What happened in it.
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

/// Where a machine stands between two periods, as far as it does not know it itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vcpu {
    /// Every hart waits.
    pub idle: Option<Idle>,
    /// What the guest asked for and has not got yet.
    pub request: Option<Request>,
}

impl Vcpu {
    /// Executes one period. `user`: what the user asks for, between two.
    ///
    /// # Errors
    /// A divergence; what keeps the log from being written; what the user cannot have.
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
                // Else somebody at the monitor asked for it, now or when it was recorded.
                let by_guest = self.request.is_some();
                machine.reset();
                *self = Self::default();
                Ok(Period::again(Some(GuestEvent::Reset { by_guest })))
            }
            Step::Wait(at_most) => Ok(Period::then(After::Wait(at_most))),
            Step::Stop(finish) => Ok(Period::then(After::Over(finish))),
        }
    }

    /// Executes instructions, and takes the digest where one is due.
    fn execute(
        &mut self,
        driver: &mut dyn Driver,
        machine: &mut Machine,
        limits: &Limits,
        until: u64,
    ) -> Result<Period, Error> {
        let icount = machine.icount();
        let digest_at = (icount / limits.digest_every + 1).saturating_mul(limits.digest_every);
        let until = until.min(limits.until).min(digest_at).min(icount + PERIOD);
        let offset = machine.rtc_offset();
        let exit = machine.run(until, driver);
        // A probe may have stopped the machine there, behind the instruction before.
        let there = matches!(exit, Exit::Count | Exit::Stopped(_));
        if there && machine.icount() == digest_at {
            let digest = machine.digest();
            let taken = driver.digest(machine.moment(), digest, DigestOf::Count);
            taken.map_err(|error| explain(error, machine))?;
        }
        let now = machine.rtc_offset();
        let event = (now != offset).then_some(GuestEvent::ClockSet(now));
        match exit {
            Exit::Count | Exit::Kicked => *self = Self::default(),
            Exit::Stopped(stop) => {
                *self = Self::default();
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

/// The driver has stopped the machine: says why.
fn halted(driver: &mut dyn Driver, machine: &Machine) -> Result<Period, Error> {
    match driver.failure() {
        Failure::LogCut => Ok(Period::then(After::Over(Finish::LogCut))),
        Failure::Error(error) => Err(explain(error, machine)),
    }
}

/// Adds the instruction to a divergence.
pub(super) fn explain(error: Error, machine: &Machine) -> Error {
    match error {
        Error::Diverged(divergence) => divergence.with_instruction(machine).into(),
        other => other,
    }
}
