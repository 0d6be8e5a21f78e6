//! The hand-over between the monitor's I/O thread and the main loop.
//!
//! Requests go one way: a queue for each session, taken in turns, so that no session starves another. Replies and
//! events come back in one queue, so a client sees them in the order in which they happened. Each side is woken
//! through a descriptor that its `poll` waits for. The lock is held for a push or a pop, so the I/O thread may take it.
//!
//! A waker's signal is cleared *before* the queue is looked at, and raised *after* something was put there: what
//! the look misses, the next wait finds. Modelled with loom (`RUSTFLAGS="--cfg loom" cargo test -p rr --lib`).

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
#[cfg(not(loom))]
use std::sync::MutexGuard;
use std::sync::PoisonError;

#[cfg(loom)]
type Guard<'a, T> = loom::sync::MutexGuard<'a, T>;
#[cfg(not(loom))]
type Guard<'a, T> = MutexGuard<'a, T>;

/// Requests of one session that wait at most; while so many do, nothing more is read from it.
pub const QUEUE: usize = 8;

/// Names a session.
pub type SessionId = u64;

/// Wakes a thread that waits, now or the next time it does.
pub trait Wake {
    /// Never blocks.
    fn wake(&self);
}

/// Both directions, under one small lock.
#[derive(Debug)]
pub struct Exchange<I, O, W> {
    state: Mutex<State<I, O>>,
    main: W,
    io: W,
}

#[derive(Debug)]
struct State<I, O> {
    queues: BTreeMap<SessionId, VecDeque<I>>,
    /// The sessions with requests, in the order in which they have their turns.
    turns: VecDeque<SessionId>,
    outbox: VecDeque<O>,
    /// Sessions whose client is gone, but which are not over.
    gone: BTreeSet<SessionId>,
    closing: bool,
}

impl<I, O, W: Wake> Exchange<I, O, W> {
    /// Empty; `main` and `io` wake the two threads.
    pub fn new(main: W, io: W) -> Self {
        let state = State {
            queues: BTreeMap::new(),
            turns: VecDeque::new(),
            outbox: VecDeque::new(),
            gone: BTreeSet::new(),
            closing: false,
        };
        Self {
            state: Mutex::new(state),
            main,
            io,
        }
    }

    /// What wakes the main loop.
    pub fn main(&self) -> &W {
        &self.main
    }

    /// What wakes the I/O thread.
    pub fn io(&self) -> &W {
        &self.io
    }

    fn state(&self) -> Guard<'_, State<I, O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// I/O thread: queues a request, in the order of its session.
    pub fn submit(&self, session: SessionId, request: I) {
        let mut state = self.state();
        let queue = state.queues.entry(session).or_default();
        queue.push_back(request);
        if queue.len() == 1 {
            state.turns.push_back(session);
        }
        drop(state);
        self.main.wake();
    }

    /// I/O thread: whether the session's queue has room. If not, this thread is woken when it has.
    pub fn has_room(&self, session: SessionId) -> bool {
        let state = self.state();
        state
            .queues
            .get(&session)
            .is_none_or(|queue| queue.len() < QUEUE)
    }

    /// I/O thread: what came back since the last time.
    pub fn collect(&self) -> VecDeque<O> {
        std::mem::take(&mut self.state().outbox)
    }

    /// I/O thread: the session's client is gone; what it waits for in vain need not be waited for.
    pub fn client_gone(&self, session: SessionId) {
        self.state().gone.insert(session);
        self.main.wake();
    }

    /// I/O thread: nothing of the session is left.
    pub fn forget(&self, session: SessionId) {
        self.state().gone.remove(&session);
    }

    /// I/O thread: whether the monitor is to end once all that was posted is out.
    pub fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Main loop: the next request.
    pub fn take(&self) -> Option<(SessionId, I)> {
        let mut state = self.state();
        let session = state.turns.pop_front()?;
        let queue = state.queues.get_mut(&session)?;
        let was_full = queue.len() >= QUEUE;
        let request = queue.pop_front()?;
        if queue.is_empty() {
            state.queues.remove(&session);
        } else {
            state.turns.push_back(session);
        }
        drop(state);
        if was_full {
            self.io.wake();
        }
        Some((session, request))
    }

    /// Main loop: whether the session's client is gone.
    pub fn is_gone(&self, session: SessionId) -> bool {
        self.state().gone.contains(&session)
    }

    /// Any thread: something for the clients.
    pub fn post(&self, out: O) {
        self.state().outbox.push_back(out);
        self.io.wake();
    }

    /// Any thread: nothing more will be posted.
    pub fn close(&self) {
        self.state().closing = true;
        self.io.wake();
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::{Exchange, QUEUE, Wake};
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
