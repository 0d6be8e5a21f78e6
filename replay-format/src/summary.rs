//! The fold over a log: how many events and bytes of each kind, and how many instructions.
//!
//! This walk is the fast path. It steps over events of a fixed length by the table's lengths alone,
//! and decodes only the others. [`Log::parse`](crate::Log::parse) makes it once, to choose the
//! table.

use crate::error::{Error, Position};
use crate::event::{Event, Kind};
use crate::header::HEADER_LEN;
use crate::read::{after_end, step};
use crate::values::ShutdownCause;
use crate::version::Table;

/// What is in the whole events of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Events of each kind, by [`Kind::index`].
    pub events: [u64; Kind::COUNT],
    /// Their bytes, ids included, by [`Kind::index`]; the header is not in it.
    pub bytes: [u64; Kind::COUNT],
    /// Where the whole events end: all bytes (header included), events and instructions before
    /// that.
    pub end: Position,
}

impl Summary {
    /// Events of this kind.
    pub fn events_of(&self, kind: Kind) -> u64 {
        self.events.get(kind.index()).copied().unwrap_or(0)
    }

    /// Bytes of the events of this kind.
    pub fn bytes_of(&self, kind: Kind) -> u64 {
        self.bytes.get(kind.index()).copied().unwrap_or(0)
    }

    /// Instructions in the log.
    pub fn instructions(&self) -> u64 {
        self.end.icount
    }

    /// The kinds that occur, with their events and bytes, in the order of the ids.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, u64, u64)> + '_ {
        let row = |&kind: &Kind| (kind, self.events_of(kind), self.bytes_of(kind));
        Kind::ALL
            .iter()
            .map(row)
            .filter(|&(_, events, _)| events > 0)
    }

    fn empty() -> Summary {
        let end = Position {
            offset: HEADER_LEN as u64,
            index: 0,
            icount: 0,
        };
        Summary {
            events: [0; Kind::COUNT],
            bytes: [0; Kind::COUNT],
            end,
        }
    }

    fn add(&mut self, kind: Kind, events: u64, bytes: u64) {
        if let (Some(e), Some(b)) = (
            self.events.get_mut(kind.index()),
            self.bytes.get_mut(kind.index()),
        ) {
            *e += events;
            *b += bytes;
        }
    }
}

/// A whole walk under one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) summary: Summary,
    /// Why it stopped before a proper end.
    pub(crate) error: Option<Error>,
    /// Offset of the first event that no QEMU writes, if it came to one.
    pub(crate) implausible: Option<u64>,
}

impl Walk {
    /// How far the log looks like what a QEMU, or rr, wrote.
    pub(crate) fn plausible_end(&self) -> u64 {
        self.implausible.unwrap_or(self.summary.end.offset)
    }
}

/// The longest fixed event is 9 bytes; a window of 16 lets the loop read without a check for each.
const WINDOW: usize = 16;

/// Walks the events behind the header.
pub(crate) fn walk(bytes: &[u8], table: &Table) -> Walk {
    let mut summary = Summary::empty();
    let mut by_id = [0u64; 256];
    let mut implausible = None;
    let mut at = summary.end;
    let error = loop {
        let rest = usize::try_from(at.offset)
            .ok()
            .and_then(|o| bytes.get(o..))
            .unwrap_or(&[]);
        at = fixed_events(rest, table, at, &mut by_id);
        let rest = usize::try_from(at.offset)
            .ok()
            .and_then(|o| bytes.get(o..))
            .unwrap_or(&[]);
        match step(rest, table, &mut at) {
            Ok((event, len)) => {
                let kind = event.kind();
                let len = len as u64;
                summary.add(kind, 1, len);
                if is_implausible(&event) {
                    implausible = implausible.or(Some(at.offset - len));
                }
                if kind == Kind::End {
                    break after_end(bytes, at);
                }
            }
            Err(error) => break Some(error),
        }
    };
    for (id, &events) in (0u8..=255).zip(&by_id) {
        if let (1.., Some(kind)) = (events, table.kind(id)) {
            let len = table.fixed.get(usize::from(id)).copied().unwrap_or(0);
            summary.add(kind, events, events * u64::from(len));
        }
    }
    summary.end = at;
    Walk {
        summary,
        error,
        implausible,
    }
}

/// What can be read, and yet no QEMU writes: a sign of the wrong table. Such an event must not be
/// of a fixed length, or the fast walk must stop at it.
fn is_implausible(event: &Event<'_>) -> bool {
    match *event {
        // QEMU leaves out the event if there were no instructions.
        Event::Instruction { count } => count == 0,
        // The end of the causes, not one of them.
        Event::Shutdown(cause) => cause == ShutdownCause::Max,
        // A place in a ring buffer of some thousand samples.
        Event::AudioIn { write_position, .. } => write_position.is_some_and(|at| at >> 32 != 0),
        _ => false,
    }
}

/// Steps over events by their fixed length until one needs a closer look, or the end is near.
#[inline]
fn fixed_events(rest: &[u8], table: &Table, at: Position, by_id: &mut [u64; 256]) -> Position {
    let instruction = table.id(Kind::Instruction).map_or(0, |(id, _)| id);
    let Position {
        offset,
        mut index,
        mut icount,
    } = at;
    let mut bytes = rest;
    while let Some(&[id, a, b, c, d, ..]) = bytes.first_chunk::<WINDOW>() {
        // Every second event or so is this one: a guess of the branch predictor is quicker than a
        // length that the next step has to wait for.
        let next = if id == instruction {
            let count = u32::from_be_bytes([a, b, c, d]);
            let (sum, overflow) = icount.overflowing_add(count.into());
            if overflow || count == 0 {
                break;
            }
            icount = sum;
            5
        } else {
            usize::from(table.fixed[usize::from(id)])
        };
        if next == 0 {
            break;
        }
        by_id[usize::from(id)] += 1;
        index += 1;
        bytes = bytes.get(next..).unwrap_or(&[]);
    }
    let offset = offset + (rest.len() - bytes.len()) as u64;
    Position {
        offset,
        index,
        icount,
    }
}
