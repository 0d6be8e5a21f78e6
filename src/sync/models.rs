//! The models of [`super::inbox`]: each property holds in every order in which the threads meet.

use super::inbox::{Cancel, Inbox};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use loom::thread;

fn inbox<T>() -> (Arc<Inbox<T>>, Arc<Inbox<T>>) {
    let inbox = Arc::new(Inbox::new());
    (inbox.clone(), inbox)
}

#[test]
fn a_seen_kick_means_an_item() {
    loom::model(|| {
        let (inbox, sender) = inbox();
        let thread = thread::spawn(move || sender.post(1));
        if inbox.kicked() {
            assert_eq!(inbox.take(), Some(1));
        }
        thread.join().unwrap();
    });
}

#[test]
fn no_item_is_left_without_a_kick() {
    loom::model(|| {
        let (inbox, sender) = inbox();
        let thread = thread::spawn(move || {
            sender.post(1);
            sender.post(2);
        });
        let mut got = Vec::new();
        got.extend(inbox.take());
        thread.join().unwrap();
        while inbox.kicked() {
            got.extend(inbox.take());
        }
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn a_waiting_receiver_is_woken() {
    loom::model(|| {
        let (inbox, sender) = inbox();
        let thread = thread::spawn(move || sender.post(7));
        let item = loop {
            match inbox.take() {
                Some(item) => break item,
                None => inbox.wait(None),
            }
        };
        assert_eq!(item, 7);
        thread.join().unwrap();
    });
}

#[test]
fn a_nudge_is_not_lost() {
    loom::model(|| {
        let (inbox, sender) = inbox::<u8>();
        let asked = Arc::new(AtomicBool::new(false));
        let question = asked.clone();
        let thread = thread::spawn(move || {
            question.store(true, Ordering::Release);
            sender.nudge();
        });
        // As the vCPU thread does: settles first, then looks, then waits.
        loop {
            inbox.settle();
            if asked.load(Ordering::Acquire) {
                break;
            }
            inbox.wait(None);
        }
        thread.join().unwrap();
    });
}

/// A thread that sees the flag raised sees what was done before, without the lock.
fn a_kick_shows_what_came_before(raise: fn(&Inbox<u8>)) {
    loom::model(move || {
        let (inbox, sender) = inbox();
        let before = Arc::new(AtomicU8::new(0));
        let stored = before.clone();
        let thread = thread::spawn(move || {
            stored.store(1, Ordering::Relaxed);
            raise(&sender);
        });
        if inbox.kicked() {
            assert_eq!(before.load(Ordering::Relaxed), 1);
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_kick_of_an_item_shows_what_came_before() {
    a_kick_shows_what_came_before(|inbox| inbox.post(1));
}

#[test]
fn a_kick_of_a_nudge_shows_what_came_before() {
    a_kick_shows_what_came_before(Inbox::nudge);
}

#[test]
fn a_kick_of_a_close_shows_what_came_before() {
    a_kick_shows_what_came_before(Inbox::close);
}

#[test]
fn each_is_taken_or_given_back() {
    loom::model(|| {
        let (inbox, sender) = inbox();
        let thread = thread::spawn(move || sender.offer(1).is_ok());
        let mut taken = inbox.take().is_some();
        taken |= !inbox.hang_up().is_empty();
        let accepted = thread.join().unwrap();
        assert_eq!(accepted, taken);
    });
}

#[test]
fn a_thread_that_waits_until_something_holds_hears_of_an_item() {
    loom::model(|| {
        let (inbox, sender) = inbox();
        let thread = thread::spawn(move || sender.offer(7).is_ok());
        let item = loop {
            match inbox.take() {
                Some(item) => break item,
                None => inbox.wait_until(|| false),
            }
        };
        assert_eq!(item, 7);
        assert!(thread.join().unwrap());
    });
}

#[test]
fn a_thread_that_waits_until_something_holds_hears_that_it_does() {
    loom::model(|| {
        let (inbox, sender) = inbox::<u8>();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = thread::spawn(move || {
            stopping.store(true, Ordering::Release);
            sender.nudge();
        });
        inbox.wait_until(|| stop.load(Ordering::Acquire));
        thread.join().unwrap();
    });
}

#[test]
fn a_waiting_thread_hears_that_it_is_to_stop() {
    loom::model(|| {
        let (inbox, other) = inbox::<u8>();
        let cancel = Arc::new(Cancel::new());
        let asked = cancel.clone();
        let thread = thread::spawn(move || asked.ask(&other));
        while !cancel.take() {
            inbox.wait_until(|| cancel.is_asked());
        }
        thread.join().unwrap();
        assert!(!cancel.is_asked());
    });
}

#[test]
fn whoever_is_to_stop_sees_what_came_before() {
    loom::model(|| {
        let (_inbox, other) = inbox::<u8>();
        let cancel = Arc::new(Cancel::new());
        let before = Arc::new(AtomicU8::new(0));
        let (asked, stored) = (cancel.clone(), before.clone());
        let thread = thread::spawn(move || {
            stored.store(1, Ordering::Relaxed);
            asked.ask(&other);
        });
        if cancel.is_asked() {
            assert_eq!(before.load(Ordering::Relaxed), 1);
        }
        thread.join().unwrap();
    });
}
