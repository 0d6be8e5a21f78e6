//! The counting semaphore of `x-oob-test`: what shows that one command can overtake another.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts posts that nobody waited for. No thread waits in here: who finds it at zero comes back
/// later.
#[derive(Debug, Default)]
pub struct Semaphore {
    count: AtomicU64,
    /// A command on the main loop has begun to wait. Only that thread looks at it.
    waits: AtomicBool,
}

impl Semaphore {
    /// One more.
    pub fn post(&self) {
        // The count alone is handed over; release and acquire all the same, as of any semaphore.
        self.count.fetch_add(1, Ordering::Release);
    }

    /// One less, if there is one.
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
