//! The requests to the vCPU thread, which carries them out one by one between two execution
//! periods, and the flag that cancels its current work.

use crate::sync::inbox::{Cancel, Inbox};
use std::collections::VecDeque;

/// Requests in order. None is lost: each is taken, or given back once the run is over.
#[derive(Debug)]
pub(crate) struct Requests<T> {
    inbox: Inbox<T>,
    cancel: Cancel,
}

impl<T> Requests<T> {
    pub(crate) fn new() -> Self {
        Self {
            inbox: Inbox::new(),
            cancel: Cancel::new(),
        }
    }

    /// Queues a request; gives it back if the run is over.
    pub(crate) fn ask(&self, request: T) -> Result<(), T> {
        self.inbox.offer(request)
    }

    /// Asks the vCPU thread to stop its current work.
    pub(crate) fn cancel(&self) {
        self.cancel.ask(&self.inbox);
    }

    /// Wakes the vCPU thread, to look again at what it waits for.
    pub(crate) fn wake(&self) {
        self.inbox.nudge();
    }

    /// The next request. Cheap where there is none.
    pub(crate) fn next(&self) -> Option<T> {
        self.inbox.take()
    }

    /// Waits for a request, for a cancellation, or for `or` to hold.
    pub(crate) fn wait(&self, or: impl Fn() -> bool) {
        self.inbox.wait_until(|| self.is_cancelled() || or());
    }

    /// Closes the queue: gives the requests that were not taken.
    pub(crate) fn hang_up(&self) -> VecDeque<T> {
        self.inbox.hang_up()
    }

    /// Whether the current work was cancelled; lowers the flag.
    pub(crate) fn take_cancelled(&self) -> bool {
        self.cancel.take()
    }

    /// Whether the current work was cancelled; the flag stays.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_asked()
    }
}
