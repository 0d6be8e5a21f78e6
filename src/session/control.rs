//! What others may ask of a run: the monitor, and whoever else holds a [`Control`].
//!
//! A wish goes to the vCPU thread, which carries it out between two execution periods, and answers.
//! What can be seen or stopped without waiting for anybody ([`Control::status`],
//! [`Control::cancel`]) is in atomics: it needs neither the BQL nor the replay lock.

use super::requests::Requests;
use crate::error::{Error, Refusal};
use crate::recording::snapshot::Store;
use crate::run::mailbox::Mailbox;
use crate::run::vcpu::GuestEvent;
use crate::session::Shared;
use parking_lot::RwLock;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// No instruction count.
const NONE: u64 = u64::MAX;
const OVER: Error = Error::Refused(Refusal::Over);

/// What a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Neither recorded nor replayed.
    Run,
    /// Recorded.
    Record,
    /// Replayed.
    Replay,
}

/// Whether the guest executes (QEMU's `RunState`, as far as it applies).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It has not begun: `-S`.
    Prelaunch,
    /// It executes.
    Running,
    /// It was stopped.
    Paused,
    /// It is over, and was not given up: `--no-shutdown`.
    Shutdown,
}

const STATES: [RunState; 4] = [
    RunState::Prelaunch,
    RunState::Running,
    RunState::Paused,
    RunState::Shutdown,
];

/// Work that takes its time.
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

/// How a run stands; taken without waiting for anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub mode: Mode,
    /// Whether the guest executes.
    pub state: RunState,
    /// Instructions executed.
    pub icount: u64,
    /// The instruction count at which it is to be stopped.
    pub stop_at: Option<u64>,
    /// The work in hand, from where, and to where, in instructions.
    pub work: Option<(Work, u64, u64)>,
}

/// What is asked of the vCPU thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Stop.
    Stop,
    /// Go on.
    Go,
    /// Stop at this instruction count (`None`: nowhere).
    StopAt(Option<u64>),
    /// Bring a replay to this instruction count, and stop there. Answered once it is under way; the
    /// end is told by
    /// [`RunEvent::Worked`].
    Seek(u64),
    /// Take a snapshot.
    Save {
        /// Its name.
        name: String,
        /// Replace one of this name.
        replace: bool,
    },
    /// Go back to a snapshot. A recording drops what it has recorded since.
    Load(String),
    /// Delete a snapshot.
    Delete(String),
    /// Reset the machine.
    Reset,
    /// End the run.
    Quit,
}

/// What happens to a run, for events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// The guest does not execute any longer.
    Stopped,
    /// The guest executes again.
    Resumed,
    /// The guest, or its machine, did something.
    Guest(GuestEvent),
    /// The run is over, or would be.
    Shutdown(replay_format::ShutdownCause),
    /// Work has ended.
    Worked {
        /// What was done.
        work: Work,
        /// Why it was not.
        error: Option<String>,
    },
}

/// Takes the answer, on the vCPU thread.
pub type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// Hears of what happens, on the vCPU thread; it must not wait for anybody.
pub type Listener = Box<dyn Fn(&RunEvent) + Send + Sync>;

/// The handle of a run.
pub struct Control {
    mode: Mode,
    /// The recording, if there is one.
    pub recording: Option<PathBuf>,
    /// The run stays when the guest has ended it.
    pub no_shutdown: bool,
    /// The guest does not start before it is told to.
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
    /// Of a run that has not begun.
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

    /// Of a run of which nobody asks anything.
    pub fn unused() -> Arc<Self> {
        Arc::new(Self::new(Mode::Run, None))
    }

    /// Adds one who is told of what happens. To be called before the run begins.
    pub fn listen(&self, listener: Listener) {
        self.listeners.write().push(listener);
    }

    /// The run begins.
    pub(crate) fn attach(&self, mailbox: &Arc<Mailbox>, shared: &Arc<Shared>) {
        let _ = self.run.set((Arc::clone(mailbox), Arc::clone(shared)));
    }

    /// The snapshots of the recording.
    ///
    /// # Errors
    /// A run that is not recorded has none.
    pub fn snapshots(&self) -> Result<Store, Error> {
        match &self.recording {
            Some(dir) => Ok(Store::of(dir)),
            None => Err(Refusal::NoSnapshots.into()),
        }
    }

    /// How the run stands. Never waits.
    pub fn status(&self) -> Status {
        let at = |cell: &AtomicU64| Some(cell.load(Ordering::Relaxed)).filter(|&at| at != NONE);
        let state = usize::from(self.state.load(Ordering::Acquire));
        let work = usize::from(self.work.load(Ordering::Acquire));
        let work = WORKS.get(work).copied().flatten();
        Status {
            mode: self.mode,
            state: STATES.get(state).copied().unwrap_or(RunState::Running),
            icount: self
                .run
                .get()
                .map_or(0, |(_, shared)| shared.icount.load(Ordering::Relaxed)),
            stop_at: at(&self.stop_at),
            work: work.map(|work| {
                let (from, to) = (&self.from, &self.to);
                (
                    work,
                    from.load(Ordering::Relaxed),
                    to.load(Ordering::Relaxed),
                )
            }),
        }
    }

    /// Stops a seek, a snapshot or a replay as soon as possible. Never waits; does nothing where
    /// there is nothing.
    pub fn cancel(&self) {
        self.requests.cancel();
        self.nudge();
    }

    /// Asks something, and has the answer taken by `answer`. Never waits.
    pub fn ask(&self, ask: Request, answer: Reply) {
        match self.requests.ask((ask, answer)) {
            Ok(()) => self.nudge(),
            Err((_, answer)) => answer(Err(OVER)),
        }
    }

    /// Wakes the vCPU thread, wherever it waits.
    pub(crate) fn wake(&self) {
        self.requests.wake();
        self.nudge();
    }

    fn nudge(&self) {
        if let Some((mailbox, _)) = self.run.get() {
            mailbox.nudge();
        }
    }

    /// What is asked of the vCPU thread.
    pub(crate) fn requests(&self) -> &Requests<(Request, Reply)> {
        &self.requests
    }

    /// The run is over: whoever still asks is told.
    pub(crate) fn hang_up(&self) {
        for (_, answer) in self.requests.hang_up() {
            answer(Err(OVER));
        }
    }

    /// The run is in another state now. Those who listen hear of it.
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

    pub(crate) fn set_stop_at(&self, at: Option<u64>) {
        self.stop_at.store(at.unwrap_or(NONE), Ordering::Relaxed);
    }

    /// Work begins or ends.
    pub(crate) fn works(&self, work: Option<(Work, u64, u64)>) {
        if let Some((_, from, to)) = work {
            self.from.store(from, Ordering::Relaxed);
            self.to.store(to, Ordering::Relaxed);
        }
        let work = work.map(|(work, ..)| work);
        let place = WORKS.iter().position(|known| *known == work);
        self.work.store(place.unwrap_or(0) as u8, Ordering::Release);
    }

    /// Something happened.
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
