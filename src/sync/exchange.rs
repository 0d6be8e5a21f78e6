//! The hand-over between the monitor's I/O thread and the main loop.
//!
//! Requests go one way: those of one session in their order, and the sessions in turns, so that
//! none starves another. Replies and events come back in one queue, so a client sees them in the
//! order in which they happened. Each side is woken through a descriptor that its `poll` waits for.
//! The locks are held for moments, so the I/O thread may take them.
//! The receiver clears a waker's signal *before* it looks at its inbox. A sender raises the signal
//! *after* it has added an item. So an item that the look misses ends the next wait.
//! there: what the look misses, the next wait finds.

use super::inbox::{Inbox, Wake};
use super::primitives::{Mutex, MutexGuard};
use std::collections::{BTreeSet, VecDeque};
use std::sync::PoisonError;

/// Queued requests of one session at most. While the queue is full, nothing more is read from the
/// session.
pub const QUEUE: usize = 8;

/// Names a session.
pub type SessionId = u64;

/// Both directions: an inbox for each thread.
#[derive(Debug)]
pub struct Exchange<I, O, W> {
    /// The main loop's. The session whose request is first has the next turn.
    requests: Inbox<(SessionId, I), W>,
    /// The I/O thread's.
    outbox: Inbox<O, W>,
    /// Sessions whose client is gone, but which are not over.
    gone: Mutex<BTreeSet<SessionId>>,
}

impl<I, O, W: Wake> Exchange<I, O, W> {
    /// Empty; `main` and `io` wake the two threads.
    pub fn new(main: W, io: W) -> Self {
        Self {
            requests: Inbox::with(main),
            outbox: Inbox::with(io),
            gone: Mutex::new(BTreeSet::new()),
        }
    }

    /// The waker of the main loop.
    pub fn main(&self) -> &W {
        self.requests.waker()
    }

    /// The waker of the I/O thread.
    pub fn io(&self) -> &W {
        self.outbox.waker()
    }

    fn gone(&self) -> MutexGuard<'_, BTreeSet<SessionId>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// I/O thread: queues a request, in the order of its session.
    pub fn submit(&self, session: SessionId, request: I) {
        self.requests.post((session, request));
    }

    /// I/O thread: whether the session's queue has room. If not, this thread is woken when it has.
    pub fn has_room(&self, session: SessionId) -> bool {
        let mut waiting = 0;
        self.requests
            .each(|(of, _)| waiting += usize::from(*of == session));
        waiting < QUEUE
    }

    /// I/O thread: what came back since the last time.
    pub fn collect(&self) -> VecDeque<O> {
        self.outbox.take_all()
    }

    /// I/O thread: the session's client is gone; what it waits for in vain need not be waited for.
    pub fn client_gone(&self, session: SessionId) {
        self.gone().insert(session);
        self.requests.nudge();
    }

    /// I/O thread: nothing of the session is left.
    pub fn forget(&self, session: SessionId) {
        self.gone().remove(&session);
    }

    /// I/O thread: whether the monitor is to end once all that was posted is out.
    pub fn is_closing(&self) -> bool {
        self.outbox.is_closed()
    }

    /// Main loop: the next request.
    pub fn take(&self) -> Option<(SessionId, I)> {
        let (taken, was_full) = self.requests.take_with(take_in_turns)?;
        if was_full {
            self.outbox.nudge();
        }
        Some(taken)
    }

    /// Main loop: whether the session's client is gone.
    pub fn is_gone(&self, session: SessionId) -> bool {
        self.gone().contains(&session)
    }

    /// Any thread: something for the clients.
    pub fn post(&self, out: O) {
        self.outbox.post(out);
    }

    /// Any thread: nothing more will be posted.
    pub fn close(&self) {
        self.outbox.close();
    }
}

/// Takes the first request, and moves the others of its session to the end of the queue. Returns
/// also whether the session's queue was full.
fn take_in_turns<I>(waiting: &mut VecDeque<(SessionId, I)>) -> Option<((SessionId, I), bool)> {
    let taken = waiting.pop_front()?;
    let (its, others): (VecDeque<_>, VecDeque<_>) = waiting
        .drain(..)
        .partition(|(session, _)| *session == taken.0);
    let was_full = its.len() + 1 >= QUEUE;
    *waiting = others;
    waiting.extend(its);
    Some((taken, was_full))
}

#[cfg(all(test, loom))]
mod model {
    use super::{Exchange, QUEUE};
    use crate::sync::inbox::Wake;
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    /// As an eventfd: raised by `wake`, cleared by the end of a wait.
    #[derive(Default)]
    struct Signal {
        raised: Mutex<bool>,
        changed: Condvar,
    }

