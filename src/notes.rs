//! What the library has to say beside its results: whoever uses it decides what becomes of that.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Something that is said.
#[derive(Debug, Clone, Copy)]
pub enum Note<'a> {
    /// Good to know.
    Remark(&'a str),
    /// The user must hear it, however quiet he wants it: something has failed, or waits for him.
    Call(&'a str),
    /// A snapshot is damaged; its segment is replayed from before it.
    Damaged(&'a (dyn Error + 'static)),
}

type Hear = dyn Fn(Note<'_>) + Send + Sync;

/// Where it is said. By default nowhere.
#[derive(Clone, Default)]
pub struct Notes(Option<Arc<Hear>>);

impl Notes {
    /// Hands each note to `hear`, on whatever thread it arises.
    pub fn new(hear: impl Fn(Note<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// Says something that is good to know.
    pub(crate) fn remark(&self, text: &str) {
        self.say(Note::Remark(text));
    }

    /// Says something that must be heard.
    pub(crate) fn call(&self, text: &str) {
        self.say(Note::Call(text));
    }

    /// Says that a snapshot cannot be used.
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
