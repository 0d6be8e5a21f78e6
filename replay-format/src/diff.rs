//! Differences between two logs, aligned on the instruction count.
//!
//! Events are compared with their icounts. `EVENT_INSTRUCTION` is left out, because it only says
//! how far it is to the next event. Where both logs have different events at one icount, as many of
//! them as possible are matched.

use std::collections::VecDeque;

use crate::error::Position;
use crate::event::{Event, Kind};
use crate::header::HEADER_LEN;
use crate::read::{Events, Log, Record};
use crate::summary::{Summary, walk};

/// A step of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Both logs have the event, at the same icount.
    Both(Record<'a>, Record<'a>),
    /// Only the first log has the event.
    First(Record<'a>),
    /// Only the second log has the event.
    Second(Record<'a>),
}

/// Compares two logs: an iterator over the [`Edit`]s, which begins shortly before the first
/// difference. Its memory does not grow with the logs.
#[derive(Debug, Clone)]
pub struct Diff<'a> {
    first: Side<'a>,
    second: Side<'a>,
    skipped: Skipped,
    /// The edits of the present icount that are not returned yet.
    ready: VecDeque<Edit<'a>>,
}

/// The common start of both logs, which is equal byte for byte and is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// The place where the iterator begins, in both logs.
    pub to: Position,
    /// The skipped events of the compared kinds, by [`Kind::index`].
    pub events: [u64; Kind::COUNT],
}

/// Bytes before the first difference that are not skipped, to give context.
const CONTEXT_BYTES: usize = 16 * 1024;
/// The largest number of events at one icount that are matched at a time; `u8` counts them.
const WINDOW: usize = 64;

impl<'a> Diff<'a> {
    /// Compares the whole events of two logs, which may have different versions.
    pub fn new(first: &Log<'a>, second: &Log<'a>) -> Diff<'a> {
        Diff::of_kinds(first, second, [true; Kind::COUNT])
    }

    /// Compares only events of these kinds, by [`Kind::index`].
    pub fn of_kinds(first: &Log<'a>, second: &Log<'a>, kinds: [bool; Kind::COUNT]) -> Diff<'a> {
        let mut kinds = kinds;
        kinds[Kind::Instruction.index()] = false;
        let mut skipped = skip(first, second);
        let counts = skipped.events.iter_mut().zip(&kinds);
        counts
            .filter(|(_, compared)| !**compared)
            .for_each(|(count, _)| *count = 0);
        Diff {
            first: Side::new(first, skipped.to, kinds),
            second: Side::new(second, skipped.to, kinds),
            skipped,
            ready: VecDeque::new(),
        }
    }

    /// The common start of both logs, before the first edit.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Matches the events at the icount of both heads, which differ, so that the most events are
    /// common.
    fn settle(&mut self, icount: u64) {
        let a: Vec<_> = self.first.upto(icount);
        let b: Vec<_> = self.second.upto(icount);
        let common = common_to_come(&a, &b);
        let (mut i, mut j) = (0, 0);
        loop {
            let here = common.get(i).and_then(|row| row.get(j));
            let without = common.get(i + 1).and_then(|row| row.get(j));
            self.ready.push_back(match (a.get(i), b.get(j)) {
                (Some(one), Some(two)) if same(&one.event, &two.event) => {
                    (i, j) = (i + 1, j + 1);
                    Edit::Both(*one, *two)
                }
                // As `diff` does: removed events first, then added ones.
                (Some(one), two) if two.is_none() || here == without => {
                    i += 1;
                    Edit::First(*one)
                }
                (_, Some(two)) => {
                    j += 1;
                    Edit::Second(*two)
                }
                (_, None) => break,
            });
        }
    }
}

/// The largest number of common events from each pair of places on. Equal events are always
/// matched, because that is never worse.
fn common_to_come(a: &[Record<'_>], b: &[Record<'_>]) -> Vec<Vec<u8>> {
    let mut rows = vec![vec![0; b.len() + 1]];
    for one in a.iter().rev() {
        let below = rows.last().cloned().unwrap_or_default();
        let mut row = vec![0; b.len() + 1];
        for (j, two) in b.iter().enumerate().rev() {
            let at = |row: &[u8], j: usize| row.get(j).copied().unwrap_or(0);
            let best = match same(&one.event, &two.event) {
                true => at(&below, j + 1) + 1,
                false => at(&below, j).max(at(&row, j + 1)),
            };
            if let Some(cell) = row.get_mut(j) {
                *cell = best;
            }
        }
        rows.push(row);
    }
    rows.reverse();
    rows
}

impl<'a> Iterator for Diff<'a> {
    type Item = Edit<'a>;

    fn next(&mut self) -> Option<Edit<'a>> {
        if let Some(edit) = self.ready.pop_front() {
            return Some(edit);
        }
        let (a, b) = match (self.first.peek(), self.second.peek()) {
            (None, None) => return None,
            (Some(_), None) => return self.first.take().map(Edit::First),
            (None, Some(_)) => return self.second.take().map(Edit::Second),
            (Some(a), Some(b)) => (a, b),
        };
        if a.icount < b.icount {
            return self.first.take().map(Edit::First);
        }
        if b.icount < a.icount {
            return self.second.take().map(Edit::Second);
        }
        if same(&a.event, &b.event) {
            return Some(Edit::Both(self.first.take()?, self.second.take()?));
        }
        let icount = a.icount;
        self.settle(icount);
        self.ready.pop_front()
    }
}

/// One log, and its next event.
#[derive(Debug, Clone)]
struct Side<'a> {
    /// `None`: at the end, or where the log cannot be read further.
    events: Option<Events<'a>>,
    head: Option<Record<'a>>,
    kinds: [bool; Kind::COUNT],
}

