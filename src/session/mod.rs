//! A run: the vCPU thread and the main loop, and what one does for the other.

pub mod context;
pub mod control;
pub mod launch;
pub mod lock;
mod main_loop;
mod serve;
pub(crate) mod threads;

use crate::error::Error;
use crate::handover::Mailbox;
use crate::run::driver::{Arrival, Driver, Finish, Idle, Situation, Step};
use crate::run::snapshots::Keeper;
use crate::session::control::{Answer, Ask, Control, Happening, RunState};
use crate::session::lock::{Bql, ReplayLock};
use machine::{Exit, Machine, Request};
use replay_format::ShutdownCause;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Instructions of one execution period: well under a millisecond, so input is taken soon.
const SLICE: u64 = 100_000;

/// What the main loop tells the vCPU thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Something has arrived.
    Arrival(Arrival),
    /// The run is to end.
    Stop(ShutdownCause),
}

/// What both threads see without a lock.
#[derive(Debug)]
pub struct Shared {
    /// Instruction count, for progress.
    pub icount: AtomicU64,
    /// Serial input that the guest has yet to read.
    pub backlog: AtomicUsize,
    /// The run is being stopped: nobody waits for the host any longer.
    pub stop: Arc<AtomicBool>,
}

impl Shared {
    /// At the start of a run.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self {
            icount: AtomicU64::new(0),
            backlog: AtomicUsize::new(0),
            stop,
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub finish: Finish,
    /// A run that ended by itself, or the whole of a slice.
    pub whole: bool,
    /// Instructions executed.
    pub icount: u64,
    /// Virtual time in ns.
    pub virtual_time: u64,
    /// Digest of the final state.
    pub digest: u128,
    /// Digests that were compared on the way, this one included where it was recorded.
    pub digests_checked: u64,
    /// Why the guest's serial output did not all reach the host, in words.
    pub lost_output: Option<String>,
    /// Virtio devices that the guest's driver broke, in words.
    pub broken_devices: Vec<String>,
}

/// A machine and its driver, under their locks.
pub struct Session<'a> {
    /// The machine, under the BQL.
    pub machine: Bql<Machine>,
    /// The driver, under the replay lock.
    pub driver: ReplayLock<Box<dyn Driver + 'a>>,
    /// Messages of the main loop.
    pub mailbox: Arc<Mailbox<Message>>,
    /// What both threads see.
    pub shared: Arc<Shared>,
    /// What others ask of the run.
    pub control: Arc<Control>,
    /// Instructions from one state digest to the next.
    pub digest_every: u64,
    /// Stop at this instruction count.
    pub until: Option<u64>,
    /// What was recorded: from this instruction count to this one. Only a slice has such ends; others end by themselves.
    pub range: Option<(u64, u64)>,
    /// The driver takes no messages: the session looks for one that ends the run.
    pub deaf: bool,
}

/// Where a run stands, as far as the vCPU thread alone knows it.
#[derive(Default)]
pub(crate) struct Vcpu {
    /// Every hart waits.
    pub(crate) idle: Option<Idle>,
    /// What the guest asked for and has not got yet.
    pub(crate) request: Option<Request>,
    /// Takes snapshots, where the run has a place for them.
    pub(crate) keeper: Option<Keeper>,
    /// The instruction count at which a snapshot is due.
    pub(crate) due: Option<u64>,
    /// The guest does not execute.
    pub(crate) stopped: bool,
    /// The guest is to be stopped at this instruction count.
    pub(crate) stop_at: Option<u64>,
    /// A seek is under way, to this instruction count.
    pub(crate) seek: Option<u64>,
    /// How the run ended, where it stays all the same.
    pub(crate) ended: Option<Finish>,
    /// A question that must wait for the driver.
    pub(crate) held: Option<(Ask, Answer)>,
}

