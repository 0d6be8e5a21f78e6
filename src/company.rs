//! What a run has beside its machine.

use crate::control::Control;
use crate::monitor::Monitor;
use crate::watch::Watcher;
use machine::Execution;
use std::sync::Arc;

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
    /// How instructions are executed: it changes nothing but the speed.
    pub execution: Execution,
    /// Hears how far the run is.
    pub progress: Option<Progress<'a>>,
}

impl Default for Company<'_> {
    fn default() -> Self {
        Self {
            control: Control::unused(),
            monitor: None,
            watcher: None,
            execution: Execution::default(),
            progress: None,
        }
    }
}

impl<'a> Company<'a> {
    /// One that hears how far the run is, and nothing else.
    pub fn progress(progress: Progress<'a>) -> Self {
        Self {
            progress: Some(progress),
            ..Self::default()
        }
    }
}
