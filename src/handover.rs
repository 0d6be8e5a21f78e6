//! The hand-over from the main loop to the vCPU thread: a queue, and a flag that says it is worth
//! a look.
//!
//! The machine looks at the flag between two blocks of instructions, so a look must cost next to
//! nothing: a relaxed load. Only where it is up does the vCPU thread look again, with an acquire load. The store that raises the flag is a release, so whoever sees it raised
//! finds the message in the queue. Modelled with loom (`RUSTFLAGS="--cfg loom" cargo test -p rr --lib`).

#[cfg(loom)]
use loom::sync::{
    Arc, Condvar, Mutex,
    atomic::{AtomicBool, Ordering},
};
#[cfg(not(loom))]
use std::sync::{
    Arc, Condvar, Mutex,
    atomic::{AtomicBool, Ordering},
};

use std::collections::VecDeque;
use std::sync::PoisonError;
#[cfg(not(loom))]
use std::time::Duration;

/// Messages for the vCPU thread, in order; none is lost.
#[derive(Debug)]
pub struct Mailbox<M> {
    queue: Mutex<VecDeque<M>>,
    /// Set where the queue may not be empty.
    kick: Arc<AtomicBool>,
    arrived: Condvar,
}

impl<M> Mailbox<M> {
    /// An empty mailbox.
    pub fn new() -> Self {
        Self {
            queue: Mutex::new(VecDeque::new()),
            kick: Arc::new(AtomicBool::new(false)),
            arrived: Condvar::new(),
        }
    }

    /// Adds a message, and wakes the receiver if it waits.
    pub fn post(&self, message: M) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(message);
        self.kick.store(true, Ordering::Release);
        drop(queue);
        self.arrived.notify_one();
    }

    /// The flag, for a look without the mailbox. Whoever sees it raised asks [`Mailbox::kicked`].
    pub fn kick(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.kick)
    }

    /// Whether a message may be there. Cheap.
    pub fn kicked(&self) -> bool {
        self.kick.load(Ordering::Acquire)
    }

    /// The next message.
    pub fn take(&self) -> Option<M> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let message = queue.pop_front();
        if queue.is_empty() {
            // Under the queue's lock, so a message that is posted now raises it again after this.
            self.kick.store(false, Ordering::Relaxed);
        }
        message
    }

    /// Wakes the receiver without a message: it finds the flag raised, and perhaps nothing in the queue.
    pub fn nudge(&self) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.kick.store(true, Ordering::Release);
        drop(queue);
        self.arrived.notify_one();
    }

    /// The receiver has seen a nudge: lowers the flag where no message waits.
    pub fn settle(&self) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.is_empty() {
            self.kick.store(false, Ordering::Relaxed);
        }
    }

    /// Looks at all messages, which stay.
    pub fn each(&self, look: impl FnMut(&M)) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.iter().for_each(look);
    }

    /// Drops the messages for which this does not hold.
    pub fn retain(&self, keep: impl FnMut(&M) -> bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.retain(keep);
    }

    /// Waits for a message, at most so long; `None`: without limit. May come back early.
    #[cfg(not(loom))]
    pub fn wait(&self, at_most: Option<Duration>) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if !queue.is_empty() || self.kicked() {
            return;
        }
        match at_most {
            Some(limit) => drop(self.arrived.wait_timeout(queue, limit)),
            None => drop(self.arrived.wait(queue)),
        }
    }

    /// As above, without a limit: loom has no time.
    #[cfg(loom)]
    pub fn wait(&self) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.is_empty() && !self.kicked() {
            drop(self.arrived.wait(queue));
        }
    }
}

impl<M> Default for Mailbox<M> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::Mailbox;
    use loom::sync::Arc;
    use loom::sync::atomic::Ordering;
    use loom::thread;

    #[test]
    fn a_seen_kick_means_a_message() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::new());
            let sender = mailbox.clone();
            let thread = thread::spawn(move || sender.post(1));
            if mailbox.kicked() {
                assert_eq!(mailbox.take(), Some(1));
            }
            thread.join().unwrap();
        });
    }

    #[test]
    fn no_message_is_left_without_a_kick() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::new());
            let sender = mailbox.clone();
            let thread = thread::spawn(move || {
                sender.post(1);
                sender.post(2);
            });
            let mut got = Vec::new();
            got.extend(mailbox.take());
            thread.join().unwrap();
            while mailbox.kicked() {
                got.extend(mailbox.take());
            }
            assert_eq!(got, [1, 2]);
        });
    }

    #[test]
    fn a_waiting_receiver_is_woken() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::new());
            let sender = mailbox.clone();
            let thread = thread::spawn(move || sender.post(7));
            let message = loop {
                match mailbox.take() {
                    Some(message) => break message,
                    None => mailbox.wait(),
                }
            };
            assert_eq!(message, 7);
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_nudge_is_not_lost() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::<u8>::new());
            let asked = Arc::new(loom::sync::atomic::AtomicBool::new(false));
            let (sender, question) = (mailbox.clone(), asked.clone());
            let thread = thread::spawn(move || {
                question.store(true, Ordering::Release);
                sender.nudge();
            });
            // As the vCPU thread does: settles first, then looks, then waits.
            loop {
                mailbox.settle();
                if asked.load(Ordering::Acquire) {
                    break;
                }
                mailbox.wait();
            }
            thread.join().unwrap();
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_lowers_the_flag() {
        let mailbox = Mailbox::new();
        assert!(!mailbox.kicked());
        mailbox.post(1);
        mailbox.post(2);
        mailbox.wait(None);
        assert!(mailbox.kicked());
        assert_eq!(
            (mailbox.take(), mailbox.take(), mailbox.take()),
            (Some(1), Some(2), None)
        );
        assert!(!mailbox.kicked());
        mailbox.wait(Some(Duration::from_millis(1)));
    }
}
