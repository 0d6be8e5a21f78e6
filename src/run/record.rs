//! The recorder: the driver whose inputs come from the host, and go into the log. It also drives
//! runs without a log.

use crate::error::Error;
use crate::host::device::Handled;
use crate::host::disk::{IoErrors, Pending};
use crate::notes::Notes;
use crate::recording::log::{FLUSH_EVERY, LogSink};
use crate::recording::snapshot::{Chain, Loaded};
use crate::run::driver::{
    Closed, DigestOf, Driver, Failure, Idle, Outside, Situation, Snapshots, Step, UserRequest,
};
use crate::run::host_io::HostIo;
use crate::run::log_event;
use crate::run::mailbox::{Mailbox, Message};
use crate::run::report::Finish;
use machine::inputs::{
    Arrival, BlockRequest, BlockResult, DeviceOutput, Halted, Inputs, Mark, Moment, Output,
};
use machine::{Digest, Icount, Request};
use replay_format::{Checkpoint, Clock, Event, ShutdownCause};
use std::sync::Arc;
use std::time::Duration;

const NO_LOG: Error = Error::Internal("a run that is not recorded has no snapshots");
const NO_DEVICE: Error = Error::Internal("the host has no part of a device that sends something");
/// How long the recorder waits for an answer of the host's devices before it skips idle time.
const ANSWER_WITHIN: Duration = Duration::from_millis(5);

/// A wait for a timer in real time (`sleep=on`), after its start was written to the log.
#[derive(Debug, Clone, Copy)]
struct Nap {
    /// The virtual-rt clock at its start, ns.
    since: i64,
    /// How long it may last, ns.
    length: u64,
}

/// The driver of a recording.
pub struct Recorder {
    log: Option<LogSink>,
    mailbox: Arc<Mailbox>,
    host: Box<dyn HostIo>,
    /// The number of disk operations that are not complete.
    in_flight: u64,
    /// The real time (ns) until which an answer to the output of a device may come.
    answer_until: Option<i64>,
    /// True if idle time passes as on the host, false if it is skipped.
    sleep: bool,
    nap: Option<Nap>,
    /// The real time (ns) when the log was last written to disk.
    flushed: i64,
    failure: Option<Error>,
    /// Takes the messages for the user.
    notes: Notes,
}

impl Recorder {
    /// The driver of a run that is recorded into `log`, or of a run without a log.
    pub fn new(
        log: Option<LogSink>,
        mailbox: Arc<Mailbox>,
        host: Box<dyn HostIo>,
        sleep: bool,
    ) -> Self {
        let flushed = host.real_time();
        Self {
            log,
            mailbox,
            host,
            in_flight: 0,
            answer_until: None,
            sleep,
            nap: None,
            flushed,
            failure: None,
            notes: Notes::default(),
        }
    }

    /// Sends messages for the user there.
    #[must_use]
    pub fn with_notes(self, notes: &Notes) -> Self {
        let notes = notes.clone();
        Self { notes, ..self }
    }

    /// How long idle time is not skipped, because the host still works for the guest. If virtual
    /// time ran on meanwhile, the host would seem extremely slow to the guest.
    fn busy(&self) -> Option<Option<Duration>> {
        if self.in_flight > 0 {
            return Some(None);
        }
        let left = self.answer_until?.checked_sub(self.host.real_time())?;
        let left = u64::try_from(left).ok()?;
        Some(Some(Duration::from_nanos(left)))
    }

    /// Writes the log to disk up to `icount`.
    fn flush(&mut self, icount: Icount) -> Result<(), Error> {
        if let Some(log) = &mut self.log {
            log.flush(icount)?;
            self.flushed = self.host.real_time();
        }
        Ok(())
    }

    /// True if the log on disk is so old that a kill would lose too much.
    fn wants_flush(&self) -> bool {
        slept(self.flushed, self.host.real_time()) >= FLUSH_EVERY.as_nanos() as u64
    }

    fn write(&mut self, icount: Icount, event: &Event<'_>) -> Result<(), Error> {
        match &mut self.log {
            Some(log) => log.event(icount, event),
            None => Ok(()),
        }
    }

