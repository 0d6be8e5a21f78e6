//! What a run has beside its machine: who may ask something of it, and who is told of it.

use crate::notes::Notes;
use crate::run::observe::Observer;
use crate::session::control::Control;
use crate::session::frontend::Frontends;
use machine::Execution;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Called now and then with the instruction count.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

/// Who may ask something of a run, who sees it, and how far it is. By default nobody.
pub struct RunContext<'a> {
    /// The handle by which others ask.
    pub control: Arc<Control>,
    /// What serves them.
    pub frontends: Frontends,
    /// Sees what happens in a replay.
    pub observer: Option<&'a mut dyn Observer>,
    /// How instructions are executed: it changes nothing but the speed.
    pub execution: Execution,
    /// Is told how far the run is.
    pub progress: Option<Progress<'a>>,
    /// Takes remarks for the user.
    pub notes: Notes,
    /// Once it is set, the run ends as soon as possible.
    pub stop: Arc<AtomicBool>,
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
        }
    }
}

impl<'a> RunContext<'a> {
    /// The same for a shorter time, in which others may join.
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
        }
    }
}
