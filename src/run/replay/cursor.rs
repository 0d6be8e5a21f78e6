//! The place of a replay in its log: the next event, and the error if it does not fit.

use crate::divergence::{Divergence, describe};
use crate::error::{Error, RecordingFault};
use crate::recording::snapshot::Snapshot;
use machine::Icount;
use machine::inputs::Moment;
use replay_format::{Checkpoint, Clock, Completeness, Event, Events, Log, Position, Record};
use std::path::PathBuf;

/// A place in the log.
pub(super) struct Cursor<'log> {
    pub(super) path: PathBuf,
    pub(super) log: &'log Log<'log>,
    events: Events<'log>,
    /// The place before `head`.
    pub(super) place: Position,
    /// The next event. Events that only count instructions are skipped.
    pub(super) head: Option<Record<'log>>,
    /// The instruction count at which the log ends, if `head` is `None`.
    pub(super) end: Icount,
    /// True once the machine has executed the instruction that the head belongs to.
    pub(super) tried: bool,
}

impl<'log> Cursor<'log> {
    /// A cursor that has no place yet: call [`begin`](Self::begin) or [`jump`](Self::jump).
    pub(super) fn new(path: PathBuf, log: &'log Log<'log>) -> Self {
        Self {
            path,
            log,
            events: log.events(),
            place: log.start(),
            head: None,
            end: Icount::ZERO,
            tried: false,
        }
    }

    /// Goes to the start of the log, and checks the events that every log begins with.
    ///
    /// # Errors
    /// If the log does not begin as a recording of this program does.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        self.events = self.log.events();
        self.advance()?;
        for wanted in [Checkpoint::Init, Checkpoint::Reset] {
            match self.event() {
                Some(Event::Checkpoint(found)) if found == wanted => self.advance()?,
                None => break,
                Some(_) => {
                    return Err(Error::recording(
                        &self.path,
                        RecordingFault::Beginning { wanted },
                    ));
                }
            }
        }
        Ok(())
    }

    /// Goes to the place of a snapshot.
    ///
    /// # Errors
    /// If the log was cut off before that place.
    pub(super) fn jump(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let (place, end) = (Position::from(snapshot.log), self.log.end());
        let closed = self.log.completeness() == Completeness::Complete;
        if place.index > end.index - u64::from(closed) {
            let fault = RecordingFault::BehindEnd {
                snapshot: snapshot.name.clone(),
                icount: snapshot.icount,
                end: Icount::new(end.icount),
            };
            return Err(Error::recording(&self.path, fault));
        }
        let events = self.log.events_at(place);
        self.events = events.map_err(|cause| self.unreadable(cause))?;
        self.advance()
    }

    /// Reads the next event. Events that only count instructions are skipped.
    pub(super) fn advance(&mut self) -> Result<(), Error> {
        self.tried = false;
        loop {
            let place = self.events.position();
            self.head = match self.events.next() {
                Some(Ok(Record {
                    event: Event::Instruction { .. },
                    ..
                })) => continue,
                // Nothing is read after the shutdown. Such a log was closed by `rr repair`, or is a
                // slice.
                Some(Ok(Record {
                    event: Event::End, ..
                })) => None,
                Some(Ok(record)) => Some(record),
                // The recording was killed: its log ends with the last whole event.
                Some(Err(error)) if error.is_truncated() => None,
                Some(Err(cause)) => return Err(self.unreadable(cause)),
                None => None,
            };
            self.end = Icount::new(place.icount);
            self.place = place;
            return Ok(());
        }
    }

    fn unreadable(&self, cause: replay_format::Error) -> Error {
        let path = self.path.clone();
        Error::Log { path, cause }
    }

    /// The next event.
    pub(super) fn event(&self) -> Option<Event<'log>> {
        self.head.map(|head| head.event)
    }

    /// Takes the head if it is at `at` and is the `wanted` event. `None`: the log ends here.
    ///
    /// # Errors
    /// A divergence: the machine did what `found` says.
    pub(super) fn take(
        &mut self,
        at: Moment,
        found: &str,
        wanted: impl FnOnce(&Event<'log>) -> bool,
    ) -> Result<Option<Event<'log>>, Error> {
        let Some(head) = self.head else {
            return match at.icount < self.end {
                true => Err(self.diverged(at, found)),
                false => Ok(None),
            };
        };
        if Icount::new(head.icount) != at.icount || !wanted(&head.event) {
            return Err(self.diverged(at, found));
        }
        self.advance()?;
        Ok(Some(head.event))
    }

    /// Takes a reading of the virtual-rt clock, if the head is one.
    pub(super) fn real_time(&mut self) -> Result<Option<i64>, Error> {
        match self.event() {
            Some(Event::Clock {
                clock: Clock::VirtualRt,
                value,
            }) => {
                self.advance()?;
                Ok(Some(value))
            }
            _ => Ok(None),
        }
    }

    /// The divergence of a head that does not fit the machine's event at `at`.
    pub(super) fn diverged(&self, at: Moment, found: impl Into<String>) -> Error {
        let expected = match &self.head {
            Some(head) if Icount::new(head.icount) == at.icount => describe(&head.event),
            Some(head) => format!("{} at icount {}", describe(&head.event), head.icount),
            None => format!("the log to go on to icount {}", self.end),
        };
        Box::new(Divergence {
            at,
            event: self.head.map(|head| head.index),
            offset: self.head.map(|head| head.offset),
            expected,
            found: found.into(),
            instruction: None,
        })
        .into()
    }
}
