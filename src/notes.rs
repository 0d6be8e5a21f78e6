//! Messages of the engine beside its results. The caller decides how to show them.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A message for the user.
#[derive(Debug, Clone, Copy)]
pub enum Note<'a> {
    /// Information that the user may like to have.
    Remark(&'a str),
    /// A warning, or a wait for the user. It is shown even if the user asked for less output.
    Call(&'a str),
    /// A snapshot is damaged. Its segment is replayed from an earlier one.
    Damaged(&'a (dyn Error + 'static)),
}

type Hear = dyn Fn(Note<'_>) + Send + Sync;

/// Where messages go. By default they are dropped.
#[derive(Clone, Default)]
pub struct Notes(Option<Arc<Hear>>);

impl Notes {
    /// Calls `hear` with each message, on the thread that sends it.
    pub fn new(hear: impl Fn(Note<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// Sends a [`Note::Remark`].
    pub(crate) fn remark(&self, text: &str) {
        self.say(Note::Remark(text));
    }

    /// Sends a [`Note::Call`].
    pub(crate) fn call(&self, text: &str) {
        self.say(Note::Call(text));
    }

    /// Sends a [`Note::Damaged`].
    pub(crate) fn damaged(&self, error: &(dyn Error + 'static)) {
        self.say(Note::Damaged(error));
    }

    fn say(&self, note: Note<'_>) {
        if let Some(hear) = &self.0 {
            hear(note);
        }
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").finish_non_exhaustive()
    }
}
