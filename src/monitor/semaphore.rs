//! The counting semaphore of `x-oob-test`, which shows that one command can overtake another.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts posts. No thread waits in it: a caller that finds it at zero tries again later.
#[derive(Debug, Default)]
pub struct Semaphore {
    count: AtomicU64,
    /// True if a command on the main loop has begun to wait. Only the main loop uses it.
    waits: AtomicBool,
}

impl Semaphore {
    /// Adds one to the count.
    pub fn post(&self) {
        // Only the count is handed over. Release and acquire are used all the same, as in any
        // semaphore.
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Takes one from the count, if it is not zero.
    pub fn try_wait(&self) -> bool {
        let one_less = |count: u64| count.checked_sub(1);
        let result = self
            .count
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, one_less);
        result.is_ok()
    }

    /// Takes one from the count, now or later. If later, [`Semaphore::began_to_wait`] returns true,
    /// once.
    pub fn wait_on_main_loop(&self) {
        self.waits.store(!self.try_wait(), Ordering::Relaxed);
    }

    /// True if the last command on the main loop has to wait.
    pub fn began_to_wait(&self) -> bool {
        self.waits.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let semaphore = Semaphore::default();
        assert!(!semaphore.try_wait());
        semaphore.post();
        semaphore.post();
        assert!(semaphore.try_wait());
        semaphore.wait_on_main_loop();
        assert!(!semaphore.began_to_wait());
        semaphore.wait_on_main_loop();
        assert!(semaphore.began_to_wait());
        assert!(!semaphore.began_to_wait());
    }
}
