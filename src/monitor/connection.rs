//! One client: bytes in, bytes out, and its session.

use super::address::{Stream, Trust};
use super::json;
use super::session::{Session, greeting};
use crate::sync::exchange::SessionId;
use rustix::event::PollFlags;
use rustix::io::Errno;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// While a client has this many bytes to read, none of its requests are read. Otherwise it could
/// fill the memory with replies.
const UNREAD: usize = 1 << 20;
/// A client that leaves this many bytes unread is disconnected. Only events can add up to that.
const UNREAD_MAX: usize = 64 << 20;
/// How long the monitor waits for a client that does not read its replies, once the client sends
/// nothing more or the monitor ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client, from its greeting until its last request is done.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: SessionId,
    pub(super) session: Session,
    /// Requests that were queued and have no answer yet.
    pub(super) in_flight: usize,
    stream: Stream,
    trust: Trust,
    /// Nothing but white space has come yet.
    silent: bool,
    requests: json::Stream,
    /// Bytes that were read and are not parsed yet.
    input: VecDeque<u8>,
    output: VecDeque<u8>,
    /// The client sends no more.
    ended: bool,
    /// Nothing more is sent to the client.
    dead: bool,
    deadline: Option<Instant>,
}

impl Connection {
    pub(super) fn new(id: SessionId, stream: Stream, trust: Trust) -> Self {
        let mut connection = Self {
            id,
            session: Session::default(),
            in_flight: 0,
            stream,
            trust,
            silent: true,
            requests: json::Stream::default(),
            input: VecDeque::new(),
            output: VecDeque::new(),
            ended: false,
            dead: false,
            deadline: None,
        };
        connection.send(&greeting());
        connection
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(super) fn trust(&self) -> Trust {
        self.trust
    }

    /// The events to poll for. `room`: the session's queue takes another request. `None`: nothing
    /// is left to read or write.
    pub(super) fn wants(&self, room: bool) -> Option<PollFlags> {
        let mut flags = PollFlags::empty();
        flags.set(
            PollFlags::IN,
            !self.ended && self.input.is_empty() && self.listens(room),
        );
        flags.set(PollFlags::OUT, !self.dead && !self.output.is_empty());
        // After the end of the input, `poll` would report that end again and again.
        (!self.dead && (!self.ended || !flags.is_empty())).then_some(flags)
    }

    fn listens(&self, room: bool) -> bool {
        room && self.output.len() < UNREAD
    }

    /// True if bytes that were read must be parsed now.
    pub(super) fn has_more(&self, room: bool) -> bool {
        !self.input.is_empty() && self.listens(room)
    }

    /// True if the client has closed its side, so that the socket can take another client.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads and writes as `poll` allows. Writing is tried in any case.
    pub(super) fn ready(&mut self, flags: PollFlags) {
        if flags.contains(PollFlags::IN) {
            self.read();
        } else if flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            self.hang_up();
        }
    }

    fn read(&mut self) {
        let mut bytes = [0; CHUNK];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.end(),
            Ok(count) => self.take(&bytes[..count]),
            Err(Errno::WOULDBLOCK) => {}
            Err(_) => self.die(),
        }
    }

    /// Takes bytes that were read. At a port, a client that does not begin with a JSON object is
    /// none of QMP, and nothing of it is executed: it may be a browser, whose user does not know
    /// what a web page sends.
    fn take(&mut self, bytes: &[u8]) {
        let first = bytes.iter().find(|byte| !b" \t\r\n".contains(byte));
        if let (true, Some(first)) = (self.silent, first) {
            self.silent = false;
            if matches!(self.trust, Trust::Port { .. }) && *first != b'{' {
                return self.die();
            }
        }
        self.input.extend(bytes);
    }

    /// The client has closed the connection while nothing was read from it. Reads what it sent
    /// before.
    fn hang_up(&mut self) {
        self.read();
        self.end();
        self.dead = true;
        self.output.clear();
    }

    fn end(&mut self) {
        self.ended = true;
        self.deadline = Some(Instant::now() + PATIENCE);
    }

    fn die(&mut self) {
        self.end();
        self.dead = true;
        self.input.clear();
        self.output.clear();
    }

    /// Parses the next request, if one must be parsed now.
    pub(super) fn next(&mut self, room: bool) -> Option<Result<Value, json::JsonError>> {
        while self.has_more(room) {
            let (mut piece, _) = self.input.as_slices();
            let length = piece.len();
            let result = self.requests.next(&mut piece);
            let taken = length - piece.len();
            self.input.drain(..taken);
            if result.is_some() {
                return result;
            }
        }
        None
    }

    /// Appends a line to the output.
    pub(super) fn send(&mut self, line: &Value) {
        if self.dead {
            return;
        }
        self.output.extend(json::line(line));
        if self.output.len() > UNREAD_MAX {
            self.die();
        }
    }

    /// Writes as much as the client takes.
    pub(super) fn flush(&mut self) {
        while !self.dead && !self.output.is_empty() {
            let (piece, _) = self.output.as_slices();
            match self.stream.write(piece) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(Errno::WOULDBLOCK) => return,
                Err(_) => self.die(),
            }
        }
    }

    /// True if the client has taken all output, or is gone.
    pub(super) fn is_flushed(&self) -> bool {
        self.output.is_empty()
    }

    /// Reads and drops input, up to a limit.
    pub(super) fn drain(&mut self) {
        let mut bytes = [0; CHUNK];
        for _ in 0..64 {
            if !matches!(self.stream.read(&mut bytes), Ok(1..)) {
                break;
            }
        }
    }

    /// True if nothing is left to be done for the client.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let waited_enough = self.deadline.is_some_and(|deadline| now >= deadline);
        let done = self.input.is_empty() && self.output.is_empty();
        self.ended && self.in_flight == 0 && (done || waited_enough)
    }

    /// The time at which [`Connection::is_over`] may become true by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waits = self.in_flight == 0 && !self.output.is_empty();
        self.deadline.filter(|_| waits)
    }
}
