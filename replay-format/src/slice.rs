//! Slices: the events of a range, as a whole log.

use std::io::{self, Write};

use crate::error::{Error, Position};
use crate::event::{Event, Kind, encode};
use crate::read::Log;
use crate::repair::{end_event, whole_header};
use crate::seek::Seek;
use crate::wire::Encoder;

/// A range of a log. Its instruction counts are those of the log: it begins with the count of all
/// instructions before its first place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice<'l, 'a> {
    log: &'l Log<'a>,
    /// The places before the first event, and after the last.
    events: (Position, Position),
    /// Instruction counts of both ends, which can be inside an `EVENT_INSTRUCTION`.
    icounts: (u64, u64),
}

impl<'l, 'a> Slice<'l, 'a> {
    /// The range from the first event at or after `from` to the last event at `to`. It is empty if
    /// there is none.
    pub fn new(log: &'l Log<'a>, from: Seek, to: Seek) -> Slice<'l, 'a> {
        let end = log.end().icount;
        let start = log.seek(from);
        let behind = log.seek(match to {
            Seek::Offset(_) => to,
            Seek::Event(index) => Seek::Event(index.saturating_add(1)),
            Seek::Icount(icount) => Seek::Icount(icount.saturating_add(1)),
        });
        let icount = |seek, place: Position| match seek {
            Seek::Icount(icount) => icount.min(end),
            _ => place.icount,
        };
        let first = icount(from, start);
        let behind = if behind.offset < start.offset {
            start
        } else {
            behind
        };
        let last = icount(to, behind).max(first);
        Slice {
            log,
            events: (start, behind),
            icounts: (first, last),
        }
    }

    /// The number of the log's events in it. An event that it begins inside of counts too.
    pub fn events(&self) -> u64 {
        self.events.1.index - self.events.0.index
    }

    /// The instruction counts of both ends.
    pub fn icounts(&self) -> (u64, u64) {
        self.icounts
    }

    /// True if the log's own `EVENT_END` is in it.
    pub fn has_end(&self) -> bool {
        let ended = matches!(self.log.error(), None | Some(Error::AfterEnd { .. }));
        ended && self.events.1 == self.log.end() && self.events() > 0
    }

    /// Writes it as a whole log of the same version. Returns its length in bytes.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn write(&self, mut sink: impl Write) -> io::Result<u64> {
        let mut bytes = 0;
        let mut put = |piece: &[u8]| {
            bytes += piece.len() as u64;
            sink.write_all(piece)
        };
        let (first, last) = self.icounts;
        put(&whole_header(self.log.table()).to_bytes())?;
        self.instructions(&mut put, first)?;
        let (mut from, to) = self.events;
        if let Some((icount, behind)) = self.straddling() {
            self.instructions(&mut put, icount - first)?;
            from = behind;
        }
        let ends = usize::try_from(from.offset)
            .ok()
            .zip(usize::try_from(to.offset).ok());
        let events = ends.and_then(|(from, to)| self.log.bytes().get(from..to));
        put(events.unwrap_or_default())?;
        if !self.has_end() {
            self.instructions(&mut put, last.saturating_sub(to.icount.max(first)))?;
            put(&end_event(self.log.table()))?;
        }
        sink.flush()?;
        Ok(bytes)
    }

    /// For a first event that is an `EVENT_INSTRUCTION` across the first place: the icount after
    /// it, and the place after it.
    fn straddling(&self) -> Option<(u64, Position)> {
        let (from, to) = self.events;
        if from.icount >= self.icounts.0 || from.offset >= to.offset {
            return None;
        }
        let mut events = self.log.events_at(from).ok()?;
        let record = events.next()?.ok()?;
        let leads = record.event.kind() == Kind::Instruction;
        leads.then(|| (record.icount, events.position()))
    }

    /// Writes events that count `count` instructions.
    fn instructions(
        &self,
        put: &mut impl FnMut(&[u8]) -> io::Result<()>,
        count: u64,
    ) -> io::Result<()> {
        let mut left = count;
        let mut bytes = Vec::new();
        while left > 0 {
            let count = u32::try_from(left).unwrap_or(u32::MAX);
            bytes.clear();
            let event = Event::Instruction { count };
            // This cannot fail: every table has the event, and it takes any u32.
            let _ = encode(&event, self.log.table(), &mut Encoder::new(&mut bytes));
            put(&bytes)?;
            left -= u64::from(count);
        }
        Ok(())
    }
}
