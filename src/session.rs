//! A run: the vCPU thread and the main loop, and what one does for the other.

use crate::driver::{Arrival, Driver, Finish, Idle, Situation, Step};
use crate::error::Error;
use crate::handover::Mailbox;
use crate::lock::{Bql, ReplayLock};
use machine::{Exit, Machine};
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
    pub shared: Shared,
    /// Instructions from one state digest to the next.
    pub digest_every: u64,
    /// Stop at this instruction count.
    pub until: Option<u64>,
    /// The driver takes no messages: the session looks for one that ends the run.
    pub deaf: bool,
}

impl Session<'_> {
    /// The vCPU thread: executes until the run is over.
    ///
    /// # Errors
    /// A divergence, or what keeps the log from being written.
    pub fn run(&self) -> Result<Report, Error> {
        let mut idle = None;
        let mut request = None;
        loop {
            if self.deaf && self.shared.stop.load(Ordering::Acquire) {
                return self.end(Finish::Interrupted);
            }
            // One execution period: replay lock, then BQL.
            let mut driver = self.driver.lock();
            let mut machine = self.machine.lock();
            let icount = machine.icount();
            if self.until.is_some_and(|until| icount >= until) {
                drop((machine, driver));
                return self.end(Finish::Reached);
            }
            let situation = Situation {
                at: machine.moment(),
                now: machine.now(),
                idle,
                request,
                alarm: machine.host_deadline(),
            };
            let step = driver
                .next(&situation)
                .map_err(|error| explain(error, &machine))?;
            match step {
                Step::Run { until } => {
                    let exit = self.execute(&mut machine, &mut **driver, until)?;
                    match exit {
                        Exit::Count | Exit::Kicked => (idle, request) = (None, None),
                        Exit::Idle => {
                            idle = Some(Idle {
                                deadline: machine.wake_deadline(),
                            })
                        }
                        Exit::Request(asked) => request = Some(asked),
                        Exit::Halted if driver.log_cut() => {
                            drop((machine, driver));
                            return self.end(Finish::LogCut);
                        }
                        Exit::Halted => return Err(explain(driver.failure(), &machine)),
                    }
                }
                Step::Arrival(arrival) => {
                    deliver(&mut machine, arrival);
                    idle = None;
                }
                Step::HostTimers => {
                    if machine.host_timers(&mut **driver).is_err() {
                        if driver.log_cut() {
                            drop((machine, driver));
                            return self.end(Finish::LogCut);
                        }
                        return Err(explain(driver.failure(), &machine));
                    }
                    idle = None;
                }
                Step::Warp { ns } => {
                    machine.warp(ns);
                    idle = None;
                }
                Step::Reset => {
                    machine.reset();
                    (idle, request) = (None, None);
                }
                Step::Wait(at_most) => {
                    drop((machine, driver));
                    self.mailbox.wait(at_most);
                    continue;
                }
                Step::Stop(finish) => {
                    drop((machine, driver));
                    return self.end(finish);
                }
            }
            self.publish(&machine);
        }
    }

    /// Executes a slice, and takes the digest where one is due.
    fn execute(
        &self,
        machine: &mut Machine,
        driver: &mut dyn Driver,
        until: u64,
    ) -> Result<Exit, Error> {
        let icount = machine.icount();
        let digest_at = (icount / self.digest_every + 1).saturating_mul(self.digest_every);
        let until = [
            until,
            icount + SLICE,
            digest_at,
            self.until.unwrap_or(u64::MAX),
        ]
        .into_iter()
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
    fn publish(&self, machine: &Machine) {
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
        if matches!(finish, Finish::Shutdown { .. }) {
            driver
                .digest(machine.moment(), digest, true)
                .map_err(|error| explain(error, &machine))?;
            driver.finish()?;
        }
        driver.close()?;
        let broken_devices = machine.virtio_errors().map(|(slot, times, last)| {
            format!("the guest broke the virtio device in slot {slot}, {times} times; the last time: {last}")
        });
        Ok(Report {
            finish,
            icount: machine.icount(),
            virtual_time: machine.now(),
            digest,
            digests_checked: driver.digests_checked(),
            lost_output: driver.lost_output().map(|error| error.to_string()),
            broken_devices: broken_devices.collect(),
        })
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
