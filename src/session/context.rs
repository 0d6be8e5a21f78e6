//! The context of a run: its front ends, its observer, and where its messages go.

use crate::notes::Notes;
use crate::run::observe::Observer;
use crate::session::control::Control;
use crate::session::frontend::Frontends;
use machine::{Execution, Icount};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Called from time to time with the instruction count.
pub type Progress<'a> = &'a mut dyn FnMut(Icount);

/// The context of a run. By default it has no front ends and no observer.
pub struct RunContext<'a> {
    /// The handle through which other threads send requests.
    pub control: Arc<Control>,
    /// The front ends that serve users during the run.
    pub frontends: Frontends,
    /// Sees the events of a replay.
    pub observer: Option<&'a mut dyn Observer>,
    /// How instructions are executed. This changes only the speed.
    pub execution: Execution,
    /// Called with the instruction count while the run goes on.
    pub progress: Option<Progress<'a>>,
    /// Takes the messages for the user.
    pub notes: Notes,
    /// When it is set, the run ends as soon as possible.
    pub stop: Arc<AtomicBool>,
    /// The instruction count at which a run that is no replay ends.
    pub until: Option<Icount>,
    /// The host's time after which the run ends.
    pub timeout: Option<Duration>,
}

impl Default for RunContext<'_> {
    fn default() -> Self {
        Self {
            control: Control::unused(),
            frontends: Vec::new(),
            observer: None,
            execution: Execution::default(),
            progress: None,
            notes: Notes::default(),
            stop: Arc::default(),
            until: None,
            timeout: None,
        }
    }
}

impl<'a> RunContext<'a> {
    /// The same context with a shorter lifetime, so that more front ends can be added.
    pub fn shorter<'b>(self) -> RunContext<'b>
    where
        'a: 'b,
    {
        RunContext {
            control: self.control,
            frontends: self.frontends,
            observer: self.observer.map(|observer| observer as _),
            execution: self.execution,
            progress: self.progress.map(|progress| progress as _),
            notes: self.notes,
            stop: self.stop,
            until: self.until,
            timeout: self.timeout,
        }
    }
}
