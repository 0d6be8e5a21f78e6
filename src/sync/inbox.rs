//! An inbox: a queue with many senders and one receiver, and a flag that says it is worth a look.
//!
//! The receiver looks often, and mostly in vain: the machine does between two blocks of
//! instructions. So a look is one load of the flag. Only where it is raised is the lock taken.
//! Every store to the flag is made under the lock, after what it tells of: an item is never in the
//! queue without it. A thread that sees the flag raised also sees what the sender did before.

use super::primitives::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

/// Wakes a thread that waits, now or the next time it does.
pub trait Wake {
    /// Never blocks.
    fn wake(&self);
}

/// Wakes a receiver that waits in [`Inbox::wait`].
#[derive(Debug, Default)]
pub struct Bell(Condvar);

impl Wake for Bell {
    fn wake(&self) {
        self.0.notify_one();
    }
}

/// Items for one thread, in order. None is lost: each is taken, or given back to its sender.
#[derive(Debug)]
pub struct Inbox<T, W = Bell> {
    queue: Mutex<Queue<T>>,
    /// Raised where the queue may not be empty. Stored to under the queue's lock alone.
    kick: Arc<AtomicBool>,
    waker: W,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    /// Nothing more is let in.
    closed: bool,
}

impl<T, W: Wake> Inbox<T, W> {
    /// Empty; `waker` wakes the receiver.
    pub fn with(waker: W) -> Self {
        let items = VecDeque::new();
        let closed = false;
        Self {
            queue: Mutex::new(Queue { items, closed }),
            kick: Arc::new(AtomicBool::new(false)),
            waker,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises the flag and wakes the receiver.
    fn raise(&self, queue: MutexGuard<'_, Queue<T>>) {
        // Under the lock: a receiver that has looked and is about to wait is not missed.
        self.kick.store(true, Ordering::Release);
        drop(queue);
        self.waker.wake();
    }

    /// Lowers the flag where nothing waits.
    fn lower(&self, queue: &Queue<T>) {
        if queue.items.is_empty() {
            // Under the lock: an item that is added now raises it again after this.
            self.kick.store(false, Ordering::Relaxed);
        }
    }

    /// Adds an item, and wakes the receiver if it waits.
    ///
    /// # Errors
    /// A closed inbox gives the item back.
    pub fn offer(&self, item: T) -> Result<(), T> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(item);
        }
        queue.items.push_back(item);
        self.raise(queue);
        Ok(())
    }

    /// Adds an item as [`Inbox::offer`] does; a closed inbox drops it.
    pub fn post(&self, item: T) {
        drop(self.offer(item));
    }

    /// Wakes the receiver without an item: it finds the flag raised, and perhaps nothing to take.
    pub fn nudge(&self) {
        self.raise(self.lock());
    }

    /// Lets nothing more in, and wakes the receiver. What waits can still be taken.
    pub fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        self.raise(queue);
    }

    /// The waker of the receiver.
    pub fn waker(&self) -> &W {
        &self.waker
    }

    /// The flag, for a look without the inbox. A thread that sees it raised asks [`Inbox::kicked`].
    pub fn kick(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.kick)
    }

    /// Whether an item may be there. Cheap.
    pub fn kicked(&self) -> bool {
        self.kick.load(Ordering::Acquire)
    }

    /// Whether nothing more is let in.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The receiver takes the next item. Cheap where there is none.
    pub fn take(&self) -> Option<T> {
        self.kicked().then(|| self.take_with(VecDeque::pop_front))?
    }

    /// The receiver takes what `pick` takes of all items.
    pub fn take_with<R>(&self, pick: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
        let mut queue = self.lock();
        let taken = pick(&mut queue.items);
        self.lower(&queue);
        taken
    }

    /// The receiver takes all items.
    pub fn take_all(&self) -> VecDeque<T> {
        self.take_with(std::mem::take)
    }

    /// The receiver takes no more: closes the inbox, and takes what is left to be given back.
    pub fn hang_up(&self) -> VecDeque<T> {
        let mut queue = self.lock();
        queue.closed = true;
        let left = std::mem::take(&mut queue.items);
        self.lower(&queue);
        left
    }

    /// The receiver has seen a nudge: lowers the flag where no item waits.
    pub fn settle(&self) {
        self.lower(&self.lock());
    }

    /// Looks at all items, which stay.
    pub fn each(&self, look: impl FnMut(&T)) {
        self.lock().items.iter().for_each(look);
    }

    /// Drops the items for which this does not hold.
    pub fn retain(&self, keep: impl FnMut(&T) -> bool) {
        self.lock().items.retain(keep);
    }
}

impl<T> Inbox<T> {
    /// Empty, for a receiver that waits in [`Inbox::wait`].
    pub fn new() -> Self {
        Self::with(Bell::default())
    }

    /// Waits for an item or a nudge, at most so long; `None`: without limit. May come back early.
    pub fn wait(&self, at_most: Option<Duration>) {
        let queue = self.lock();
        if !queue.items.is_empty() || self.kicked() {
            return;
        }
        match at_most {
            Some(limit) => drop(self.waker.0.wait_timeout(queue, limit)),
            None => drop(self.waker.0.wait(queue)),
        }
    }

    /// Waits for an item, or for `or` to hold. The thread that makes it hold must nudge.
    pub fn wait_until(&self, or: impl Fn() -> bool) {
        let mut queue = self.lock();
        while queue.items.is_empty() && !or() {
            let woken = self.waker.0.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A flag that asks the receiver of an inbox to stop its current work. Raising it never waits.
#[derive(Debug)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Raises the flag, and wakes the receiver.
    pub fn ask<T>(&self, receiver: &Inbox<T>) {
        self.0.store(true, Ordering::Release);
        receiver.nudge();
    }

    /// Whether the flag is raised. It stays so.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// For the receiver: whether the flag was raised. It is lowered by this call.
    pub fn take(&self) -> bool {
        let asked = self.is_asked();
        if asked {
            // Only the receiver lowers the flag. A request that comes at this moment means the
            // same work, so it may be lost.
            self.0.store(false, Ordering::Relaxed);
        }
        asked
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_lowers_the_flag() {
        let inbox = Inbox::new();
        assert!(!inbox.kicked());
        inbox.post(1);
        inbox.post(2);
        inbox.wait(None);
        assert!(inbox.kicked());
        let taken = (inbox.take(), inbox.take(), inbox.take());
        assert_eq!(taken, (Some(1), Some(2), None));
        assert!(!inbox.kicked());
        inbox.wait(Some(Duration::from_millis(1)));
    }

    #[test]
    fn a_closed_inbox_gives_back_and_keeps_what_it_has() {
        let inbox = Inbox::new();
        inbox.post(1);
        inbox.close();
        assert_eq!(inbox.offer(2), Err(2));
        assert_eq!(inbox.take_all(), [1]);
        assert!(inbox.is_closed() && !inbox.kicked());
    }

    #[test]
    fn what_is_looked_at_stays_and_what_is_dropped_is_gone() {
        let inbox = Inbox::new();
        (1..=4).for_each(|item| inbox.post(item));
        inbox.retain(|item| item % 2 == 0);
        let mut seen = Vec::new();
        inbox.each(|item| seen.push(*item));
        assert_eq!(seen, [2, 4]);
        assert_eq!(inbox.take_with(VecDeque::pop_back), Some(4));
        assert_eq!(inbox.take_all(), [2]);
    }
}
