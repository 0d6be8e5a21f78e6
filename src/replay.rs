//! Replaying: inputs come from the log, and every mark in it is checked.

use crate::digests::Digests;
use crate::disks::Disks;
use crate::divergence::{Divergence, describe};
use crate::driver::{Arrival, Driver, Finish, Idle, Outside, Situation, Step, Wish};
use crate::error::Error;
use crate::host::disk::{DiskPool, drive_of};
use crate::host::serial::Output;
use crate::record::{shutdown, slept_at_most};
use crate::snapshot::{Chain, Loaded, Snapshot};
use machine::inputs::{BlockRequest, Halted, Inputs, Moment};
use replay_format::{
    AsyncEvent, Checkpoint, Clock, Completeness, Event, Events, Log, Position, Record,
    ShutdownCause,
};
use std::path::PathBuf;

const CLOSED: Error = Error::Internal("a disk was used after it was closed");

/// The driver that reads the log.
pub struct Replayer<'log> {
    path: PathBuf,
    log: &'log Log<'log>,
    events: Events<'log>,
    /// The place in front of `head`.
    place: Position,
    /// The next event that is not a count of instructions.
    head: Option<Record<'log>>,
    /// Where the log ends, if `head` is none.
    end: u64,
    /// The head has had its chance: the machine executed the instruction that it belongs to.
    tried: bool,
    /// Stop at this instruction count, with what the log has up to this place done.
    pub stop: Option<(u64, Position)>,
    digests: Digests,
    /// Digests that were equal so far.
    checked: u64,
    output: Output,
    muted: bool,
    disks: Disks,
    /// The disks at work; none once they are closed.
    pool: Option<DiskPool>,
    failure: Option<Error>,
}

impl<'log> Replayer<'log> {
    /// A driver in front of a log: it must [`begin`](Self::begin), or travel to a snapshot.
    pub fn new(
        path: PathBuf,
        log: &'log Log<'log>,
        digests: Digests,
        output: Output,
        disks: Disks,
        pool: DiskPool,
    ) -> Self {
        Self {
            path,
            log,
            events: log.events(),
            place: log.start(),
            head: None,
            end: 0,
            tried: false,
            stop: None,
            digests,
            checked: 0,
            output,
            muted: false,
            disks,
            pool: Some(pool),
            failure: None,
        }
    }

