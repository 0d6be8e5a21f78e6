//! The summary of a log: events and bytes of each kind, and instructions.
//!
//! This walk is the fast path. It skips events of a fixed length by the table's lengths alone, and
//! decodes only the others. [`Log::parse`](crate::Log::parse) does it once, to choose the table.

use std::ops::Range;

use crate::error::{Error, Position};
use crate::event::{Event, Kind};
use crate::header::HEADER_LEN;
use crate::read::{after_end, step};
use crate::values::ShutdownCause;
use crate::version::Table;
use crate::zeroes;

/// The content of the whole events of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The number of events of each kind, by [`Kind::index`].
    pub events: [u64; Kind::COUNT],
    /// Their lengths in bytes, ids included, by [`Kind::index`]. The header is not counted.
    pub bytes: [u64; Kind::COUNT],
    /// The end of the whole events: bytes (the header included), events and instructions before it.
    pub end: Position,
}

impl Summary {
    /// The number of events of this kind.
    pub fn events_of(&self, kind: Kind) -> u64 {
        self.events.get(kind.index()).copied().unwrap_or(0)
    }

    /// The bytes of the events of this kind.
    pub fn bytes_of(&self, kind: Kind) -> u64 {
        self.bytes.get(kind.index()).copied().unwrap_or(0)
    }

    /// The number of instructions in the log.
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

/// The result of a walk with one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) summary: Summary,
    /// Why the walk stopped before a proper end.
    pub(crate) error: Option<Error>,
    /// Byte offset of the first event that QEMU never writes, if there is one.
    pub(crate) implausible: Option<u64>,
}

impl Walk {
    /// The byte offset up to which the log looks like one of QEMU, or of rr.
    pub(crate) fn plausible_end(&self) -> u64 {
        self.implausible.unwrap_or(self.summary.end.offset)
    }
}

/// The longest fixed event has 9 bytes. A window of 16 lets the loop read without a check each
/// time.
const WINDOW: usize = 16;

/// Walks the events after the header, up to the zeroes that a crash of the system has left.
pub(crate) fn walk(bytes: &[u8], table: &Table) -> Walk {
    let (walked, zeroes) = walk_to_zeroes(bytes, table);
    let zeroes = zeroes.or_else(|| zeroes::in_cut_event(bytes, walked.error.as_ref()));
    let Some(zeroes) = zeroes else {
        return walked;
    };
    // An event that reaches into the zeroes is not whole.
    let content = bytes.get(..zeroes.start).unwrap_or_default();
    let (sound, _) = walk_to_zeroes(content, table);
    let error = Error::Zeroes {
        at: sound.summary.end,
        zeroes: zeroes.len() as u64,
        behind: (bytes.len() - zeroes.end) as u64,
    };
    Walk {
        error: Some(error),
        ..sound
    }
}

/// Walks the events after the header. It stops at zeroes that a crash has left, and returns where
/// they are. The last event can reach into them.
fn walk_to_zeroes(bytes: &[u8], table: &Table) -> (Walk, Option<Range<usize>>) {
    let mut summary = Summary::empty();
    let mut by_id = [0u64; 256];
    let (mut implausible, mut zeroes) = (None, None);
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
                if matches!(event, Event::Instruction { count: 0 }) {
                    zeroes = zeroes::around(bytes, at.offset - len);
                    if zeroes.is_some() {
                        break None;
                    }
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
    let walked = Walk {
        summary,
        error,
        implausible,
    };
    (walked, zeroes)
}

/// True for an event that can be read, but that QEMU never writes: a sign of the wrong table. Such
/// an event must not have a fixed length, unless the fast walk stops at it.
fn is_implausible(event: &Event<'_>) -> bool {
    match *event {
        // QEMU writes no event for zero instructions.
        Event::Instruction { count } => count == 0,
        // `Max` is the number of causes, and no cause.
        Event::Shutdown(cause) => cause == ShutdownCause::Max,
        // The place is in a ring buffer of some thousand samples.
        Event::AudioIn { write_position, .. } => write_position.is_some_and(|at| at >> 32 != 0),
        _ => false,
    }
}

/// Skips events by their fixed lengths, until one must be decoded, or the end is near.
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
        // About every second event is this one. The branch predictor's guess is faster than a
        // length that the next step must wait for.
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
