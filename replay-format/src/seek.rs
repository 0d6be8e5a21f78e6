//! Seeks in a log. Events of a fixed length are skipped by their length alone, as in the summary.

use crate::error::Error;
use crate::event::Kind;
use crate::read::{Log, step};
use crate::version::Table;
use crate::{HEADER_LEN, Position};

/// A place to seek, by one coordinate of a [`Position`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seek {
    /// The last boundary between two events at or before this byte offset.
    Offset(u64),
    /// The place before the event with this index.
    Event(u64),
    /// The place before the first event whose icount is at least this.
    Icount(u64),
}

impl Log<'_> {
    /// Finds a place from the start of the log. If the log ends before it, or cannot be read so
    /// far, this is the place after the last whole event.
    pub fn seek(&self, to: Seek) -> Position {
        forward(self.content().0, self.table(), self.start(), to)
    }

    /// Finds a place from a known position on, as [`Index`](crate::Index) gives it. If the place is
    /// before it, this is `from` itself.
    ///
    /// # Errors
    /// [`Error::BadOffset`] if the position is not in this log.
    pub fn seek_from(&self, from: Position, to: Seek) -> Result<Position, Error> {
        let (bytes, _) = self.content();
        let len = bytes.len() as u64;
        if !(HEADER_LEN as u64..=len).contains(&from.offset) {
            let offset = from.offset;
            return Err(Error::BadOffset { offset, len });
        }
        Ok(forward(bytes, self.table(), from, to))
    }
}

/// The last place where a skipped event may end.
#[derive(Debug, Clone, Copy)]
struct Limit {
    offset: u64,
    index: u64,
    icount: u64,
}

impl Limit {
    /// `None` if no event may be skipped.
    fn of(to: Seek) -> Option<Limit> {
        let (mut offset, mut index, mut icount) = (u64::MAX, u64::MAX, u64::MAX);
        match to {
            Seek::Offset(at) => offset = at,
            Seek::Event(at) => index = at,
            Seek::Icount(at) => icount = at.checked_sub(1)?,
        }
        Some(Limit {
            offset,
            index,
            icount,
        })
    }

    fn allows(&self, at: &Position) -> bool {
        at.offset <= self.offset && at.index <= self.index && at.icount <= self.icount
    }
}

fn forward(bytes: &[u8], table: &Table, from: Position, to: Seek) -> Position {
    let mut at = from;
    let Some(limit) = Limit::of(to) else {
        return at;
    };
    // Nothing after EVENT_END is read.
    loop {
        at = fixed_events(rest(bytes, &at, &limit), table, at, &limit);
        let mut next = at;
        let whole = usize::try_from(at.offset).ok().and_then(|o| bytes.get(o..));
        match step(whole.unwrap_or_default(), table, &mut next) {
            Ok((event, _)) if limit.allows(&next) => {
                at = next;
                if event.kind() == Kind::End {
                    return at;
                }
            }
            _ => return at,
        }
    }
}

/// The bytes for the fast walk: up to the limit.
fn rest<'a>(bytes: &'a [u8], at: &Position, limit: &Limit) -> &'a [u8] {
    let end = usize::try_from(limit.offset).unwrap_or(usize::MAX);
    let start = usize::try_from(at.offset).unwrap_or(usize::MAX);
    bytes.get(start..end.min(bytes.len())).unwrap_or_default()
}

/// Bytes that the walk reads at once. The longest event of a fixed length is shorter.
const WINDOW: usize = 16;

fn fixed_events(rest: &[u8], table: &Table, at: Position, limit: &Limit) -> Position {
    let instruction = table.id(Kind::Instruction).map_or(0, |(id, _)| id);
    let (mut index, mut icount, mut bytes) = (at.index, at.icount, rest);
    while let Some(&[id, a, b, c, d, ..]) = bytes.first_chunk::<WINDOW>() {
        if index >= limit.index {
            break;
        }
        let next = if id == instruction {
            let (sum, overflow) = icount.overflowing_add(u32::from_be_bytes([a, b, c, d]).into());
            if overflow || sum > limit.icount {
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
        index += 1;
        bytes = bytes.get(next..).unwrap_or_default();
    }
    Position {
        offset: at.offset + (rest.len() - bytes.len()) as u64,
        index,
        icount,
    }
}
