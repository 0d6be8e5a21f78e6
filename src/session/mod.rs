//! A run on two threads: the vCPU thread executes it under the BQL and the replay lock, and the
//! main loop serves the host and the front ends.

pub mod context;
pub mod control;
pub mod frontend;
pub mod launch;
pub mod lock;
mod main_loop;
mod requests;
mod serve;
mod threads;

use crate::error::Error;
use crate::run::driver::{Driver, UserRequest};
use crate::run::mailbox::{Mailbox, Message};
use crate::run::report::{Finish, Report};
use crate::run::snapshots::Snapshotter;
use crate::run::vcpu::{After, Limits, Vcpu};
use control::{Control, Reply, Request, RunEvent, RunState, Work};
use lock::{Bql, ReplayLock};
use machine::{Icount, Machine};
use replay_format::ShutdownCause;
use serve::unmute;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// State that both threads see without a lock.
#[derive(Debug)]
pub struct Shared {
    /// Instruction count, for progress.
    pub icount: AtomicU64,
    /// Serial input that the guest has yet to read.
    pub backlog: AtomicUsize,
    /// Set when the run is being stopped: no thread waits for the host any more.
    pub stop: Arc<AtomicBool>,
    /// Set when the run is being stopped because its time is over.
    pub timed_out: AtomicBool,
}

impl Shared {
    /// The state at the start of a run.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self {
            icount: AtomicU64::new(0),
            backlog: AtomicUsize::new(0),
            stop,
            timed_out: AtomicBool::new(false),
        }
    }
}

/// Where a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Instructions from one state digest to the next.
    pub digest_every: u64,
    /// The instruction count at which the run ends.
    pub until: Option<Icount>,
    /// The host's time after which the run ends.
    pub timeout: Option<Duration>,
    /// True for a replay, which need not be ended properly.
    pub replay: bool,
    /// The first and the last instruction count of a slice. `None` for other recordings, which end
    /// by themselves.
    pub range: Option<(Icount, Icount)>,
}

/// A machine and its driver, under their locks.
pub struct Session<'a> {
    /// The machine, under the BQL.
    pub machine: Bql<Machine>,
    /// The driver, under the replay lock.
    pub driver: ReplayLock<Box<dyn Driver + 'a>>,
    /// Messages from the main loop.
    pub mailbox: Arc<Mailbox>,
    /// State that both threads see without a lock.
    pub shared: Arc<Shared>,
    /// Requests to the run.
    pub control: Arc<Control>,
    /// Where the run ends by itself.
    pub bounds: Bounds,
}

/// What the vCPU thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// The guest executes.
    Executing,
    /// The guest is paused until a request lets it go on.
    Paused,
    /// The guest executes without output up to this instruction count, and is paused there.
    Seeking(Icount),
    /// The run has ended like this, and stays because of `--no-shutdown`.
    Over(Finish),
}

/// State of the vCPU thread alone.
struct VcpuThread {
    vcpu: Vcpu,
    doing: Doing,
    /// The instruction count at which the guest will be paused.
    stop_at: Option<Icount>,
    /// Takes snapshots, if the run has a place for them.
    snapshotter: Option<Snapshotter>,
    /// The instruction count at which the next snapshot is due.
    snapshot_due: Option<Icount>,
    /// A request that waits until the driver is settled.
    held: Option<(Request, Reply)>,
    /// The run has reached its last instruction count, and was asked to end.
    reached: bool,
}

