//! Zeroes at the end of a log: a crash of the system lengthens a file, and loses what was written
//! there.
//!
//! Each five zeroes would read as an `EVENT_INSTRUCTION` of 0 instructions, which nobody writes.
//! Fewer are an event that is cut, as the end of any killed recording may be.

use crate::choose::LONGEST_EVENT;
use crate::error::Error;
use crate::header::HEADER_LEN;

/// The length of a disk's sector, in bytes. So many zeroes at the end of an event that is cut are
/// taken for those of a crash. Fewer may be its content.
const SECTOR: usize = 512;

/// The number of zeroes at the end of the file; `None` if they may be a part of its events.
/// `error`: why a walk over the file has ended. `last`: the offset of the last event of 0
/// instructions that it met.
pub(crate) fn at_end(bytes: &[u8], error: Option<&Error>, last: Option<u64>) -> Option<usize> {
    let Some(Error::Truncated { needed, .. }) = error else {
        return None;
    };
    let content = bytes.get(HEADER_LEN..)?.iter().rev();
    let zeroes = content.take_while(|byte| **byte == 0).count();
    let start = (bytes.len() - zeroes) as u64;
    let events = last.is_some_and(|last| last >= start);
    (events || zeroes >= SECTOR && *needed <= LONGEST_EVENT).then_some(zeroes)
}

/// True if there are only zeroes from this offset on.
pub(crate) fn only(bytes: &[u8], offset: u64) -> bool {
    let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
    rest.is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}
