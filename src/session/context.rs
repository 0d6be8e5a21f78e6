//! What a run has beside its machine.

use crate::monitor::Monitor;
use crate::notes::Notes;
use crate::run::checkpoints::Relay;
use crate::run::observe::Watcher;
use crate::session::control::Control;
use machine::Execution;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Called now and then with the instruction count.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

/// Who may ask something of a run, who sees it, and how far it is. By default nobody.
pub struct Company<'a> {
    /// The handle by which others ask.
    pub control: Arc<Control>,
    /// The monitor, which serves them.
    pub monitor: Option<Monitor>,
    /// Sees what happens in a replay.
    pub watcher: Option<&'a mut dyn Watcher>,
    /// Says at which snapshots the state of a replay is compared.
    pub relay: Option<&'a mut dyn Relay>,
    /// How instructions are executed: it changes nothing but the speed.
    pub execution: Execution,
    /// Hears how far the run is.
    pub progress: Option<Progress<'a>>,
    /// Hears what else there is to say.
    pub notes: Notes,
    /// Once it is set, the run ends as soon as possible.
    pub stop: Arc<AtomicBool>,
}

impl Default for Company<'_> {
    fn default() -> Self {
        Self {
            control: Control::unused(),
            monitor: None,
            watcher: None,
            relay: None,
            execution: Execution::default(),
            progress: None,
            notes: Notes::default(),
            stop: Arc::default(),
        }
    }
}

impl<'a> Company<'a> {
    /// The same for a shorter time, in which others may join.
    pub fn shorter<'b>(self) -> Company<'b>
    where
        'a: 'b,
    {
        Company {
            control: self.control,
            monitor: self.monitor,
            watcher: self.watcher.map(|watcher| watcher as _),
            relay: self.relay.map(|relay| relay as _),
            execution: self.execution,
            progress: self.progress.map(|progress| progress as _),
            notes: self.notes,
            stop: self.stop,
        }
    }
}
