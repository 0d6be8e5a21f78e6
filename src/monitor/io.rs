//! The monitor's I/O thread: it owns the sockets, parses requests, and executes out-of-band
//! commands.
//!
//! It takes neither the BQL nor the replay lock, and `poll` is the only system call that it waits
//! in. So it answers whatever the other threads are doing.

use super::address::Listener;
use super::connection::Connection;
use super::execute::ExecuteNow;
use super::json::JsonError;
use super::limiter::{Limiter, TimedEvent};
use super::request::Request;
use super::server::{Item, Link, Out};
use super::session::{Answer, Verdict};
use crate::notes::Notes;
use crate::sync::exchange::SessionId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest number of clients that are gone while their requests are not done. At this number no
/// new client is accepted.
const LINGERING: usize = 64;
/// How long clients have to read the last replies when the monitor ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long clients then have to disconnect by themselves. (QEMU's Python client reports an error
/// if the connection ends together with the reply to `quit`.)
const PAUSE: Duration = Duration::from_millis(50);
/// The time until the next try to accept a client, after descriptors have run out.
const RETRY: Duration = Duration::from_millis(100);

/// A listening socket and its client.
#[derive(Debug)]
struct Door {
    listener: Listener,
    client: Option<SessionId>,
    /// The time at which the socket accepts clients again, after an error.
    again: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Token {
    Door(usize),
    Client(SessionId),
}

/// The state of the thread.
pub(super) struct IoThread {
    doors: Vec<Door>,
    connections: BTreeMap<SessionId, Connection>,
    limiter: Limiter,
    link: Link,
    commands: Arc<dyn ExecuteNow>,
    next_id: SessionId,
    notes: Notes,
}

impl IoThread {
    pub(super) fn new(
        listeners: Vec<Listener>,
        link: Link,
        commands: Arc<dyn ExecuteNow>,
        notes: Notes,
    ) -> Self {
        let door = |listener| Door {
            listener,
            client: None,
            again: None,
        };
        Self {
            doors: listeners.into_iter().map(door).collect(),
            connections: BTreeMap::new(),
            limiter: Limiter::default(),
            link,
            commands,
            next_id: 1,
            notes,
        }
    }

    /// Runs until the monitor is closed and the last replies are sent.
    pub(super) fn run(mut self) {
        loop {
            let ready = match self.wait() {
                Ok(ready) => ready,
                Err(error) => {
                    self.notes.call(&format!(
                        "the monitor stops: waiting for its sockets failed: {error}"
                    ));
                    return;
                }
            };
            // Read before the collection, because nothing is posted after the close.
            let closing = self.link.is_closing();
            self.collect();
            if closing {
                return self.say_farewell();
            }
            for (token, flags) in ready {
                match token {
                    Token::Door(door) => self.let_in(door),
                    Token::Client(id) => {
                        if let Some(connection) = self.connections.get_mut(&id) {
                            connection.ready(flags);
                        }
                    }
                }
            }
            self.serve();
            self.tidy();
        }
    }

    /// Polls until there is something to do.
    fn wait(&mut self) -> Result<Vec<(Token, PollFlags)>, Errno> {
        let now = Instant::now();
        let exchange = &self.link;
        let (mut fds, mut tokens) = (vec![PollFd::new(exchange.io(), PollFlags::IN)], Vec::new());
        let mut until = self.limiter.next();
        let crowded = self.connections.len() >= LINGERING + self.doors.len();
        for (at, door) in self.doors.iter_mut().enumerate() {
            door.again = door.again.filter(|again| *again > now);
            until = [until, door.again].into_iter().flatten().min();
            if door.client.is_none() && door.again.is_none() && !crowded {
                fds.push(PollFd::new(&door.listener, PollFlags::IN));
                tokens.push(Token::Door(at));
            }
        }
        for (&id, connection) in &self.connections {
            until = [until, connection.deadline()].into_iter().flatten().min();
            if let Some(flags) = connection.wants(exchange.has_room(id)) {
                fds.push(PollFd::new(connection.stream(), flags));
                tokens.push(Token::Client(id));
            }
        }
        let timeout = until.map(|until| timespec(until.saturating_duration_since(now)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        exchange.io().clear();
        let ready = fds.iter().skip(1).zip(tokens);
        Ok(ready
            .map(|(fd, token)| (token, fd.revents()))
            .filter(|(_, flags)| !flags.is_empty())
            .collect())
    }

    /// Sends the replies and events to the clients.
    fn collect(&mut self) {
        let now = Instant::now();
        for out in self.link.collect() {
            match out {
                Out::Event(event) => {
                    if let Some(event) = self.limiter.take(event, now) {
                        self.broadcast(&event);
                    }
                }
                Out::Reply(id, answer) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.in_flight -= 1;
                        connection.send(&answer.to_value());
                    }
                }
            }
        }
        for event in self.limiter.due(now) {
            self.broadcast(&event);
        }
    }

