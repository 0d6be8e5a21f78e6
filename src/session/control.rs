//! The handle of a run, for the monitor and other front ends.
//!
//! A request goes to the vCPU thread, which carries it out between two execution periods and
//! answers. What must not wait for another thread ([`Control::status`], [`Control::cancel`]) is in
//! atomics, and needs neither the BQL nor the replay lock.

use super::requests::Requests;
use crate::error::{Error, Refusal};
use crate::recording::snapshot::Store;
use crate::run::mailbox::Mailbox;
use crate::run::vcpu::GuestEvent;
use crate::session::Shared;
use machine::Icount;
use parking_lot::RwLock;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Stands for "no instruction count" in an atomic.
const NONE: u64 = u64::MAX;
const OVER: Error = Error::Refused(Refusal::Over);

/// The kind of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The run is neither recorded nor replayed.
    Run,
    /// The run is recorded.
    Record,
    /// The run is a replay.
    Replay,
}

/// Whether the guest executes (a subset of QEMU's `RunState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// The guest has not started, as with `-S`.
    Prelaunch,
    /// The guest executes.
    Running,
    /// The guest is paused.
    Paused,
    /// The guest has ended, and the run stays, as with `--no-shutdown`.
    Shutdown,
}

const STATES: [RunState; 4] = [
    RunState::Prelaunch,
    RunState::Running,
    RunState::Paused,
    RunState::Shutdown,
];

/// Work that takes longer than one execution period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Brings the machine to an instruction count.
    Seek,
    /// Takes a snapshot.
    Save,
    /// Goes back to a snapshot.
    Load,
}

const WORKS: [Option<Work>; 4] = [None, Some(Work::Seek), Some(Work::Save), Some(Work::Load)];

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The kind of the run.
    pub mode: Mode,
    /// Whether the guest executes.
    pub state: RunState,
    /// Instructions executed.
    pub icount: Icount,
    /// The instruction count at which the guest will be paused.
    pub stop_at: Option<Icount>,
    /// The present work: its kind, and the instruction counts from which and to which it goes.
    pub work: Option<(Work, Icount, Icount)>,
}

/// A request to the vCPU thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Pause the guest.
    Stop,
    /// Let the guest execute.
    Go,
    /// Pause the guest at this instruction count; `None`: nowhere.
    StopAt(Option<Icount>),
    /// Bring a replay to this instruction count, and pause it there. The answer says that the seek
    /// has begun; [`RunEvent::Worked`] tells its end.
    Seek(Icount),
    /// Take a snapshot.
    Save {
        /// Its name.
        name: String,
        /// Replace an existing snapshot of this name.
        replace: bool,
    },
    /// Go back to a snapshot. A recording drops what it has recorded since then.
    Load(String),
    /// Delete a snapshot.
    Delete(String),
    /// Reset the machine.
    Reset,
    /// End the run.
    Quit,
}

/// An event of a run, for front ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// The guest does not execute any more.
    Stopped,
    /// The guest executes again.
    Resumed,
    /// An event of the guest, or of its machine.
    Guest(GuestEvent),
    /// The run has ended, or would have ended without `--no-shutdown`.
    Shutdown(replay_format::ShutdownCause),
    /// A piece of work has ended.
    Worked {
        /// The work.
        work: Work,
        /// Why it failed; `None`: it succeeded.
        error: Option<String>,
    },
}

/// Takes a request's result, on the vCPU thread.
pub type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// Takes the events of a run, on the vCPU thread. It must not wait for another thread.
pub type Listener = Box<dyn Fn(&RunEvent) + Send + Sync>;

/// The handle of a run.
pub struct Control {
    mode: Mode,
    /// Path of the recording, if the run has one.
    pub recording: Option<PathBuf>,
    /// True if the run stays when the guest has ended.
    pub no_shutdown: bool,
    /// True if the guest starts only on a request.
    pub start_stopped: bool,
    requests: Requests<(Request, Reply)>,
    state: AtomicU8,
    stop_at: AtomicU64,
    work: AtomicU8,
    from: AtomicU64,
    to: AtomicU64,
    listeners: RwLock<Vec<Listener>>,
    run: OnceLock<(Arc<Mailbox>, Arc<Shared>)>,
}

impl Control {
    /// The handle of a run that has not begun.
    pub fn new(mode: Mode, recording: Option<PathBuf>) -> Self {
        Self {
            mode,
            recording,
            no_shutdown: false,
            start_stopped: false,
            requests: Requests::new(),
            state: AtomicU8::new(0),
            stop_at: AtomicU64::new(NONE),
            work: AtomicU8::new(0),
            from: AtomicU64::new(0),
            to: AtomicU64::new(0),
            listeners: RwLock::default(),
            run: OnceLock::new(),
        }
    }