    /// Reads what stands at the start of every log.
    ///
    /// # Errors
    /// If the log does not begin as a recording of this program does.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.advance()?;
        for wanted in [Checkpoint::Init, Checkpoint::Reset] {
            match self.head {
                Some(Record {
                    event: Event::Checkpoint(found),
                    ..
                }) if found == wanted => {
                    self.advance()?;
                }
                None => break,
                Some(_) => {
                    let reason = format!(
                        "does not begin with the checkpoint `{wanted}`: \
                                          it was not recorded by rr, or is damaged"
                    );
                    return Err(Error::recording(&self.path, reason));
                }
            }
        }
        Ok(())
    }

    /// The events that come behind a snapshot.
    ///
    /// # Errors
    /// If the log was cut off in front of it.
    fn events_from(&self, snapshot: &Snapshot) -> Result<Events<'log>, Error> {
        let (place, end) = (Position::from(snapshot.log), self.log.end());
        let closed = self.log.completeness() == Completeness::Complete;
        if place.index > end.index - u64::from(closed) {
            let reason = format!(
                "snapshot `{}`, at icount {}, lies behind the end of the log, which is cut off at icount {}; \
                 begin at an earlier one, or restore the log from a copy",
                snapshot.name, snapshot.icount, end.icount
            );
            return Err(Error::recording(&self.path, reason));
        }
        let wrong = |cause| Error::Log {
            path: self.path.clone(),
            cause,
        };
        self.log.events_at(place).map_err(wrong)
    }

    /// Reads up to the next event that is not a count of instructions.
    fn advance(&mut self) -> Result<(), Error> {
        self.tried = false;
        loop {
            let place = self.events.position();
            self.head = match self.events.next() {
                Some(Ok(Record {
                    event: Event::Instruction { .. },
                    ..
                })) => continue,
                // Behind the shutdown nothing is read: this log was closed by `rr repair`, or is a slice.
                Some(Ok(Record {
                    event: Event::End, ..
                })) => None,
                Some(Ok(record)) => Some(record),
                // A killed recording: it ends with its last whole event.
                Some(Err(error)) if error.is_truncated() => None,
                Some(Err(cause)) => {
                    return Err(Error::Log {
                        path: self.path.clone(),
                        cause,
                    });
                }
                None => None,
            };
            self.end = place.icount;
            self.place = place;
            return Ok(());
        }
    }

    /// The error for a head that does not fit what happened at `at`.
    fn diverged(&self, at: Moment, found: impl Into<String>) -> Error {
        let expected = match &self.head {
            Some(head) if head.icount == at.icount => describe(&head.event),
            Some(head) => format!("{} at icount {}", describe(&head.event), head.icount),
            None => format!("the log to go on to icount {}", self.end),
        };
        Box::new(Divergence {
            at,
            event: self.head.map(|head| head.index),
            offset: self.head.map(|head| head.offset),
            expected,
            found: found.into(),
            instruction: None,
        })
        .into()
    }

    /// Takes the head if it is at `at` and `wanted`; else the machine stops.
    fn take(
        &mut self,
        at: Moment,
        found: &str,
        wanted: impl FnOnce(&Event<'log>) -> bool,
    ) -> Result<Option<Event<'log>>, Halted> {
        let Some(head) = self.head else {
            if at.icount < self.end {
                return Err(self.halt(self.diverged(at, found)));
            }
            return Ok(None);
        };
        if head.icount != at.icount || !wanted(&head.event) {
            return Err(self.halt(self.diverged(at, found)));
        }
        self.advance().map_err(|error| self.halt(error))?;
        Ok(Some(head.event))
    }

    fn halt(&mut self, error: Error) -> Halted {
        self.failure = Some(error);
        Halted
    }

    /// Lets the machine go on by the one instruction that the head belongs to.
    fn expect(&mut self, situation: &Situation) -> Result<Step, Error> {
        if self.tried {
            return Err(self.diverged(situation.at, "the instruction to complete without it"));
        }
        self.tried = true;
        Ok(Step::Run {
            until: situation.at.icount + 1,
        })
    }

    /// The warp that the log holds from here on: its start was the head.
    fn warp(&mut self, situation: &Situation, idle: Idle) -> Result<Step, Error> {
        let length = idle
            .deadline
            .unwrap_or(situation.now)
            .saturating_sub(situation.now);
        let Some(since) = self.real_time()? else {
            return Ok(Step::Warp { ns: length });
        };
        match self.head.map(|head| head.event) {
            Some(Event::Checkpoint(Checkpoint::ClockWarpAccount)) => self.advance()?,
            None => return Ok(Step::Stop(Finish::LogCut)),
            Some(_) => return Err(self.diverged(situation.at, "the end of a warp")),
        }
        match self.real_time()? {
            Some(now) => Ok(Step::Warp {
                ns: slept_at_most(since, now, length),
            }),
            None if self.head.is_none() => Ok(Step::Stop(Finish::LogCut)),
            None => Err(self.diverged(situation.at, "a reading of the virtual-rt clock")),
        }
    }

    /// A reading of the virtual-rt clock, if the head is one.
    fn real_time(&mut self) -> Result<Option<i64>, Error> {
        match self.head.map(|head| head.event) {
            Some(Event::Clock {
                clock: Clock::VirtualRt,
                value,
            }) => {
                self.advance()?;
                Ok(Some(value))
            }
            _ => Ok(None),
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
            self.advance()?;
            let next = self.head.map(|head| head.event);
            if next == Some(Event::Checkpoint(Checkpoint::ResetRequested)) {
                return self.reset(situation);
            }
            return Ok(Step::Stop(Finish::Shutdown { cause, code: 0 }));
        };
        let (found, code) = shutdown(request);
        if found != cause {
            return Err(self.diverged(situation.at, describe(&Event::Shutdown(found))));
        }
        self.advance()?;
        if cause != ShutdownCause::GuestReset {
            return Ok(Step::Stop(Finish::Shutdown { cause, code }));
        }
        self.reset(situation)
    }

    /// A reset, whose cause was the head.
    fn reset(&mut self, situation: &Situation) -> Result<Step, Error> {
        for wanted in [Checkpoint::ResetRequested, Checkpoint::Reset] {
            match self.head.map(|head| head.event) {
                Some(Event::Checkpoint(found)) if found == wanted => self.advance()?,
                None => return Ok(Step::Stop(Finish::LogCut)),
                Some(_) => return Err(self.diverged(situation.at, format!("checkpoint {wanted}"))),
            }
        }
        Ok(Step::Reset)
    }

    /// Not past where the run is to stop.
    fn clamped(&self, until: u64) -> u64 {
        self.stop.map_or(until, |(at, _)| until.min(at))
    }

    /// Whether the run is where it is to stop.
    fn stops(&self, icount: u64) -> Result<bool, Error> {
        match self.stop {
            Some((at, place)) if icount == at => Ok(self.place.offset >= place.offset),
            Some((at, _)) if icount > at => {
                let reason = format!(
                    "the snapshot at icount {at} is of another log: delete it, or restore both from a copy"
                );
                Err(Error::recording(&self.path, reason))
            }
            _ => Ok(false),
        }
    }

    fn log_ended(&self, situation: &Situation) -> Result<Step, Error> {
        if situation.at.icount >= self.end {
            return Ok(Step::Stop(Finish::LogCut));
        }
        if situation.idle.is_some() || situation.request.is_some() {
            return Err(self.diverged(situation.at, "a machine that executes nothing more"));
        }
        Ok(Step::Run {
            until: self.clamped(self.end),
        })
    }
}

