//! The two big locks and their order, and the threads of a run.
//!
//! # Threads
//!
//! - The **main loop** is the process's first thread. It reads serial input, notices signals, and
//!   serves the front ends.
//! - The **vCPU thread** executes the guest: `Session::run` in `src/session/mod.rs`. All harts
//!   execute on it, in turns (`machine/src/schedule.rs`).
//! - Each disk and each network has a thread. It knows neither lock, and posts into the mailbox.
//! - The monitor's I/O thread owns the sockets and executes out-of-band commands. It takes neither
//!   lock.
//! - Disk images are measured on a thread beside the run (`src/run/verify_images.rs`).
//!
//! # Locks and their order
//!
//! The machine is under the BQL, and the driver under the replay lock. The vCPU thread holds the
//! replay lock for a whole execution period, which keeps batches of events in sequence; inside it,
//! the BQL. A thread that needs both takes the replay lock first. Taking it with the BQL in hand
//! would deadlock sooner or later, so it panics at once, in every build. Unlocking is fine in any
//! order. Both locks are released before the thread waits.
//!
//! What the threads hand to each other is listed in [`crate::sync`].

use parking_lot::{Mutex, MutexGuard};
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

thread_local! {
    static HOLDS_BQL: Cell<bool> = const { Cell::new(false) };
}

/// The replay lock, around what reads or writes the log.
#[derive(Debug, Default)]
pub struct ReplayLock<T>(Mutex<T>);

impl<T> ReplayLock<T> {
    /// An unlocked lock.
    pub fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits for the lock.
    ///
    /// # Panics
    /// If this thread holds a [`Bql`]: the order is replay lock, then BQL.
    pub fn lock(&self) -> ReplayGuard<'_, T> {
        assert!(
            !HOLDS_BQL.get(),
            "lock order: the replay lock is taken before the BQL"
        );
        ReplayGuard(self.0.lock())
    }
}

/// The replay lock, held.
#[derive(Debug)]
pub struct ReplayGuard<'a, T>(MutexGuard<'a, T>);

impl<T> Deref for ReplayGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for ReplayGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// The big lock around the machine (QEMU's name: big QEMU lock).
#[derive(Debug, Default)]
pub struct Bql<T>(Mutex<T>);

impl<T> Bql<T> {
    /// An unlocked lock.
    pub fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits for the lock.
    ///
    /// # Panics
    /// If this thread holds a BQL already.
    pub fn lock(&self) -> BqlGuard<'_, T> {
        assert!(!HOLDS_BQL.get(), "the BQL is not recursive");
        let guard = self.0.lock();
        HOLDS_BQL.set(true);
        BqlGuard { guard: Some(guard) }
    }

    /// Waits for the lock, but not for ever.
    ///
    /// # Panics
    /// If this thread holds a BQL already.
    pub fn try_lock_for(&self, at_most: Duration) -> Option<BqlGuard<'_, T>> {
        assert!(!HOLDS_BQL.get(), "the BQL is not recursive");
        let guard = self.0.try_lock_for(at_most)?;
        HOLDS_BQL.set(true);
        Some(BqlGuard { guard: Some(guard) })
    }
}

/// The BQL, held.
#[derive(Debug)]
pub struct BqlGuard<'a, T> {
    /// Taken on drop, and then only.
    guard: Option<MutexGuard<'a, T>>,
}

impl<T> Drop for BqlGuard<'_, T> {
    fn drop(&mut self) {
        HOLDS_BQL.set(false);
        // Fair: the other thread is not starved by one that takes the lock again at once.
        if let Some(guard) = self.guard.take() {
            MutexGuard::unlock_fair(guard);
        }
    }
}

impl<T> Deref for BqlGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        match &self.guard {
            Some(guard) => guard,
            None => unreachable!("the guard is there until drop"),
        }
    }
}

impl<T> DerefMut for BqlGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.guard {
            Some(guard) => guard,
            None => unreachable!("the guard is there until drop"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order() {
        let (replay, bql) = (ReplayLock::new(1), Bql::new(2));
        let first = replay.lock();
        let second = bql.lock();
        assert_eq!(*first + *second, 3);
        drop(first);
        drop(second);
        drop(replay.lock());
    }

    #[test]
    #[should_panic(expected = "lock order")]
    fn replay_lock_under_the_bql_panics() {
        let (replay, bql) = (ReplayLock::new(1), Bql::new(2));
        let _second = bql.lock();
        let _first = replay.lock();
    }

    #[test]
    #[should_panic(expected = "not recursive")]
    fn bql_twice_panics() {
        let bql = Bql::new(());
        let _first = bql.lock();
        let _second = bql.lock();
    }
}