    /// The handle of a run that gets no requests.
    pub fn unused() -> Arc<Self> {
        Arc::new(Self::new(Mode::Run, None))
    }

    /// Adds a listener. It must be added before the run begins.
    pub fn listen(&self, listener: Listener) {
        self.listeners.write().push(listener);
    }

    /// Connects the handle to a run that begins.
    pub(crate) fn attach(&self, mailbox: &Arc<Mailbox>, shared: &Arc<Shared>) {
        let _ = self.run.set((Arc::clone(mailbox), Arc::clone(shared)));
    }

    /// The snapshots of the recording.
    ///
    /// # Errors
    /// A run that is not recorded has none.
    pub fn snapshots(&self) -> Result<Store, Error> {
        match &self.recording {
            Some(dir) if self.mode == Mode::Record => Ok(Store::of_writer(dir)),
            Some(dir) => Ok(Store::of(dir)),
            None => Err(Refusal::NoSnapshots.into()),
        }
    }

    /// The run's status. This never waits.
    pub fn status(&self) -> Status {
        let at = |cell: &AtomicU64| {
            let at = Some(cell.load(Ordering::Relaxed)).filter(|&at| at != NONE);
            at.map(Icount::new)
        };
        let now = |cell: &AtomicU64| Icount::new(cell.load(Ordering::Relaxed));
        let state = usize::from(self.state.load(Ordering::Acquire));
        let work = usize::from(self.work.load(Ordering::Acquire));
        let work = WORKS.get(work).copied().flatten();
        Status {
            mode: self.mode,
            state: STATES.get(state).copied().unwrap_or(RunState::Running),
            icount: self
                .run
                .get()
                .map_or(Icount::ZERO, |(_, shared)| now(&shared.icount)),
            stop_at: at(&self.stop_at),
            work: work.map(|work| (work, now(&self.from), now(&self.to))),
        }
    }

    /// Stops a seek, a snapshot or a replay as soon as possible. This never waits, and does nothing
    /// if there is no such work.
    pub fn cancel(&self) {
        self.requests.cancel();
        self.nudge();
    }

    /// Sends a request; `answer` takes its result. This never waits.
    pub fn ask(&self, ask: Request, answer: Reply) {
        match self.requests.ask((ask, answer)) {
            Ok(()) => self.nudge(),
            Err((_, answer)) => answer(Err(OVER)),
        }
    }

    /// Wakes the vCPU thread, whatever it waits for.
    pub(crate) fn wake(&self) {
        self.requests.wake();
        self.nudge();
    }

    fn nudge(&self) {
        if let Some((mailbox, _)) = self.run.get() {
            mailbox.nudge();
        }
    }

    /// The requests to the vCPU thread.
    pub(crate) fn requests(&self) -> &Requests<(Request, Reply)> {
        &self.requests
    }

    /// Ends the queue of requests: those that are left are refused.
    pub(crate) fn hang_up(&self) {
        for (_, answer) in self.requests.hang_up() {
            answer(Err(OVER));
        }
    }

    /// Sets the run's state, and tells the listeners.
    pub(crate) fn enter(&self, state: RunState) {
        let place = STATES.iter().position(|known| *known == state);
        let before = self.state.swap(place.unwrap_or(0) as u8, Ordering::AcqRel);
        let was_running = before == 1;
        match (was_running, state == RunState::Running) {
            (true, false) => self.tell(&RunEvent::Stopped),
            (false, true) => self.tell(&RunEvent::Resumed),
            _ => {}
        }
    }

    pub(crate) fn set_stop_at(&self, at: Option<Icount>) {
        self.stop_at
            .store(at.map_or(NONE, Icount::get), Ordering::Relaxed);
    }

    /// Sets the present work.
    pub(crate) fn works(&self, work: Option<(Work, Icount, Icount)>) {
        if let Some((_, from, to)) = work {
            self.from.store(from.get(), Ordering::Relaxed);
            self.to.store(to.get(), Ordering::Relaxed);
        }
        let work = work.map(|(work, ..)| work);
        let place = WORKS.iter().position(|known| *known == work);
        self.work.store(place.unwrap_or(0) as u8, Ordering::Release);
    }

    /// Tells the listeners of an event.
    pub(crate) fn tell(&self, what: &RunEvent) {
        for listener in self.listeners.read().iter() {
            listener(what);
        }
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