impl Session<'_> {
    /// The vCPU thread: executes until the run is over. `keeper`: takes its snapshots.
    ///
    /// # Errors
    /// A divergence, or what keeps the log from being written.
    pub fn run(&self, keeper: Option<Keeper>) -> Result<Report, Error> {
        let mut vcpu = Vcpu {
            stopped: self.control.start_stopped,
            keeper,
            ..Vcpu::default()
        };
        if !vcpu.stopped {
            self.control.enter(RunState::Running);
        }
        let report = self.run_until_over(&mut vcpu);
        drop(vcpu);
        self.control.hang_up();
        report
    }

    fn run_until_over(&self, vcpu: &mut Vcpu) -> Result<Report, Error> {
        loop {
            if self.deaf && self.stopping() {
                return self.end(Finish::Interrupted);
            }
            if let Some(finish) = self.wishes(vcpu)? {
                return self.end(finish);
            }
            if vcpu.stopped && vcpu.held.is_none() && !self.stopping() {
                self.control.questions().wait(|| self.stopping());
                continue;
            }
            if let Some(finish) = self.period(vcpu)? {
                self.control.happened(&Happening::Shutdown(cause(finish)));
                if !self.control.no_shutdown || self.stopping() || finish == Finish::Quit {
                    return self.end(finish);
                }
                vcpu.ended = Some(finish);
                // It is granted; else nothing that is asked from now on would be looked at.
                vcpu.request = None;
                vcpu.stopped = true;
                self.control.enter(RunState::Shutdown);
            }
        }
    }

    /// The host wants the program to end.
    fn stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// One execution period: replay lock, then BQL. Gives how the run ended, if it did.
    pub(crate) fn period(&self, vcpu: &mut Vcpu) -> Result<Option<Finish>, Error> {
        let mut driver = self.driver.lock();
        let mut machine = self.machine.lock();
        if self.arrive(vcpu, &mut **driver, &mut machine)? {
            return Ok(None);
        }
        if self.until.is_some_and(|until| machine.icount() >= until) {
            return Ok(Some(Finish::Reached));
        }
        let situation = Situation {
            at: machine.moment(),
            now: machine.now(),
            idle: vcpu.idle,
            request: vcpu.request,
            alarm: machine.host_deadline(),
        };
        let step = driver
            .next(&situation)
            .map_err(|error| explain(error, &machine))?;
        match step {
            Step::Run { until } => {
                let offset = machine.rtc_offset();
                let exit = self.execute(vcpu, &mut machine, &mut **driver, until)?;
                if machine.rtc_offset() != offset {
                    let set = Happening::ClockSet(machine.rtc_offset());
                    self.control.happened(&set);
                }
                match exit {
                    Exit::Count | Exit::Kicked => (vcpu.idle, vcpu.request) = (None, None),
                    Exit::Idle => {
                        vcpu.idle = Some(Idle {
                            deadline: machine.wake_deadline(),
                        })
                    }
                    Exit::Request(asked) => vcpu.request = Some(asked),
                    Exit::Halted if driver.log_cut() => return Ok(Some(Finish::LogCut)),
                    Exit::Halted => return Err(explain(driver.failure(), &machine)),
                }
            }
            Step::Arrival(arrival) => {
                deliver(&mut machine, arrival);
                vcpu.idle = None;
            }
            Step::HostTimers => {
                if machine.host_timers(&mut **driver).is_err() {
                    if driver.log_cut() {
                        return Ok(Some(Finish::LogCut));
                    }
                    return Err(explain(driver.failure(), &machine));
                }
                vcpu.idle = None;
            }
            Step::Warp { ns } => {
                machine.warp(ns);
                vcpu.idle = None;
            }
            Step::Reset => {
                // Else somebody at the monitor asked for it when it was recorded.
                let guest = vcpu.request.is_some();
                self.reset(vcpu, &mut machine, guest);
            }
            Step::Compare => {
                let digest = machine.digest();
                let finish = driver.compare(machine.moment(), digest);
                if let Some(finish) = finish.map_err(|error| explain(error, &machine))? {
                    return Ok(Some(finish));
                }
            }
            Step::Wait(at_most) => {
                self.publish(&machine);
                drop((machine, driver));
                self.mailbox.wait(at_most);
                return Ok(None);
            }
            Step::Stop(finish) => return Ok(Some(finish)),
        }
        self.publish(&machine);
        Ok(None)
    }

    /// Resets the machine; `guest`: it asked for that.
    pub(crate) fn reset(&self, vcpu: &mut Vcpu, machine: &mut Machine, guest: bool) {
        machine.reset();
        (vcpu.idle, vcpu.request) = (None, None);
        self.control.happened(&Happening::Reset { guest });
    }

    /// Executes a slice, and takes the digest where one is due.
    fn execute(
        &self,
        vcpu: &Vcpu,
        machine: &mut Machine,
        driver: &mut dyn Driver,
        until: u64,
    ) -> Result<Exit, Error> {
        let icount = machine.icount();
        let digest_at = (icount / self.digest_every + 1).saturating_mul(self.digest_every);
        let until = [self.until, vcpu.stop_at, vcpu.seek, vcpu.due]
            .into_iter()
            .flatten()
            .chain([until, icount + SLICE, digest_at])
            .fold(u64::MAX, u64::min);
        let exit = machine.run(until, driver);
        if exit == Exit::Count && machine.icount() == digest_at {
            let digest = machine.digest();
            driver
                .digest(machine.moment(), digest, false)
                .map_err(|error| explain(error, machine))?;
        }
        Ok(exit)
    }

    /// Tells the main loop how things stand.
    pub(crate) fn publish(&self, machine: &Machine) {
        self.shared
            .icount
            .store(machine.icount(), Ordering::Relaxed);
        self.shared
            .backlog
            .store(machine.serial_backlog(), Ordering::Release);
    }

    fn end(&self, finish: Finish) -> Result<Report, Error> {
        let mut driver = self.driver.lock();
        let mut machine = self.machine.lock();
        let digest = machine.digest();
        let at_end = self.range.is_some_and(|(_, to)| machine.icount() == to);
        let shutdown = matches!(finish, Finish::Shutdown { .. });
        let whole = shutdown || at_end && finish == Finish::Reached;
        if whole {
            driver
                .digest(machine.moment(), digest, true)
                .map_err(|error| explain(error, &machine))?;
        }
        if shutdown {
            driver.finish()?;
        }
        driver.close()?;
        let broken_devices = machine.virtio_errors().map(|(slot, times, last)| {
            format!("the guest broke the virtio device in slot {slot}, {times} times; the last time: {last}")
        });
        Ok(Report {
            finish,
            whole,
            icount: machine.icount(),
            virtual_time: machine.now(),
            digest,
            digests_checked: driver.digests_checked(),
            lost_output: driver.lost_output().map(|error| error.to_string()),
            broken_devices: broken_devices.collect(),
        })
    }
}

/// What the log says of an end.
fn cause(finish: Finish) -> ShutdownCause {
    match finish {
        Finish::Shutdown { cause, .. } => cause,
        Finish::Interrupted => ShutdownCause::HostSignal,
        Finish::Quit => ShutdownCause::HostQmp,
        Finish::LogCut | Finish::Reached => ShutdownCause::None,
    }
}

/// Adds the instruction to a divergence.
fn explain(error: Error, machine: &Machine) -> Error {
    match error {
        Error::Diverged(mut divergence) => {
            let pc = divergence.at.pc;
            divergence.instruction = machine
                .instruction(divergence.at.hart, pc)
                .map(|raw| riscv_isa::disassemble(raw, pc));
            Error::Diverged(divergence)
        }
        other => other,
    }
}

/// Hands the machine what has arrived.
fn deliver(machine: &mut Machine, arrival: Arrival) {
    match arrival {
        Arrival::Serial { port, data } => machine.serial_input(port, &data),
        Arrival::Block { drive, id, result } => machine.block_complete(drive, id, result),
        Arrival::Frame { adapter, data } => machine.net_receive(adapter, &data),
    }
}
