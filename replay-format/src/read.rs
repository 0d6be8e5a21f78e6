//! Reads logs: a [`Log`] over the bytes of a file, and an iterator over its events.

use crate::choose::choose;
use crate::error::{Argument, Error, Fault, Position};
use crate::event::{Event, Kind, decode};
use crate::header::{HEADER_LEN, Header};
use crate::summary::{Summary, Walk, walk};
use crate::version::{Lead, Table};
use crate::wire::Reader;

/// A log in memory, or mapped. It is walked once when it is made, by the lengths of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log<'a> {
    bytes: &'a [u8],
    header: Header,
    table: &'static Table,
    walk: Walk,
}

/// Whether a log is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Completeness {
    /// The log ends with `EVENT_END`.
    Complete,
    /// The log ends before `EVENT_END`: the recording was killed, or the file was cut.
    Truncated {
        /// Byte offset after the last whole event. A part of an event may follow.
        whole_events_end: u64,
    },
    /// There is a place where no event can be read. [`Log::error`] says why.
    Damaged {
        /// Byte offset after the last whole event.
        whole_events_end: u64,
    },
}

impl<'a> Log<'a> {
    /// Reads a log, and chooses its table by the version id. If several tables have that version,
    /// or the header is still zero, the table is chosen that reads the log whole, or furthest
    /// (FORMAT.md, "Which table").
    ///
    /// If the log is cut or damaged further on, that is no error here: see [`Log::completeness`]
    /// and [`Log::error`]. All events before that place can be read.
    ///
    /// # Errors
    /// [`Error::NotALog`], [`Error::TruncatedHeader`], [`Error::UnknownVersion`].
    pub fn parse(bytes: &'a [u8]) -> Result<Log<'a>, Error> {
        let header = Header::parse(bytes)?;
        let (table, walk) = choose(bytes, &header)?;
        Ok(Log {
            bytes,
            header,
            table,
            walk,
        })
    }

    /// Reads a log with this table, whatever its header says.
    ///
    /// # Errors
    /// [`Error::NotALog`] and [`Error::TruncatedHeader`], if the file is shorter than a header.
    pub fn with_table(bytes: &'a [u8], table: &'static Table) -> Result<Log<'a>, Error> {
        let header = Header::parse(bytes)?;
        Ok(Log {
            bytes,
            header,
            table,
            walk: walk(bytes, table),
        })
    }

    /// The table that the log is read with.
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// The header as it is in the file.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The bytes of the log up to the zeroes that a crash of the system has left, and the error
    /// that stands for these zeroes.
    pub(crate) fn content(&self) -> (&'a [u8], Option<Error>) {
        match self.error() {
            Some(error @ Error::Zeroes { at, .. }) => {
                let end = usize::try_from(at.offset).unwrap_or(usize::MAX);
                let content = self.bytes.get(..end).unwrap_or_default();
                (content, Some(error.clone()))
            }
            _ => (self.bytes, None),
        }
    }

    /// All bytes of the file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Events and bytes per kind, and instructions.
    pub fn summary(&self) -> &Summary {
        &self.walk.summary
    }

    /// Whether the log is complete.
    pub fn completeness(&self) -> Completeness {
        let whole_events_end = self.end().offset;
        match &self.walk.error {
            None => Completeness::Complete,
            Some(error) if error.is_truncated() => Completeness::Truncated { whole_events_end },
            Some(_) => Completeness::Damaged { whole_events_end },
        }
    }

    /// The error at the end of [`events`](Log::events), if there is one.
    pub fn error(&self) -> Option<&Error> {
        self.walk.error.as_ref()
    }

    /// The position after the last whole event.
    pub fn end(&self) -> Position {
        self.walk.summary.end
    }

    /// The position of the first event.
    pub fn start(&self) -> Position {
        Position {
            offset: HEADER_LEN as u64,
            index: 0,
            icount: 0,
        }
    }

    /// All events. The iterator stops after `EVENT_END`, or with the first error.
    pub fn events(&self) -> Events<'a> {
        let (bytes, zeroes) = self.content();
        Events {
            bytes,
            zeroes,
            table: self.table,
            at: self.start(),
            state: State::Running,
        }
    }

    /// The events after a known boundary between two events. `icount` is the icount there.
    /// [`Record::index`] counts from 0 then; [`events_at`](Log::events_at) keeps it.
    ///
    /// # Errors
    /// [`Error::BadOffset`] if the offset is in the header or after the end. An offset inside an
    /// event is not noticed: it gives nonsense, or an error later.
    pub fn events_from(&self, offset: u64, icount: u64) -> Result<Events<'a>, Error> {
        self.events_at(Position {
            offset,
            index: 0,
            icount,
        })
    }

    /// The events after a known position, from [`Events::position`] or [`Index`](crate::Index).
    ///
    /// # Errors
    /// As [`events_from`](Log::events_from).
    pub fn events_at(&self, at: Position) -> Result<Events<'a>, Error> {
        let (bytes, zeroes) = self.content();
        let len = bytes.len() as u64;
        if !(HEADER_LEN as u64..=len).contains(&at.offset) {
            return Err(Error::BadOffset {
                offset: at.offset,
                len,
            });
        }
        // At the end of a complete log no event follows, and none is missing.
        let ended = self.walk.error.is_none() && at.offset == self.end().offset;
        let state = if ended { State::Done } else { State::Running };
        Ok(Events {
            bytes,
            zeroes,
            table: self.table,
            at,
            state,
        })
    }
}

