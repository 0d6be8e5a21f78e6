//! Zeroes in a log: a crash of the system lengthens a file, and loses what was written there, at
//! its end or in blocks before that.
//!
//! Each five zeroes would read as an `EVENT_INSTRUCTION` of 0 instructions, which nobody writes.
//! Fewer are an event that is cut, as the end of any killed recording may be.

use std::ops::Range;

use crate::choose::LONGEST_EVENT;
use crate::error::Error;
use crate::header::HEADER_LEN;

/// The length of a disk's sector, in bytes. A crash loses at least so many, unless they are the
/// last.
const SECTOR: usize = 512;

/// The zeroes around an event of 0 instructions at this offset, if a crash can have left them;
/// `None` if they are too few.
pub(crate) fn around(bytes: &[u8], event: u64) -> Option<Range<usize>> {
    let event = usize::try_from(event).ok()?;
    let (before, behind) = bytes.split_at_checked(event)?;
    let before = before.get(HEADER_LEN..)?;
    let start = event - zeroes(before.iter().rev());
    let end = event + zeroes(behind.iter());
    (end == bytes.len() || end - start >= SECTOR).then_some(start..end)
}

/// The zeroes at the end of a file whose last event is cut, if they are those of a crash. Fewer may
/// be the event's content. `error`: why the walk has ended.
pub(crate) fn in_cut_event(bytes: &[u8], error: Option<&Error>) -> Option<Range<usize>> {
    let Some(Error::Truncated { needed, .. }) = error else {
        return None;
    };
    let zeroes = zeroes(bytes.get(HEADER_LEN..)?.iter().rev());
    let found = zeroes >= SECTOR && *needed <= LONGEST_EVENT;
    found.then_some(bytes.len() - zeroes..bytes.len())
}

/// True if there are only zeroes from this offset on.
pub(crate) fn only(bytes: &[u8], offset: u64) -> bool {
    let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
    rest.is_some_and(|rest| zeroes(rest.iter()) == rest.len())
}

fn zeroes<'b>(bytes: impl Iterator<Item = &'b u8>) -> usize {
    bytes.take_while(|byte| **byte == 0).count()
}