    /// Writes an event during a run of the machine. An error there can only stop the machine.
    fn write_mark(&mut self, icount: Icount, event: &Event<'_>) -> Result<(), Halted> {
        self.write(icount, event).map_err(|error| {
            self.failure = Some(error);
            Halted
        })
    }

    fn read_real_time(&mut self, icount: Icount) -> Result<i64, Error> {
        let value = self.host.real_time();
        self.write(
            icount,
            &Event::Clock {
                clock: Clock::VirtualRt,
                value,
            },
        )?;
        Ok(value)
    }

    fn guest_request(&mut self, icount: Icount, request: Request) -> Result<Step, Error> {
        let (cause, code) = shutdown(request);
        self.write(icount, &Event::Shutdown(cause))?;
        match request {
            Request::Reset => self.reset(icount),
            _ => Ok(Step::Stop(Finish::Shutdown { cause, code })),
        }
    }

    fn user_request(&mut self, icount: Icount, request: UserRequest) -> Result<Step, Error> {
        let cause = ShutdownCause::HostQmp;
        self.write(icount, &Event::Shutdown(cause))?;
        match request {
            UserRequest::Reset => self.reset(icount),
            UserRequest::Quit => Ok(Step::Stop(Finish::Shutdown { cause, code: 0 })),
        }
    }

    /// Resets the machine, after the cause was written to the log.
    fn reset(&mut self, icount: Icount) -> Result<Step, Error> {
        self.write(icount, &Event::Checkpoint(Checkpoint::ResetRequested))?;
        self.write(icount, &Event::Checkpoint(Checkpoint::Reset))?;
        Ok(Step::Reset)
    }

    /// Takes an input: writes it to the log, and hands it to the machine.
    fn arrival(&mut self, icount: Icount, arrival: Arrival) -> Result<Step, Error> {
        self.host.arrived(&arrival);
        if let Arrival::Block { result, .. } = &arrival {
            self.in_flight -= 1;
            if *result == BlockResult::Error {
                self.save_io_errors()?;
            }
        }
        if let Some(log) = &mut self.log {
            log_event::write(log, icount, &arrival)?;
        }
        Ok(Step::Arrival(arrival))
    }

    /// Saves the failures of the disks. This must come before the log says that an operation
    /// completed: otherwise a recording that is killed in between would replay it as a success.
    fn save_io_errors(&self) -> Result<(), Error> {
        if let Some(log) = &self.log {
            let path = log.path().with_file_name(IoErrors::FILE);
            self.host.io_errors().save(&path)?;
        }
        Ok(())
    }

    fn message(&mut self, icount: Icount, message: Message) -> Result<Step, Error> {
        match message {
            Message::Arrival(arrival) => self.arrival(icount, arrival),
            Message::Stop(cause) => {
                self.write(icount, &Event::Shutdown(cause))?;
                Ok(Step::Stop(Finish::Shutdown { cause, code: 0 }))
            }
        }
    }

    fn idle(&mut self, situation: &Situation, idle: Idle) -> Result<Step, Error> {
        let icount = situation.at.icount;
        let Some(deadline) = idle.deadline else {
            return self.wait(situation, None);
        };
        let Some(ns) = deadline.checked_sub(situation.now).filter(|&ns| ns > 0) else {
            return Ok(Step::Run { until: Icount::MAX });
        };
        if let Some(at_most) = self.busy().filter(|_| !self.sleep) {
            return self.wait(situation, at_most);
        }
        self.write(icount, &Event::Checkpoint(Checkpoint::ClockWarpStart))?;
        if !self.sleep {
            return Ok(Step::Warp { ns });
        }
        let since = self.read_real_time(icount)?;
        self.nap = Some(Nap { since, length: ns });
        self.wait(situation, Some(Duration::from_nanos(ns)))
    }