impl Inputs for Replayer<'_> {
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted> {
        let event = self.take(at, "a reading of the host clock", |event| {
            matches!(
                event,
                Event::Clock {
                    clock: Clock::Host,
                    ..
                }
            )
        })?;
        match event {
            Some(Event::Clock { value, .. }) => Ok(value),
            // The recording was cut inside this instruction.
            _ => Err(Halted),
        }
    }

    fn serial_write(&mut self, at: Moment, _port: u8, data: &[u8]) -> Result<(), Halted> {
        let found = format!("serial output of {} bytes", data.len());
        let len = data.len() as u64;
        let event = self.take(
            at,
            &found,
            |event| matches!(event, Event::CharWrite { result, offset } if can_be(*result, *offset, len)),
        )?;
        let Some(Event::CharWrite { offset, .. }) = event else {
            return Err(Halted);
        };
        if let Some(taken) = data.get(..offset as usize).filter(|_| !self.muted) {
            // What becomes of the console of a replay is no part of the run.
            self.output.write(taken);
        }
        Ok(())
    }

    fn block_submit(&mut self, _at: Moment, request: BlockRequest) -> Result<(), Halted> {
        let Some(disks) = &self.pool else {
            return Err(self.halt(CLOSED));
        };
        disks
            .submit(request)
            .map_err(|error| self.halt(error.into()))
    }

    fn net_send(&mut self, _at: Moment, _adapter: u8, _frame: &[u8]) -> Result<(), Halted> {
        // Whoever answered is in the log.
        Ok(())
    }

    fn interrupt(&mut self, at: Moment, cause: u64) -> Result<(), Halted> {
        let name = riscv_isa::cause::interrupt_name(cause).unwrap_or("unknown");
        let found = format!("interrupt {cause} ({name})");
        self.take(at, &found, |event| *event == Event::Interrupt)?
            .map(drop)
            .ok_or(Halted)
    }

    fn exception(&mut self, at: Moment, cause: u64) -> Result<(), Halted> {
        // Only a divergence needs the words, and exceptions are many.
        if let Some(head) = self.head
            && (head.icount, head.event) == (at.icount, Event::Exception)
        {
            return self.advance().map_err(|error| self.halt(error));
        }
        let name = riscv_isa::cause::exception_name(cause).unwrap_or("unknown");
        self.take(at, &format!("exception {cause} ({name})"), |_| false)?;
        Err(Halted)
    }
}