    fn broadcast(&mut self, event: &TimedEvent) {
        let event = event.to_value();
        let negotiated = |connection: &&mut Connection| connection.session.is_negotiated();
        for connection in self.connections.values_mut().filter(negotiated) {
            connection.send(&event);
        }
    }

    fn let_in(&mut self, door: usize) {
        let Some(door) = self.doors.get_mut(door) else {
            return;
        };
        match door.listener.accept() {
            Ok(stream) => {
                let id = self.next_id;
                self.next_id += 1;
                door.client = Some(id);
                let trust = door.listener.trust();
                self.connections
                    .insert(id, Connection::new(id, stream, trust));
            }
            // The client has left again, or no descriptors are left.
            Err(_) => door.again = Some(Instant::now() + RETRY),
        }
    }

    /// Parses the bytes that were read, as far as the queue has room, and writes output.
    fn serve(&mut self) {
        let (exchange, commands) = (&self.link, &*self.commands);
        for connection in self.connections.values_mut() {
            loop {
                while let Some(parsed) = connection.next(exchange.has_room(connection.id)) {
                    receive(connection, parsed, commands, exchange);
                }
                connection.flush();
                // Output has gone out, so more input may be parsed now. No descriptor would tell
                // that.
                if !connection.has_more(exchange.has_room(connection.id)) {
                    break;
                }
            }
        }
    }

    /// Accepts clients again where one has left, and drops clients whose requests are all done.
    fn tidy(&mut self) {
        let exchange = &self.link;
        for door in &mut self.doors {
            let client = door.client.and_then(|id| self.connections.get(&id));
            if let Some(connection) = client.filter(|connection| connection.has_ended()) {
                exchange.client_gone(connection.id);
                door.client = None;
            }
        }
        let now = Instant::now();
        self.connections.retain(|&id, connection| {
            let over = connection.is_over(now);
            if over {
                exchange.forget(id);
            }
            !over
        });
    }

    /// Sends the last replies and events.
    fn say_farewell(mut self) {
        for event in self.limiter.rest() {
            self.broadcast(&event);
        }
        let now = Instant::now();
        self.linger(now + FAREWELL, PollFlags::OUT, |client| {
            !client.is_flushed()
        });
        self.linger(now + PAUSE, PollFlags::IN, |client| !client.has_ended());
        // The last input is read and dropped, so that clients see the end and no error.
        self.connections.values_mut().for_each(Connection::drain);
    }
}

impl IoThread {
    /// Serves the clients for which `on` holds, until there are none or the time has passed.
    fn linger(&mut self, until: Instant, flags: PollFlags, on: fn(&Connection) -> bool) {
        loop {
            self.connections.values_mut().for_each(Connection::flush);
            let mut fds = Vec::new();
            let mut ids = Vec::new();
            for (&id, connection) in self.connections.iter().filter(|(_, client)| on(client)) {
                fds.push(PollFd::new(connection.stream(), flags));
                ids.push(id);
            }
            let left = until.saturating_duration_since(Instant::now());
            if fds.is_empty() || left.is_zero() {
                return;
            }
            let polled = poll(&mut fds, Some(&timespec(left)));
            if polled.is_err_and(|error| error != Errno::INTR) {
                return;
            }
            let ready: Vec<_> = ids
                .into_iter()
                .zip(fds.iter().map(PollFd::revents))
                .collect();
            for (id, flags) in ready {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.ready(flags);
                }
            }
        }
    }
}

/// Decides what happens to a request, and does what can be done at once.
fn receive(
    connection: &mut Connection,
    parsed: Result<Value, JsonError>,
    commands: &dyn ExecuteNow,
    link: &Link,
) {
    let allows_oob = |name: &str| commands.allows_oob(name);
    let verdict = connection.session.receive(parsed, allows_oob);
    let item = match verdict.within(connection.trust()) {
        Verdict::AtOnce(answer) => return connection.send(&answer.to_value()),
        Verdict::OutOfBand(request) => {
            let answer = execute(commands, request);
            return connection.send(&answer.to_value());
        }
        Verdict::InOrder(answer) if connection.in_flight == 0 => {
            return connection.send(&answer.to_value());
        }
        Verdict::InOrder(answer) => Item::Answer(answer),
        Verdict::InBand(request) => Item::Command(request),
    };
    connection.in_flight += 1;
    link.submit(connection.id, item);
}

fn execute(commands: &dyn ExecuteNow, request: Request) -> Answer {
    let Request {
        id,
        name,
        arguments,
        ..
    } = request;
    let result = commands.execute(&name, arguments);
    Answer { id, result }
}

fn timespec(duration: Duration) -> Timespec {
    // Rounded up to a millisecond: otherwise the thread would poll in a busy loop before a timer.
    let millis = i64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(i64::MAX);
    Timespec {
        tv_sec: millis / 1000,
        tv_nsec: millis % 1000 * 1_000_000,
    }
}
