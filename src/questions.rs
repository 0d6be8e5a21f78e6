//! The hand-over of questions to the vCPU thread, which carries them out one by one between two execution periods; and of
//! the wish that it stops what it is at.
//!
//! As with [`crate::handover`]: a look must cost next to nothing, so there is a flag beside the queue. Whoever cancels
//! waits for nobody: it is a store. Modelled with loom (`RUSTFLAGS="--cfg loom" cargo test -p rr --lib`).

#[cfg(loom)]
use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};
#[cfg(not(loom))]
use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use std::collections::VecDeque;
use std::sync::PoisonError;

/// Questions in order. None is lost: each is taken, or given back when nobody takes any more.
#[derive(Debug)]
pub(crate) struct Questions<T> {
    queue: Mutex<Queue<T>>,
    something: Condvar,
    /// Raised after a question is queued.
    any: AtomicBool,
    cancelled: AtomicBool,
}

#[derive(Debug)]
struct Queue<T> {
    asked: VecDeque<T>,
    /// Nobody takes any more.
    over: bool,
}

impl<T> Questions<T> {
    pub(crate) fn new() -> Self {
        let asked = VecDeque::new();
        Self {
            queue: Mutex::new(Queue { asked, over: false }),
            something: Condvar::new(),
            any: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a question; gives it back where nobody takes any more.
    pub(crate) fn ask(&self, question: T) -> Result<(), T> {
        let mut queue = self.lock();
        if queue.over {
            return Err(question);
        }
        queue.asked.push_back(question);
        self.any.store(true, Ordering::Release);
        drop(queue);
        self.something.notify_all();
        Ok(())
    }

    /// Wants the work in hand to stop.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.wake();
    }

    /// Wakes whoever waits, to look again at what it waits for.
    pub(crate) fn wake(&self) {
        // Under the lock, so that a thread that has looked and is about to wait is not missed. It is held for moments.
        drop(self.lock());
        self.something.notify_all();
    }

    /// The next question. Cheap where there is none.
    pub(crate) fn next(&self) -> Option<T> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut queue = self.lock();
        let next = queue.asked.pop_front();
        if queue.asked.is_empty() {
            // Under the lock, so a question that is asked now raises it again after this.
            self.any.store(false, Ordering::Relaxed);
        }
        next
    }

    /// Waits for a question, for the wish to stop, or for `or` to hold.
    pub(crate) fn wait(&self, or: impl Fn() -> bool) {
        let mut queue = self.lock();
        while queue.asked.is_empty() && !self.is_cancelled() && !or() {
            queue = self
                .something
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nobody takes any more: what was asked and not taken.
    pub(crate) fn hang_up(&self) -> VecDeque<T> {
        let mut queue = self.lock();
        queue.over = true;
        std::mem::take(&mut queue.asked)
    }

    /// Whether somebody wants the work in hand to stop; the wish is gone with this call.
    pub(crate) fn take_cancelled(&self) -> bool {
        let cancelled = self.is_cancelled();
        if cancelled {
            // Nobody else lowers it; who wants it once more in this moment wants the same.
            self.cancelled.store(false, Ordering::Relaxed);
        }
        cancelled
    }

    /// Whether somebody wants it to stop; the wish stays.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::Questions;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn each_is_taken_or_given_back() {
        loom::model(|| {
            let questions = Arc::new(Questions::new());
            let asker = questions.clone();
            let thread = thread::spawn(move || asker.ask(1).is_ok());
            let mut taken = questions.next().is_some();
            taken |= !questions.hang_up().is_empty();
            let accepted = thread.join().unwrap();
            assert_eq!(accepted, taken);
        });
    }

    #[test]
    fn a_waiting_thread_hears_of_a_question() {
        loom::model(|| {
            let questions = Arc::new(Questions::new());
            let asker = questions.clone();
            let thread = thread::spawn(move || asker.ask(7).is_ok());
            let question = loop {
                match questions.next() {
                    Some(question) => break question,
                    None => questions.wait(|| false),
                }
            };
            assert_eq!(question, 7);
            assert!(thread.join().unwrap());
        });
    }

    #[test]
    fn a_waiting_thread_hears_that_it_is_to_stop() {
        loom::model(|| {
            let questions = Arc::new(Questions::<u8>::new());
            let other = questions.clone();
            let thread = thread::spawn(move || other.cancel());
            while !questions.take_cancelled() {
                questions.wait(|| false);
            }
            thread.join().unwrap();
            assert!(!questions.is_cancelled());
        });
    }
}