impl<'a> Side<'a> {
    fn new(log: &Log<'a>, at: Position, kinds: [bool; Kind::COUNT]) -> Side<'a> {
        Side {
            events: log.events_at(at).ok(),
            head: None,
            kinds,
        }
    }

    /// The next event.
    #[inline]
    fn peek(&mut self) -> Option<Record<'a>> {
        if self.head.is_none() {
            self.head = self.read();
        }
        self.head
    }

    #[inline]
    fn take(&mut self) -> Option<Record<'a>> {
        self.head.take().or_else(|| self.read())
    }

    #[inline]
    fn read(&mut self) -> Option<Record<'a>> {
        loop {
            match self.events.as_mut()?.next() {
                Some(Ok(record)) if self.kinds[record.event.kind().index()] => return Some(record),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => self.events = None,
            }
        }
    }

    /// Takes the next events at this icount, at most [`WINDOW`].
    fn upto(&mut self, icount: u64) -> Vec<Record<'a>> {
        let mut taken = Vec::new();
        while taken.len() < WINDOW && self.peek().is_some_and(|next| next.icount == icount) {
            taken.extend(self.take());
        }
        taken
    }
}

/// True if two events are equal, apart from fields that one of the versions does not have.
pub fn same(one: &Event<'_>, two: &Event<'_>) -> bool {
    let fits = |one: Option<u64>, two: Option<u64>| one.is_none() || two.is_none() || one == two;
    match (*one, *two) {
        (
            Event::Async {
                checkpoint: a,
                event: x,
            },
            Event::Async {
                checkpoint: b,
                event: y,
            },
        ) => x == y && fits(a.map(|a| a.id().into()), b.map(|b| b.id().into())),
        (
            Event::AudioIn {
                write_position: a,
                frames: x,
                ..
            },
            Event::AudioIn {
                write_position: b,
                frames: y,
                ..
            },
        ) => x == y && fits(a, b),
        (one, two) => one == two,
    }
}

/// Skips the common start, byte for byte.
fn skip(first: &Log<'_>, second: &Log<'_>) -> Skipped {
    let mut common = 0;
    if first.table() == second.table() {
        let events = |log: &Log<'_>| {
            let end = usize::try_from(log.end().offset).unwrap_or(usize::MAX);
            (HEADER_LEN, end)
        };
        let (start, end) = events(first);
        let (_, other) = events(second);
        let one = first.bytes().get(start..end.min(other)).unwrap_or_default();
        let two = second
            .bytes()
            .get(start..end.min(other))
            .unwrap_or_default();
        common = common_prefix(one, two).saturating_sub(CONTEXT_BYTES);
    }
    let bytes = first.bytes().get(..HEADER_LEN + common).unwrap_or_default();
    let Summary { events, end, .. } = walk(bytes, first.table()).summary;
    Skipped { to: end, events }
}

/// The number of bytes that two slices have in common at their start.
fn common_prefix(one: &[u8], two: &[u8]) -> usize {
    const CHUNK: usize = 4096;
    let chunks = one.chunks(CHUNK).zip(two.chunks(CHUNK));
    let equal = chunks.take_while(|(a, b)| a == b).count() * CHUNK;
    let equal = equal.min(one.len()).min(two.len());
    let rest = one.iter().zip(two).skip(equal);
    equal + rest.take_while(|(a, b)| a == b).count()
}

/// How much of two logs is equal, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The numbers of events of each kind, by [`Kind::index`]: in both logs, only in the first,
    /// only in the second.
    pub events: [[u64; Kind::COUNT]; 3],
    /// The number of equal events before the first difference.
    pub before: u64,
    /// The icount of the first difference.
    pub part: Option<u64>,
    /// The icount of the last difference.
    pub last: Option<u64>,
    /// The number of places where the logs differ. Between two places there are equal events.
    pub places: u64,
    /// Where the logs agree again after the last difference: the icount of the first equal event.
    pub meet: Option<u64>,
    /// The number of equal events after the last difference.
    pub tail: u64,
}

impl Tally {
    /// A tally that begins with the common start.
    pub fn new(skipped: &Skipped) -> Tally {
        let both = skipped.events;
        Tally {
            before: both.iter().sum(),
            events: [both, [0; Kind::COUNT], [0; Kind::COUNT]],
            part: None,
            last: None,
            places: 0,
            meet: None,
            tail: 0,
        }
    }

    /// Counts the next step of the comparison.
    #[inline]
    pub fn add(&mut self, edit: &Edit<'_>) {
        let (column, record) = match edit {
            Edit::Both(record, _) => (0, record),
            Edit::First(record) => (1, record),
            Edit::Second(record) => (2, record),
        };
        if let Some(count) = self.events[column].get_mut(record.event.kind().index()) {
            *count += 1;
        }
        if column == 0 {
            match self.part {
                None => self.before += 1,
                Some(_) => self.meet = self.meet.or(Some(record.icount)),
            }
            self.tail += 1;
            return;
        }
        if self.tail > 0 || self.part.is_none() {
            self.places += 1;
        }
        self.tail = 0;
        self.meet = None;
        self.part.get_or_insert(record.icount);
        self.last = Some(record.icount);
    }

    /// The number of events that both logs have.
    pub fn both(&self) -> u64 {
        self.events[0].iter().sum()
    }

    /// The number of events that only the first log has.
    pub fn first(&self) -> u64 {
        self.events[1].iter().sum()
    }

    /// The number of events that only the second log has.
    pub fn second(&self) -> u64 {
        self.events[2].iter().sum()
    }
}
