//! The next step of a replay, for each kind of event.

use super::{CLOSED, Replayer};
use crate::divergence::describe;
use crate::error::{Error, RecordingFault};
use crate::run::driver::{Idle, Situation, Step};
use crate::run::log_event::{Brought, arrival_of};
use crate::run::record::{shutdown, slept_at_most};
use crate::run::report::Finish;
use machine::Icount;
use replay_format::{AsyncEvent, Checkpoint, Clock, Event, ShutdownCause};

impl Replayer<'_> {
    /// Decides the next step.
    pub(super) fn step(&mut self, situation: &Situation) -> Result<Step, Error> {
        loop {
            let icount = situation.at.icount;
            let Some(head) = self.cursor.head else {
                return self.log_ended(situation);
            };
            let at = Icount::new(head.icount);
            if at < icount {
                return Err(self.diverged(situation, "the machine to pass it by"));
            }
            if at > icount {
                if let Some(request) = situation.request {
                    let (cause, _) = shutdown(request);
                    return Err(self.diverged(situation, describe(&Event::Shutdown(cause))));
                }
                if situation.idle.is_some() {
                    return Err(self.diverged(situation, "a machine that waits"));
                }
                // Not `tried` yet: a slice or a digest may end the run right before that
                // instruction.
                let inline = is_inline(&head.event);
                return Ok(Step::Run {
                    until: at.saturating_add(u64::from(inline)),
                });
            }
            match head.event {
                Event::Checkpoint(Checkpoint::ClockVirtual) => self.cursor.advance()?,
                Event::Checkpoint(Checkpoint::ClockHost) => {
                    self.cursor.advance()?;
                    return Ok(Step::HostTimers);
                }
                Event::Checkpoint(Checkpoint::ClockWarpStart) => {
                    let Some(idle) = situation.idle else {
                        return self.expect(situation);
                    };
                    self.cursor.advance()?;
                    return self.warp(situation, idle);
                }
                Event::Async { event, .. }
                    if let Some(step) = self.arrival(situation, event)? =>
                {
                    return Ok(step);
                }
                Event::Shutdown(cause) => return self.shut_down(situation, cause),
                ref event if is_inline(event) => return self.expect(situation),
                _ => {
                    let fault = RecordingFault::StrangeEvent {
                        index: head.index,
                        offset: head.offset,
                        event: describe(&head.event),
                    };
                    return Err(Error::recording(&self.cursor.path, fault));
                }
            }
        }
    }

    fn diverged(&self, situation: &Situation, found: impl Into<String>) -> Error {
        self.cursor.diverged(situation.at, found)
    }

    /// Takes the head as an input; `None`: this machine has no such input.
    fn arrival(
        &mut self,
        situation: &Situation,
        event: AsyncEvent<'_>,
    ) -> Result<Option<Step>, Error> {
        let pool = self.pool.as_ref();
        let completed = |id| {
            let disks = pool.ok_or(CLOSED)?;
            Ok(match disks.has(id) {
                true => Some(disks.wait_for(id)?),
                false => None,
            })
        };
        let arrival = match arrival_of(event, completed)? {
            Brought::Arrival(arrival) => arrival,
            // A disk may hold the request back, and submits it once the machine executes.
            Brought::NotYet => return self.expect(situation).map(Some),
            Brought::Nothing => return Ok(None),
        };
        self.cursor.advance()?;
        Ok(Some(Step::Arrival(arrival)))
    }

    /// Lets the machine execute the one instruction that the head belongs to.
    fn expect(&mut self, situation: &Situation) -> Result<Step, Error> {
        if self.cursor.tried && !situation.cut_short {
            return Err(self.diverged(situation, "the instruction to complete without it"));
        }
        self.cursor.tried = true;
        Ok(Step::Run {
            until: situation.at.icount + 1,
        })
    }

    /// Takes a warp from the log. The head was its start.
    fn warp(&mut self, situation: &Situation, idle: Idle) -> Result<Step, Error> {
        let length = idle
            .deadline
            .unwrap_or(situation.now)
            .saturating_sub(situation.now);
        let Some(since) = self.cursor.real_time()? else {
            return Ok(Step::Warp { ns: length });
        };
        match self.cursor.event() {
            Some(Event::Checkpoint(Checkpoint::ClockWarpAccount)) => self.cursor.advance()?,
            None => return Ok(Step::Stop(Finish::LogCut)),
            Some(_) => return Err(self.diverged(situation, "the end of a warp")),
        }
        match self.cursor.real_time()? {
            Some(now) => Ok(Step::Warp {
                ns: slept_at_most(since, now, length),
            }),
            None if self.cursor.head.is_none() => Ok(Step::Stop(Finish::LogCut)),
            None => Err(self.diverged(situation, "a reading of the virtual-rt clock")),
        }
    }

    fn shut_down(&mut self, situation: &Situation, cause: ShutdownCause) -> Result<Step, Error> {
        let by_guest = matches!(
            cause,
            ShutdownCause::GuestShutdown | ShutdownCause::GuestReset | ShutdownCause::GuestPanic
        );
        let Some(request) = situation.request else {
            if by_guest {
                return self.expect(situation);
            }
            self.cursor.advance()?;
            if self.cursor.event() == Some(Event::Checkpoint(Checkpoint::ResetRequested)) {
                return self.reset(situation);
            }
            return Ok(Step::Stop(Finish::Shutdown { cause, code: 0 }));
        };
        let (found, code) = shutdown(request);
        if found != cause {
            return Err(self.diverged(situation, describe(&Event::Shutdown(found))));
        }
        self.cursor.advance()?;
        if cause != ShutdownCause::GuestReset {
            return Ok(Step::Stop(Finish::Shutdown { cause, code }));
        }
        self.reset(situation)
    }

    /// Takes a reset from the log. The head was its cause.
    fn reset(&mut self, situation: &Situation) -> Result<Step, Error> {
        for wanted in [Checkpoint::ResetRequested, Checkpoint::Reset] {
            match self.cursor.event() {
                Some(Event::Checkpoint(found)) if found == wanted => self.cursor.advance()?,
                None => return Ok(Step::Stop(Finish::LogCut)),
                Some(_) => return Err(self.diverged(situation, format!("checkpoint {wanted}"))),
            }
        }
        Ok(Step::Reset)
    }

    fn log_ended(&self, situation: &Situation) -> Result<Step, Error> {
        if situation.at.icount >= self.cursor.end {
            return Ok(Step::Stop(Finish::LogCut));
        }
        if situation.idle.is_some() || situation.request.is_some() {
            return Err(self.diverged(situation, "a machine that executes nothing more"));
        }
        Ok(Step::Run {
            until: self.cursor.end,
        })
    }
}

/// True if the event happens inside an instruction, and not between two.
fn is_inline(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::Interrupt
            | Event::Exception
            | Event::CharWrite { .. }
            | Event::Clock {
                clock: Clock::Host,
                ..
            }
    )
}
