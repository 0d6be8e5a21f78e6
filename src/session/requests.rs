//! The requests to the vCPU thread, and the flag that cancels its present work. The thread carries
//! out requests one by one between two execution periods.

use crate::sync::inbox::{Cancel, Inbox};
use std::collections::VecDeque;

/// Requests in their order. None is lost: each is taken, or given back when the run is over.
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

    /// Wakes the vCPU thread, which then checks again whether its wait is over.
    pub(crate) fn wake(&self) {
        self.inbox.nudge();
    }

    /// The next request. This is cheap if there is none.
    pub(crate) fn next(&self) -> Option<T> {
        self.inbox.take()
    }

    /// Waits for a request, a cancellation, or until `or` holds.
    pub(crate) fn wait(&self, or: impl Fn() -> bool) {
        self.inbox.wait_until(|| self.is_cancelled() || or());
    }

    /// Closes the queue. Returns the requests that were not taken.
    pub(crate) fn hang_up(&self) -> VecDeque<T> {
        self.inbox.hang_up()
    }

    /// True if the present work was cancelled; clears the flag.
    pub(crate) fn take_cancelled(&self) -> bool {
        self.cancel.take()
    }

    /// True if the present work was cancelled; leaves the flag.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_asked()
    }
}