    /// Goes on with a nap, or ends it. At its end virtual time catches up with real time.
    fn napping(&mut self, situation: &Situation, nap: Nap) -> Result<Step, Error> {
        let icount = situation.at.icount;
        let slept = slept(nap.since, self.host.real_time());
        if slept < nap.length && !self.mailbox.kicked() && !self.is_due(situation.alarm) {
            let left = Duration::from_nanos(nap.length - slept);
            return self.wait(situation, Some(left));
        }
        self.nap = None;
        self.write(icount, &Event::Checkpoint(Checkpoint::ClockWarpAccount))?;
        let now = self.read_real_time(icount)?;
        Ok(Step::Warp {
            ns: slept_at_most(nap.since, now, nap.length),
        })
    }

    fn wait(&mut self, situation: &Situation, at_most: Option<Duration>) -> Result<Step, Error> {
        let icount = situation.at.icount;
        let alarm = situation
            .alarm
            .map(|due| Duration::from_nanos(slept(self.host.wall_clock(), due)));
        let at_most = [at_most, alarm].into_iter().flatten().min();
        // A nap of some milliseconds does not write to the disk.
        if at_most.is_none_or(|limit| limit > FLUSH_EVERY) {
            self.flush(icount)?;
        }
        Ok(Step::Wait(at_most))
    }

    fn is_due(&self, alarm: Option<i64>) -> bool {
        alarm.is_some_and(|due| self.host.wall_clock() >= due)
    }
}

/// The cause that the log gives for the guest's request, and the guest's exit code.
pub(crate) fn shutdown(request: Request) -> (ShutdownCause, u16) {
    match request {
        Request::PowerOff => (ShutdownCause::GuestShutdown, 0),
        Request::Reset => (ShutdownCause::GuestReset, 0),
        Request::Fail(code) => (ShutdownCause::GuestPanic, code),
        Request::NoFirmware => (ShutdownCause::GuestPanic, 1),
    }
}

fn slept(since: i64, now: i64) -> u64 {
    u64::try_from(now.saturating_sub(since)).unwrap_or(0)
}

/// The virtual time that passes in a nap: the real time that has passed, but not beyond the
/// deadline.
pub(crate) fn slept_at_most(since: i64, now: i64, length: u64) -> u64 {
    slept(since, now).min(length)
}

impl Recorder {
    /// Writes bytes to the host's serial port.
    fn write_serial(&mut self, at: Moment, data: &[u8]) -> Result<(), Halted> {
        // The write may wait for long. The log so far is written out before, so that a kill does
        // not lose it.
        if self.log.is_some() && self.host.serial_is_full() {
            self.flush(at.icount).map_err(|error| {
                self.failure = Some(error);
                Halted
            })?;
        }
        let (result, taken) = self.host.serial_write(data);
        self.write_mark(
            at.icount,
            &Event::CharWrite {
                result,
                offset: taken,
            },
        )
    }

    fn submit(&mut self, request: BlockRequest) -> Result<(), Halted> {
        self.in_flight += 1;
        self.host.block_submit(request).map_err(|error| {
            self.failure = Some(error);
            Halted
        })
    }

    fn send(&mut self, output: &DeviceOutput) -> Result<(), Halted> {
        match self.host.output(output) {
            Handled::Taken => {}
            Handled::MayAnswer => {
                let within = ANSWER_WITHIN.as_nanos() as i64;
                self.answer_until = Some(self.host.real_time().saturating_add(within));
            }
            Handled::Declined => {
                self.failure = Some(NO_DEVICE);
                return Err(Halted);
            }
        }
        Ok(())
    }
}

impl Inputs for Recorder {
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted> {
        let value = self.host.wall_clock();
        self.write_mark(
            at.icount,
            &Event::Clock {
                clock: Clock::Host,
                value,
            },
        )?;
        Ok(value)
    }

    fn output(&mut self, at: Moment, output: Output<'_>) -> Result<(), Halted> {
        match output {
            Output::Serial { data, .. } => self.write_serial(at, data),
            Output::Block(request) => self.submit(request),
            Output::Device(output) => self.send(&output),
        }
    }

    fn mark(&mut self, at: Moment, mark: Mark) -> Result<(), Halted> {
        let event = match mark {
            Mark::Interrupt(_) => Event::Interrupt,
            Mark::Exception(_) => Event::Exception,
        };
        self.write_mark(at.icount, &event)
    }
}

