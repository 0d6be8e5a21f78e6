//! The counting semaphore of `x-oob-test`: what shows that one command can overtake another.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts posts. No thread waits in here: a caller that finds it at zero comes back later.
#[derive(Debug, Default)]
pub struct Semaphore {
    count: AtomicU64,
    /// A command on the main loop has begun to wait. Only that thread looks at it.
    waits: AtomicBool,
}

impl Semaphore {
    /// Adds one.
    pub fn post(&self) {
        // Only the count is handed over. Release and acquire are used all the same, as in any
        // semaphore.
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Takes one away, if it is not zero.
    pub fn try_wait(&self) -> bool {
        let one_less = |count: u64| count.checked_sub(1);
        let result = self
            .count
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, one_less);
        result.is_ok()
    }

    /// One less, now or when there is one: then [`Semaphore::began_to_wait`] says so, once.
    pub fn wait_on_main_loop(&self) {
        self.waits.store(!self.try_wait(), Ordering::Relaxed);
    }

    /// Whether the last command on the main loop has yet to get what it waits for.
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
