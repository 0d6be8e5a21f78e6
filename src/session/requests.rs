//! What is asked of the vCPU thread, which carries it out one by one between two execution periods;
//! and the wish that it stops what it is at.

use crate::sync::inbox::{Cancel, Inbox};
use std::collections::VecDeque;

/// Requests in order. None is lost: each is taken, or given back when nobody takes any more.
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

    /// Queues a request; gives it back where nobody takes any more.
    pub(crate) fn ask(&self, request: T) -> Result<(), T> {
        self.inbox.offer(request)
    }

    /// Wants the work in hand to stop.
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

    /// Waits for a request, for the wish to stop, or for `or` to hold.
    pub(crate) fn wait(&self, or: impl Fn() -> bool) {
        self.inbox.wait_until(|| self.is_cancelled() || or());
    }

    /// Nobody takes any more: what was asked and not taken.
    pub(crate) fn hang_up(&self) -> VecDeque<T> {
        self.inbox.hang_up()
    }

    /// Whether somebody wants the work in hand to stop; the wish is gone with this call.
    pub(crate) fn take_cancelled(&self) -> bool {
        self.cancel.take()
    }

    /// Whether somebody wants it to stop; the wish stays.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_asked()
    }
}
