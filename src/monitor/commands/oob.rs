//! The commands that may be executed out of band. They never wait.

use crate::monitor::execute::{Done, ExecuteNow, Later};
use crate::monitor::generated::{
    COMMANDS, OobCommands, ReplayInfo, ReplayMode, ReplayWork, ReplayWorkType, RunState,
    StatusInfo, dispatch_oob,
};
use crate::monitor::session::unknown;
use crate::monitor::visit::{CommandError, nothing};
use crate::recording::LOG;
use crate::session::control::{Control, Mode, RunState as State, Work};
use machine::Icount;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The counting semaphore of `x-oob-test`. No thread waits in it: a caller that finds it at zero
/// tries again later.
#[derive(Debug, Default)]
pub(super) struct Semaphore(AtomicU64);

impl Semaphore {
    fn post(&self) {
        // Only the count is handed over. Release and acquire are used all the same, as in any
        // semaphore.
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Takes one, if the count is not zero.
    fn try_wait(&self) -> bool {
        let one_less = |count: u64| count.checked_sub(1);
        let result = self
            .0
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, one_less);
        result.is_ok()
    }
}

/// The commands that the main loop and the I/O thread share.
#[derive(Clone)]
pub(super) struct Oob {
    control: Arc<Control>,
    semaphore: Arc<Semaphore>,
    pub(super) nudge: Arc<dyn Fn() + Send + Sync>,
    /// Set on the main loop alone, where a command may be answered later: true if the last command
    /// has to wait for the semaphore.
    waits: Option<Arc<AtomicBool>>,
}

impl Oob {
    /// For the main loop: the later answer of the last command, if it has to wait.
    pub(super) fn take_later(&self) -> Option<Later> {
        let waits = self.waits.as_ref()?.swap(false, Ordering::Relaxed);
        let semaphore = Arc::clone(&self.semaphore);
        let wait = move || semaphore.try_wait().then(|| Ok(nothing()));
        waits.then(|| Box::new(wait) as Later)
    }
}

impl OobCommands for Oob {
    fn x_oob_test(&self, lock: bool) -> Result<(), CommandError> {
        if !lock {
            self.semaphore.post();
            (self.nudge)();
        } else if let Some(waits) = &self.waits {
            waits.store(true, Ordering::Relaxed);
        } else if !self.semaphore.try_wait() {
            let description = "the semaphore is at zero, and an out-of-band command does not wait";
            return Err(CommandError::generic(description));
        }
        Ok(())
    }

    fn query_status(&self) -> Result<StatusInfo, CommandError> {
        let status = match self.control.status().state {
            State::Prelaunch => RunState::Prelaunch,
            State::Running => RunState::Running,
            State::Paused => RunState::Paused,
            State::Shutdown => RunState::Shutdown,
        };
        Ok(StatusInfo {
            running: status == RunState::Running,
            singlestep: false,
            status,
        })
    }

    fn query_replay(&self) -> Result<ReplayInfo, CommandError> {
        let status = self.control.status();
        let recording = self.control.recording.as_ref();
        Ok(ReplayInfo {
            mode: match status.mode {
                Mode::Run => ReplayMode::None,
                Mode::Record => ReplayMode::Record,
                Mode::Replay => ReplayMode::Play,
            },
            filename: recording.map(|dir| dir.join(LOG).display().to_string()),
            icount: number(status.icount.get()),
            break_icount: status.stop_at.map(Icount::get).map(number),
            work: status.work.map(|(work, from, to)| ReplayWork {
                r#type: match work {
                    Work::Seek => ReplayWorkType::Seek,
                    Work::Save => ReplayWorkType::Save,
                    Work::Load => ReplayWorkType::Load,
                },
                from: number(from.get()),
                to: number(to.get()),
            }),
        })
    }

    fn replay_cancel(&self) -> Result<(), CommandError> {
        self.control.cancel();
        Ok(())
    }
}

/// The count as QMP's `int`.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The commands of the I/O thread.
pub struct OnIoThread(Oob);

impl OnIoThread {
    /// The commands for a run; `nudge` wakes the main loop.
    pub fn new(control: Arc<Control>, nudge: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self(Oob {
            control,
            semaphore: Arc::default(),
            nudge,
            waits: None,
        })
    }

    pub(super) fn for_main_loop(&self) -> Oob {
        Oob {
            waits: Some(Arc::default()),
            ..self.0.clone()
        }
    }
}

impl ExecuteNow for OnIoThread {
    fn allows_oob(&self, name: &str) -> Option<bool> {
        let command = COMMANDS.iter().find(|command| command.name == name)?;
        Some(command.allow_oob)
    }

    fn execute(&self, name: &str, arguments: Option<Map<String, Value>>) -> Done {
        dispatch_oob(&self.0, name, arguments).unwrap_or_else(|| Err(unknown(name)))
    }
}