    impl Wake for Signal {
        fn wake(&self) {
            *self.raised.lock().unwrap() = true;
            self.changed.notify_one();
        }
    }

    impl Signal {
        fn wait(&self) {
            let mut raised = self.raised.lock().unwrap();
            while !*raised {
                raised = self.changed.wait(raised).unwrap();
            }
            *raised = false;
        }
    }

    type Modelled = Exchange<u32, u32, Signal>;

    fn exchange() -> Arc<Modelled> {
        Arc::new(Exchange::new(Signal::default(), Signal::default()))
    }

    /// The main loop: answers so many requests, each with its number.
    fn answer(exchange: &Modelled, count: usize) {
        let mut answered = 0;
        while answered < count {
            match exchange.take() {
                Some((_, request)) => {
                    exchange.post(request);
                    answered += 1;
                }
                None => exchange.main().wait(),
            }
        }
    }

    /// The I/O thread: takes so many answers.
    fn answers(exchange: &Modelled, count: usize) -> Vec<u32> {
        let mut found = Vec::new();
        while found.len() < count {
            found.extend(exchange.collect());
            if found.len() < count {
                exchange.io().wait();
            }
        }
        found
    }

    #[test]
    fn every_request_is_answered_in_order() {
        loom::model(|| {
            let exchange = exchange();
            let main = exchange.clone();
            let thread = thread::spawn(move || answer(&main, 2));
            exchange.submit(1, 10);
            exchange.submit(1, 11);
            assert_eq!(answers(&exchange, 2), [10, 11]);
            thread.join().unwrap();
        });
    }

    #[test]
    fn who_waits_for_room_is_woken() {
        loom::model(|| {
            let exchange = exchange();
            for request in 0..QUEUE as u32 {
                exchange.submit(1, request);
            }
            let main = exchange.clone();
            let thread = thread::spawn(move || assert_eq!(main.take(), Some((1, 0))));
            while !exchange.has_room(1) {
                exchange.io().wait();
            }
            exchange.submit(1, 99);
            thread.join().unwrap();
        });
    }

    #[test]
    fn an_event_comes_before_the_reply_that_follows_it() {
        loom::model(|| {
            let exchange = exchange();
            let (vcpu, main) = (exchange.clone(), exchange.clone());
            // As `stop`: the vCPU thread says that it stands, then the main loop answers.
            let thread = thread::spawn(move || {
                let stopped = thread::spawn(move || vcpu.post(1));
                stopped.join().unwrap();
                main.post(2);
            });
            assert_eq!(answers(&exchange, 2), [1, 2]);
            thread.join().unwrap();
        });
    }

    #[test]
    fn the_main_loop_learns_that_a_client_is_gone() {
        loom::model(|| {
            let exchange = exchange();
            let main = exchange.clone();
            let thread = thread::spawn(move || {
                while !main.is_gone(1) {
                    main.main().wait();
                }
            });
            exchange.client_gone(1);
            thread.join().unwrap();
        });
    }

    #[test]
    fn what_was_posted_is_there_when_the_monitor_closes() {
        loom::model(|| {
            let exchange = exchange();
            let main = exchange.clone();
            let thread = thread::spawn(move || {
                main.post(1);
                main.close();
            });
            let mut found = Vec::new();
            loop {
                // In this order: nothing is posted after the close.
                let closing = exchange.is_closing();
                found.extend(exchange.collect());
                if closing {
                    break;
                }
                exchange.io().wait();
            }
            assert_eq!(found, [1]);
            thread.join().unwrap();
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(&self) {}
    }

    #[test]
    fn sessions_have_their_turns() {
        let exchange: Exchange<u32, u32, _> = Exchange::new(Nobody, Nobody);
        for (session, request) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (2, 21)] {
            exchange.submit(session, request);
        }
        let order: Vec<_> = std::iter::from_fn(|| exchange.take()).collect();
        assert_eq!(
            order,
            [(1, 10), (2, 20), (3, 30), (1, 11), (2, 21), (1, 12)]
        );
        assert!(exchange.take().is_none());
    }

    #[test]
    fn room() {
        let exchange: Exchange<usize, u32, _> = Exchange::new(Nobody, Nobody);
        for request in 0..QUEUE {
            assert!(exchange.has_room(1));
            exchange.submit(1, request);
        }
        assert!(!exchange.has_room(1));
        assert!(exchange.has_room(2));
        exchange.take();
        assert!(exchange.has_room(1));
    }
}