/// An event and its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number of events before it.
    pub index: u64,
    /// Byte offset of the event's id in the file.
    pub offset: u64,
    /// Its length in bytes, the id included. `u32::MAX` stands for all larger lengths, which only
    /// an array of nearly 4 GiB has.
    pub len: u32,
    /// The number of instructions executed up to it, its own included.
    pub icount: u64,
    /// The event.
    pub event: Event<'a>,
}

/// The events of a [`Log`], in order.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    bytes: &'a [u8],
    /// The zeroes that follow, of a crash of the system.
    zeroes: Option<Error>,
    table: &'static Table,
    at: Position,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// `EVENT_END` was read.
    Ended,
    /// No more events will come.
    Done,
}

impl Events<'_> {
    /// The position of the next event.
    pub fn position(&self) -> Position {
        self.at
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Record<'a>, Error>;

    // Inlined for `rr dump`, which does little else: moving the record costs time.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.state != State::Running {
            return self.stop();
        }
        let at = self.at;
        // The offset was checked, and grows by the bytes that were read, so it fits.
        let rest = self.bytes.get(at.offset as usize..).unwrap_or(&[]);
        match step(rest, self.table, &mut self.at) {
            Ok((event, len)) => {
                if matches!(event, Event::End) {
                    self.state = State::Ended;
                }
                let len = u32::try_from(len).unwrap_or(u32::MAX);
                let icount = self.at.icount;
                Some(Ok(Record {
                    index: at.index,
                    offset: at.offset,
                    len,
                    icount,
                    event,
                }))
            }
            Err(error) => {
                self.state = State::Done;
                Some(Err(self.ended_by(error)))
            }
        }
    }
}

impl std::iter::FusedIterator for Events<'_> {}

impl<'a> Events<'a> {
    /// The error of an event that cannot be read, or of the zeroes in its place.
    #[cold]
    fn ended_by(&self, error: Error) -> Error {
        match (error, &self.zeroes) {
            (Error::Truncated { available: 0, .. }, Some(zeroes)) => zeroes.clone(),
            (error, _) => error,
        }
    }

    #[cold]
    fn stop(&mut self) -> Option<Result<Record<'a>, Error>> {
        let ended = self.state == State::Ended;
        self.state = State::Done;
        if ended {
            after_end(self.bytes, self.at).map(Err)
        } else {
            None
        }
    }
}

/// Why no event can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    UnknownId(u8),
    Fault(Option<Kind>, Fault),
    Overflow(u32),
}

/// Decodes the event at the start of `rest`, and moves the position after it. Returns its length,
/// too.
#[inline(always)]
pub(crate) fn step<'a>(
    rest: &'a [u8],
    table: &Table,
    at: &mut Position,
) -> Result<(Event<'a>, usize), Error> {
    let (event, len) =
        decode_event(rest, table).map_err(|problem| located(problem, rest, table, *at))?;
    if let Event::Instruction { count } = event {
        let sum = at.icount.checked_add(count.into());
        at.icount = sum.ok_or_else(|| located(Problem::Overflow(count), rest, table, *at))?;
    }
    at.index += 1;
    at.offset += len as u64;
    Ok((event, len))
}

/// Decodes the event at the start of `rest`. Returns its length, too.
#[inline(always)]
fn decode_event<'a>(rest: &'a [u8], table: &Table) -> Result<(Event<'a>, usize), Problem> {
    let Some(&id) = rest.first() else {
        return Err(Problem::Fault(None, Fault::Short(1)));
    };
    let kind = match table.kind(id) {
        Some(kind) => kind,
        None => async_kind(rest, id, table)?,
    };
    let mut reader = Reader::new(rest);
    match decode(kind, table, &mut reader) {
        Ok(event) => Ok((event, reader.pos())),
        Err(fault) => Err(Problem::Fault(Some(kind), fault)),
    }
}

/// The kind of an asynchronous event, up to version 11: it stands after the id and the checkpoint.
#[inline]
fn async_kind(rest: &[u8], id: u8, table: &Table) -> Result<Kind, Problem> {
    if table.async_id() != Some(id) {
        return Err(Problem::UnknownId(id));
    }
    let place = if table.features.lead == Lead::CheckpointAndKind {
        2
    } else {
        1
    };
    let Some(&number) = rest.get(place) else {
        return Err(Problem::Fault(None, Fault::Short(place as u64 + 1)));
    };
    let unknown = Fault::Unknown(Argument::AsyncKind, number.into());
    table
        .async_kind(number)
        .ok_or(Problem::Fault(None, unknown))
}

/// The error of a problem at this position.
#[cold]
fn located(problem: Problem, rest: &[u8], table: &Table, at: Position) -> Error {
    match problem {
        Problem::UnknownId(id) => Error::UnknownEvent {
            at,
            id,
            table: table.name(),
        },
        Problem::Overflow(count) => Error::IcountOverflow { at, count },
        Problem::Fault(_, Fault::Unknown(argument, value)) => Error::UnknownValue {
            at,
            argument,
            value,
        },
        Problem::Fault(kind, Fault::Short(needed)) => Error::Truncated {
            at,
            kind,
            needed,
            available: rest.len() as u64,
        },
    }
}

/// The error if bytes follow `EVENT_END`, which ends at this position.
pub(crate) fn after_end(bytes: &[u8], at: Position) -> Option<Error> {
    let trailing = (bytes.len() as u64).saturating_sub(at.offset);
    (trailing > 0).then_some(Error::AfterEnd { at, trailing })
}