impl Session<'_> {
    /// The vCPU thread's loop: executes until the run is over. `snapshotter` takes its snapshots.
    ///
    /// # Errors
    /// If the replay diverges, or the log cannot be written.
    pub fn run(&self, snapshotter: Option<Snapshotter>) -> Result<Report, Error> {
        let mut thread = VcpuThread {
            vcpu: Vcpu::default(),
            doing: match self.control.start_stopped {
                true => Doing::Paused,
                false => Doing::Executing,
            },
            stop_at: None,
            snapshotter,
            snapshot_due: None,
            held: None,
            reached: false,
        };
        if thread.doing == Doing::Executing {
            self.control.enter(RunState::Running);
        }
        let report = self.run_until_over(&mut thread);
        drop(thread);
        self.control.hang_up();
        report
    }

    fn run_until_over(&self, thread: &mut VcpuThread) -> Result<Report, Error> {
        loop {
            if let Some(finish) = self.serve(thread)? {
                return self.end(thread, finish);
            }
            let waits = matches!(thread.doing, Doing::Paused | Doing::Over(_));
            if waits && thread.held.is_none() && !self.stopping() {
                self.control.requests().wait(|| self.stopping());
                continue;
            }
            if let Some(finish) = self.period(thread, None)? {
                self.control.tell(&RunEvent::Shutdown(cause(finish)));
                if !self.control.no_shutdown || self.stopping() || finish == Finish::Quit {
                    return self.end(thread, finish);
                }
                thread.doing = Doing::Over(finish);
                // The guest's own request is granted. Otherwise the thread would take no more
                // requests.
                thread.vcpu.request = None;
                self.control.enter(RunState::Shutdown);
            }
        }
    }

    /// True if the host asks the program to end.
    fn stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// One execution period: takes the replay lock, then the BQL. Returns how the run ended, if it
    /// did. `user` is the user's request.
    fn period(
        &self,
        thread: &mut VcpuThread,
        user: Option<UserRequest>,
    ) -> Result<Option<Finish>, Error> {
        let mut driver = self.driver.lock();
        let mut machine = self.machine.lock();
        if user.is_none() && self.arrive(thread, &mut **driver, &mut machine)? {
            return Ok(None);
        }
        let end = self.bounds.until;
        if user.is_none() && end.is_some_and(|end| machine.icount() >= end) {
            if self.bounds.replay {
                return Ok(Some(Finish::Reached));
            }
            if !thread.reached {
                thread.reached = true;
                self.mailbox.post(Message::Stop(ShutdownCause::HostUi));
            }
        }
        let seek = match thread.doing {
            Doing::Seeking(to) => Some(to),
            _ => None,
        };
        let stops = [end, thread.stop_at, seek, thread.snapshot_due];
        let limits = Limits {
            until: stops.into_iter().flatten().min().unwrap_or(Icount::MAX),
            digest_every: self.bounds.digest_every,
        };
        let period = thread
            .vcpu
            .period(&mut **driver, &mut machine, &limits, user)?;
        if let Some(event) = period.event {
            self.control.tell(&RunEvent::Guest(event));
        }
        self.publish(&machine);
        match period.after {
            After::Again => Ok(None),
            After::Stopped(_) => {
                self.pause(thread);
                Ok(None)
            }
            After::Over(finish) => Ok(Some(finish)),
            After::Wait(at_most) => {
                drop((machine, driver));
                self.mailbox.wait(at_most);
                Ok(None)
            }
        }
    }

    /// Pauses the guest if it has reached that place, and takes a snapshot if one is due. True if
    /// the guest does not execute now.
    fn arrive(
        &self,
        thread: &mut VcpuThread,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<bool, Error> {
        let icount = machine.icount();
        let next = |thread: &VcpuThread| thread.snapshotter.as_ref()?.due(icount);
        if thread.snapshot_due.is_none() {
            thread.snapshot_due = next(thread);
        }
        if thread.snapshot_due.is_some_and(|due| icount >= due)
            && thread.vcpu.request.is_none()
            && driver.settled()
        {
            if let (Some(snapshotter), Some(of_driver)) =
                (&mut thread.snapshotter, driver.snapshots())
            {
                snapshotter.take_due(machine, of_driver.outside(icount)?)?;
            }
            thread.snapshot_due = next(thread);
        }
        if matches!(thread.doing, Doing::Seeking(to) if icount >= to) {
            unmute(driver);
            self.worked(Work::Seek, None);
            self.pause(thread);
        } else if thread.stop_at.is_some_and(|at| icount >= at) {
            thread.stop_at = None;
            self.control.set_stop_at(None);
            self.pause(thread);
        } else {
            return Ok(false);
        }
        self.publish(machine);
        Ok(true)
    }

    /// Publishes the machine's progress to the main loop.
    fn publish(&self, machine: &Machine) {
        self.shared
            .icount
            .store(machine.icount().get(), Ordering::Relaxed);
        self.shared
            .backlog
            .store(machine.serial_backlog(), Ordering::Release);
    }

    fn end(&self, thread: &VcpuThread, finish: Finish) -> Result<Report, Error> {
        let mut driver = self.driver.lock();
        let mut machine = self.machine.lock();
        let slice_end = self.bounds.range.map(|(_, to)| to);
        let report = Report::of(&mut **driver, &mut machine, finish, slice_end)?;
        let timed_out = self.shared.timed_out.load(Ordering::Acquire);
        let finish = match finish {
            Finish::Interrupted if timed_out => Finish::TimedOut,
            Finish::Shutdown {
                cause: ShutdownCause::HostUi,
                ..
            } if timed_out => Finish::TimedOut,
            Finish::Shutdown {
                cause: ShutdownCause::HostUi,
                ..
            } if thread.reached => Finish::Reached,
            _ => finish,
        };
        Ok(Report { finish, ..report })
    }
}

/// The cause that the log gives for an end.
fn cause(finish: Finish) -> ShutdownCause {
    match finish {
        Finish::Shutdown { cause, .. } => cause,
        Finish::Interrupted => ShutdownCause::HostSignal,
        Finish::Quit => ShutdownCause::HostQmp,
        Finish::TimedOut => ShutdownCause::HostUi,
        Finish::LogCut | Finish::Reached => ShutdownCause::None,
    }
}
