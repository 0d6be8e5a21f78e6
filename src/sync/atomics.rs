//! The two examples of the seed's document on atomics ("Using atomic_mb_read and atomic_mb_set", in
//! docs/devel/atomics.txt of QEMU 2.12), as models: what its rewriting promises holds with the
//! orderings that src/sync/mod.rs names for it.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use loom::thread;

/// Two stores with release, seen by two loads with acquire in the other order: a thread that sees
/// the second sees the first.
#[test]
fn message_passing() {
    loom::model(|| {
        let shared = Arc::new((AtomicU8::new(0), AtomicU8::new(0)));
        let other = shared.clone();
        let thread = thread::spawn(move || {
            other.0.store(1, Ordering::Release);
            other.1.store(2, Ordering::Release);
        });
        let y = shared.1.load(Ordering::Acquire);
        let x = shared.0.load(Ordering::Acquire);
        assert!(y == 0 || x == 1, "y = {y}, x = {x}");
        thread.join().unwrap();
    });
}

/// A loop of `atomic_mb_set` with its barriers hoisted out: a release fence before all stores, a
/// full one behind them. The other thread uses `atomic_mb_set` and `atomic_mb_read` as before: what
/// came before the stores is visible with each of them, and the two threads cannot both miss what
/// the other has stored.
#[test]
fn a_loop_of_stores_with_one_barrier() {
    loom::model(|| {
        let data = Arc::new(AtomicU8::new(0));
        let a = Arc::new([AtomicBool::new(true), AtomicBool::new(true)]);
        let b = Arc::new(AtomicBool::new(false));
        let (data2, a2, b2) = (data.clone(), a.clone(), b.clone());
        let thread = thread::spawn(move || {
            data2.store(1, Ordering::Relaxed);
            fence(Ordering::Release);
            for flag in a2.iter() {
                flag.store(false, Ordering::Relaxed);
            }
            fence(Ordering::SeqCst);
            b2.load(Ordering::Relaxed)
        });
        // atomic_mb_set, atomic_mb_read: sequentially consistent, a full barrier between them.
        b.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let seen = [0, 1].map(|i| a[i].load(Ordering::SeqCst));
        if seen.contains(&false) {
            assert_eq!(data.load(Ordering::Relaxed), 1);
        }
        let b_seen = thread.join().unwrap();
        assert!(b_seen || seen == [false, false], "both missed the other");
    });
}