impl Driver for Recorder {
    fn next(&mut self, situation: &Situation) -> Result<Step, Error> {
        let icount = situation.at.icount;
        if let Some(nap) = self.nap {
            return self.napping(situation, nap);
        }
        if let Some(request) = situation.request {
            return self.guest_request(icount, request);
        }
        if let Some(request) = situation.user {
            return self.user_request(icount, request);
        }
        if self.mailbox.kicked()
            && let Some(message) = self.mailbox.take()
        {
            return self.message(icount, message);
        }
        if self.is_due(situation.alarm) {
            self.write(icount, &Event::Checkpoint(Checkpoint::ClockHost))?;
            return Ok(Step::HostTimers);
        }
        if self.wants_flush() {
            self.flush(icount)?;
        }
        match situation.idle {
            Some(idle) => self.idle(situation, idle),
            None => Ok(Step::Run { until: Icount::MAX }),
        }
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        self.log.is_some().then_some(self as _)
    }

    fn settled(&self) -> bool {
        self.nap.is_none()
    }

    fn digest(&mut self, at: Moment, digest: Digest, of: DigestOf) -> Result<(), Error> {
        match &mut self.log {
            Some(log) => log.digest(at.icount, digest, of == DigestOf::End),
            None => Ok(()),
        }
    }

    fn failure(&mut self) -> Failure {
        let failure = self.failure.take();
        let unknown = Error::Internal("the machine halted without a reason");
        Failure::Error(failure.unwrap_or(unknown))
    }

    fn close(&mut self, finish: Finish) -> Result<Closed, Error> {
        let shut_down = matches!(finish, Finish::Shutdown { .. });
        if let Some(log) = self.log.as_mut().filter(|_| shut_down) {
            log.finish()?;
        }
        self.host.close()?;
        if let Some(log) = self.log.as_ref().filter(|_| shut_down) {
            log.seal(&self.notes)?;
        }
        Ok(Closed {
            digests_checked: 0,
            lost_output: self.host.lost_output(),
        })
    }
}

impl Snapshots for Recorder {
    fn outside(&mut self, icount: Icount) -> Result<Outside<'_>, Error> {
        // A snapshot must not be ahead of the log on disk, even if the recording is killed.
        self.flush(icount)?;
        let log = self.log.as_ref().ok_or(NO_LOG)?;
        let disks = self.host.disks();
        let (mut pending, mut failed) = (Vec::new(), Vec::new());
        if let Some(disks) = disks {
            // After this the submitted operations are done, and their results are in the mailbox.
            disks.wait_idle();
            failed.extend(disks.io_errors().iter().map(|error| error.id));
            self.mailbox.each(|message| {
                if let Message::Arrival(Arrival::Block { drive, id, result }) = message {
                    let done = match result {
                        BlockResult::Done(bytes) => Some(bytes.clone()),
                        BlockResult::Error => None,
                    };
                    let (drive, id) = (*drive, *id);
                    pending.push(Pending { drive, id, done });
                }
            });
        }
        Ok(Outside {
            log: log.place(),
            disks,
            pending,
            failed,
        })
    }

    fn load(&mut self, chain: &Chain, loaded: Loaded) -> Result<(), Error> {
        let log = self.log.as_mut().ok_or(NO_LOG)?;
        log.rewind(chain.snapshot.log, chain.snapshot.icount)?;
        // The old disks' results are dropped: they belong to the time after the snapshot.
        self.host.reopen_disks(chain, &loaded.failed)?;
        self.mailbox
            .retain(|message| !matches!(message, Message::Arrival(Arrival::Block { .. })));
        self.save_io_errors()?;
        self.in_flight = loaded.pending.len() as u64;
        self.answer_until = None;
        self.nap = None;
        for Pending { drive, id, done } in loaded.pending {
            let result = done.map_or(BlockResult::Error, BlockResult::Done);
            let arrival = Arrival::Block { drive, id, result };
            self.mailbox.post(Message::Arrival(arrival));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]
mod tests;
