//! Chooses the table that a log is read with. FORMAT.md, "Which table", describes the rules.

use std::cmp::Reverse;

use crate::error::Error;
use crate::event::Kind;
use crate::header::Header;
use crate::summary::{Walk, walk};
use crate::version::{ID_BASE, Table, Version};
use crate::zeroes;

/// The order of preference among tables that fit a log equally well: rr's own first, then the most
/// widespread.
const PREFERENCE: [&str; 12] = [
    "7", "12", "10", "13", "8", "9", "7-4.0", "7-3.0", "12-7.1", "6", "5", "11",
];

/// Chooses the table. Returns the walk under it, too.
pub(crate) fn choose(bytes: &[u8], header: &Header) -> Result<(&'static Table, Walk), Error> {
    let mut tables = candidates(header)?;
    // Tables of one version differ in the id of EVENT_END, which is the last byte of a whole log.
    // Trying the one that fits first saves a walk. The sort is stable.
    let last = bytes.last().copied();
    tables.sort_by_key(|table| table.id(Kind::End).map(|(id, _)| id) != last);

    let mut best: Option<(&'static Table, Walk)> = None;
    for table in tables {
        let walked = walk(bytes, table);
        let sure = walked.error.is_none() && walked.implausible.is_none();
        if best
            .as_ref()
            .is_none_or(|(held, found)| rank(table, &walked, bytes) > rank(held, found, bytes))
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
        // QEMU writes the header when the recording ends, so until then all of it is zero.
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

/// The rank of a table: a whole log, then one that is cut, or has zeroes behind it, then others;
/// then the length that is plausible; then bytes after EVENT_END before nonsense; then the order of
/// preference.
fn rank(table: &Table, walk: &Walk, bytes: &[u8]) -> (u8, u64, bool, Reverse<usize>) {
    let state = match &walk.error {
        None => 2,
        Some(Error::Truncated { needed, .. })
            if walk.implausible.is_none() && *needed <= LONGEST_EVENT =>
        {
            1
        }
        Some(Error::Zeroes { behind: 0, .. }) if walk.implausible.is_none() => 1,
        Some(Error::AfterEnd { at, .. }) if zeroes::only(bytes, at.offset) => 1,
        Some(_) => 0,
    };
    let ended = matches!(walk.error, Some(Error::AfterEnd { .. }));
    let place = PREFERENCE.iter().position(|key| *key == table.key());
    let place = Reverse(place.unwrap_or(PREFERENCE.len()));
    (state, walk.plausible_end(), ended, place)
}

/// The longest event that QEMU writes, in bytes: a network packet, whose buffers are 68 KiB. A cut
/// event that claims to be longer is a sign of the wrong table.
pub(crate) const LONGEST_EVENT: u64 = 69 * 1024;

/// True if the log can be an unfinished recording. A file of zeros begins like one, so the first
/// event must make sense, or be the one that is cut.
fn is_credible(walk: &Walk) -> bool {
    let first = walk.summary.end.index > 0 && walk.implausible != Some(crate::HEADER_LEN as u64);
    let cut = walk.summary.end.index == 0 && matches!(walk.error, Some(Error::Truncated { .. }));
    first || cut
}

fn not_a_log(header: &Header) -> Error {
    Error::NotALog {
        first: header.version_id.to_be_bytes().to_vec(),
    }
}