impl Driver for Replayer<'_> {
    fn next(&mut self, situation: &Situation) -> Result<Step, Error> {
        loop {
            let icount = situation.at.icount;
            if self.stops(icount)? {
                return Ok(Step::Stop(Finish::Reached));
            }
            let Some(head) = self.head else {
                return self.log_ended(situation);
            };
            if head.icount < icount {
                return Err(self.diverged(situation.at, "the machine to pass it by"));
            }
            if head.icount > icount {
                if let Some(request) = situation.request {
                    let (cause, _) = shutdown(request);
                    return Err(self.diverged(situation.at, describe(&Event::Shutdown(cause))));
                }
                if situation.idle.is_some() {
                    return Err(self.diverged(situation.at, "a machine that waits"));
                }
                // Not `tried` yet: a slice or a digest may end the run right before that instruction.
                let inline = is_inline(&head.event);
                return Ok(Step::Run {
                    until: self.clamped(head.icount.saturating_add(u64::from(inline))),
                });
            }
            match head.event {
                Event::Checkpoint(Checkpoint::ClockVirtual) => self.advance()?,
                Event::Checkpoint(Checkpoint::ClockHost) => {
                    self.advance()?;
                    return Ok(Step::HostTimers);
                }
                Event::Checkpoint(Checkpoint::ClockWarpStart) => {
                    let Some(idle) = situation.idle else {
                        return self.expect(situation);
                    };
                    self.advance()?;
                    return self.warp(situation, idle);
                }
                Event::Async {
                    event: AsyncEvent::CharRead { device, data },
                    ..
                } => {
                    self.advance()?;
                    return Ok(Step::Arrival(Arrival::Serial {
                        port: device,
                        data: data.to_vec(),
                    }));
                }
                Event::Async {
                    event: AsyncEvent::Block { id },
                    ..
                } => {
                    let disks = self.pool.as_ref().ok_or(CLOSED)?;
                    if !disks.has(id) {
                        // A disk that held the request back submits it once the machine runs.
                        return self.expect(situation);
                    }
                    let result = disks.wait_for(id)?;
                    self.advance()?;
                    let drive = drive_of(id);
                    return Ok(Step::Arrival(Arrival::Block { drive, id, result }));
                }
                Event::Async {
                    event: AsyncEvent::Net { device, data, .. },
                    ..
                } => {
                    self.advance()?;
                    return Ok(Step::Arrival(Arrival::Frame {
                        adapter: device,
                        data: data.to_vec(),
                    }));
                }
                Event::Shutdown(cause) => return self.shut_down(situation, cause),
                ref event if is_inline(event) => return self.expect(situation),
                _ => {
                    let reason = format!(
                        "event {} at offset {:#x} is {}, which this machine does not have",
                        head.index,
                        head.offset,
                        describe(&head.event)
                    );
                    return Err(Error::recording(&self.path, reason));
                }
            }
        }
    }

    fn outside(&mut self, _icount: u64) -> Result<Option<Outside<'_>>, Error> {
        let disks = self.pool.as_ref().ok_or(CLOSED)?;
        Ok(Some(Outside {
            log: self.place.into(),
            disks: Some(disks),
            pending: disks.pending()?,
            // All that will ever fail is known from the start.
            failed: Vec::new(),
        }))
    }

    fn travel(&mut self, to: Option<(&Chain, Loaded)>) -> Result<(), Error> {
        self.pool = None;
        let chain = to.as_ref().map(|(chain, _)| *chain);
        let pool = self.disks.start(self.disks.open(chain)?)?;
        match to {
            // A slice is never asked for this: it has no power-on.
            None => {
                self.events = self.log.events();
                self.begin()?;
            }
            Some((chain, loaded)) => {
                self.events = self.events_from(&chain.snapshot)?;
                self.advance()?;
                pool.expect(loaded.pending);
            }
        }
        self.pool = Some(pool);
        self.checked = 0;
        Ok(())
    }

    fn mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    fn end(&self) -> Option<u64> {
        Some(self.log.end().icount)
    }

    fn by_user(&mut self, _icount: u64, wish: Wish) -> Result<Step, Error> {
        match wish {
            Wish::Reset => Err(Error::Refused(
                "a replay is what was recorded: it cannot be reset",
            )),
            Wish::Quit => Ok(Step::Stop(Finish::Quit)),
        }
    }

    fn digest(&mut self, at: Moment, digest: u128, last: bool) -> Result<(), Error> {
        let Some(recorded) = self.digests.at(at.icount, last) else {
            return Ok(());
        };
        if recorded == digest {
            self.checked += 1;
            return Ok(());
        }
        Err(Box::new(Divergence {
            at,
            event: None,
            offset: None,
            expected: format!("state digest {recorded:032x}"),
            found: format!("{digest:032x}"),
            instruction: None,
        })
        .into())
    }

    fn digests_checked(&self) -> u64 {
        self.checked
    }

    fn lost_output(&self) -> Option<std::io::Error> {
        self.output.lost()
    }

    fn failure(&mut self) -> Error {
        self.failure
            .take()
            .unwrap_or(Error::Internal("the machine halted without a reason"))
    }

    fn log_cut(&self) -> bool {
        self.failure.is_none() && self.head.is_none()
    }

    fn close(&mut self) -> Result<(), Error> {
        // What the guest wrote is wanted by nobody.
        self.pool = None;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Whether the host can have answered a write of `len` bytes like this: it took some, or gave an errno.
fn can_be(result: i32, taken: u32, len: u64) -> bool {
    let consistent = match u32::try_from(result) {
        Ok(result) => result == taken,
        Err(_) => taken == 0,
    };
    consistent && u64::from(taken) <= len
}

/// Whether the event happens while an instruction executes, rather than between two.
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
