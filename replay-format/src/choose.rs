//! Which table a log is to be read by. FORMAT.md, "Which table", is the description.

use std::cmp::Reverse;

use crate::error::Error;
use crate::event::Kind;
use crate::header::Header;
use crate::summary::{Walk, walk};
use crate::version::{ID_BASE, Table, Version};

/// The tables in the order in which they are preferred where a log does not tell: rr's own, then
/// the most widespread first.
const PREFERENCE: [&str; 12] = [
    "7", "12", "10", "13", "8", "9", "7-4.0", "7-3.0", "12-7.1", "6", "5", "11",
];

/// Chooses the table; the walk under it comes along.
pub(crate) fn choose(bytes: &[u8], header: &Header) -> Result<(&'static Table, Walk), Error> {
    let mut tables = candidates(header)?;
    // Tables that share a version differ in the id of EVENT_END, which is the last byte of a whole
    // log. Trying the one that fits first saves a walk; the sort is stable.
    let last = bytes.last().copied();
    tables.sort_by_key(|table| table.id(Kind::End).map(|(id, _)| id) != last);

    let mut best: Option<(&'static Table, Walk)> = None;
    for table in tables {
        let walked = walk(bytes, table);
        let sure = walked.error.is_none() && walked.implausible.is_none();
        if best
            .as_ref()
            .is_none_or(|(held, found)| rank(table, &walked) > rank(held, found))
        {
            best = Some((table, walked));
        }
        if sure {
            break;
        }
    }
    let Some((table, walk)) = best else {
        return Err(Error::UnknownVersion {
            id: header.version_id,
        });
    };
    if header.is_unfinished() && !is_credible(&walk) {
        return Err(not_a_log(header));
    }
    Ok((table, walk))
}

fn candidates(header: &Header) -> Result<Vec<&'static Table>, Error> {
    let preferred = || PREFERENCE.iter().filter_map(|key| Table::from_key(key));
    if header.is_unfinished() {
        // QEMU skips the header of a recording that is under way, so all of it is zero.
        return match header.reserved {
            [0, 0, 0, 0, 0, 0, 0, 0] => Ok(preferred().collect()),
            _ => Err(not_a_log(header)),
        };
    }
    match Version::from_id(header.version_id) {
        Some(version) => Ok(preferred()
            .filter(|table| table.version() == version)
            .collect()),
        None if header.version_id & 0xffff_ff00 == ID_BASE => Err(Error::UnknownVersion {
            id: header.version_id,
        }),
        None => Err(not_a_log(header)),
    }
}

/// Whole before merely cut before neither; then how far it reads plausibly; then bytes behind
/// EVENT_END before nonsense; then preference.
fn rank(table: &Table, walk: &Walk) -> (u8, u64, bool, Reverse<usize>) {
    let state = match &walk.error {
        None => 2,
        Some(Error::Truncated { needed, .. })
            if walk.implausible.is_none() && *needed <= LONGEST_EVENT =>
        {
            1
        }
        Some(_) => 0,
    };
    let ended = matches!(walk.error, Some(Error::AfterEnd { .. }));
    let place = PREFERENCE.iter().position(|key| *key == table.key());
    let place = Reverse(place.unwrap_or(PREFERENCE.len()));
    (state, walk.plausible_end(), ended, place)
}

/// A cut event that claims to be longer is a sign of the wrong table. The longest that QEMU writes
/// is a network packet, and its network buffers are 68 KiB.
const LONGEST_EVENT: u64 = 69 * 1024;

/// Any file of zeros begins like an unfinished recording: at least its first event must make sense,
/// or be the one that is cut.
fn is_credible(walk: &Walk) -> bool {
    let first = walk.summary.end.index > 0 && walk.implausible != Some(crate::HEADER_LEN as u64);
    let cut = walk.summary.end.index == 0 && walk.error.as_ref().is_some_and(Error::is_truncated);
    first || cut
}

fn not_a_log(header: &Header) -> Error {
    Error::NotALog {
        first: header.version_id.to_be_bytes().to_vec(),
    }
}
