//! What a recording holds to check its replay by, and what no replay of it can show.
//!
//! A recording that was finished has a digest of its last state, and a checksum of its log. If one
//! of them is missing, a replay without a divergence is no proof: behind the last state digest an
//! input may have changed, and without a checksum of the log so may one that leaves no trace in the
//! state.

use crate::error::Error;
use crate::recording::Recording;
use crate::recording::digests::Digests;
use machine::Icount;
use serde::{Deserialize, Serialize};

/// What a recording holds to check its replay by. The default is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The instruction count of the last state digest along the run; the recording's start if it
    /// has none.
    pub vouched: Icount,
    /// True if there is a digest of the last state.
    pub last_state: bool,
    /// True if there is a checksum of the log.
    pub log: bool,
    /// The number of state digests along the run that should be there, and are not.
    pub missing: u64,
}

/// The part of a run that could not be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchecked {
    /// Everything behind this instruction count: no digest of a later state was recorded.
    Behind(Icount),
    /// Inputs that leave no trace in the state: the log has no checksum.
    Log,
    /// The states on the way, where this number of digests is missing.
    Digests(u64),
}

impl Evidence {
    /// The evidence in these digests, for a run from `from` that ended at `to`. `interval`: the
    /// number of instructions from one digest to the next, from 1.
    fn of(digests: &Digests, interval: u64, (from, to): (Icount, Icount)) -> Self {
        let reached = |at: &Icount| *at > from && *at <= to;
        let along = digests.along().iter().map(|(at, _)| *at).filter(reached);
        let (found, last) = along.fold((0, from), |(found, _), at| (found + 1, at));
        // Of a part of the run, only its own digests.
        let end = digests.last().map_or(last, |(end, _)| end.min(to));
        let number = |at: Icount| at.get() / interval;
        let due = number(end).saturating_sub(number(from));
        Self {
            vouched: last,
            last_state: digests.last().is_some(),
            log: digests.has_log(),
            missing: due.saturating_sub(found),
        }
    }

    /// The instruction count behind which nothing vouches for a part of the run that starts at
    /// `from`; `None`: the whole run was checked.
    pub(crate) fn behind(&self, from: Icount) -> Option<Icount> {
        self.unchecked().map(|unchecked| match unchecked {
            Unchecked::Behind(icount) => icount.max(from),
            Unchecked::Log | Unchecked::Digests(_) => from,
        })
    }

    /// What a replay could not check that met no difference up to the end of the run; `None`: it
    /// has checked everything.
    pub fn unchecked(&self) -> Option<Unchecked> {
        match self {
            Self {
                last_state: false, ..
            } => Some(Unchecked::Behind(self.vouched)),
            Self { log: false, .. } => Some(Unchecked::Log),
            Self { missing: 0, .. } => None,
            Self { missing, .. } => Some(Unchecked::Digests(*missing)),
        }
    }
}

impl Recording {
    /// What the recording holds to check a replay by that ended at the instruction count `end`.
    ///
    /// # Errors
    /// If the digests cannot be read.
    pub fn evidence(&self, end: Icount) -> Result<Evidence, Error> {
        let slice = self.manifest.slice.as_ref();
        let from = slice.map_or(Icount::ZERO, |range| range.from);
        let interval = self.manifest.digest_interval.max(1);
        let found = Evidence::of(&self.digests()?, interval, (from, end));
        // A slice is no better than what it is a part of.
        let of_parent = self.seal()?.and_then(|seal| seal.vouched);
        Ok(match of_parent {
            Some(vouched) => Evidence {
                vouched: found.vouched.min(vouched),
                last_state: false,
                ..found
            },
            None => found,
        })
    }

    /// The zeroes that a crash of the system has left at the end of the log, as the error of
    /// reading on.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn zeroes(&self) -> Result<Option<replay_format::Error>, Error> {
        let bytes = self.map_log()?;
        let log = self.log(&bytes)?;
        let zeroes =
            |error: &&replay_format::Error| matches!(error, replay_format::Error::Zeroes { .. });
        Ok(log.error().filter(zeroes).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::digests::DigestWriter;
    use crate::recording::log_file::DiskFile;
    use machine::Digest;
    use std::path::Path;

    /// Digests of the states at these counts, of the last state, and of the log.
    fn digests(along: &[u64], last: Option<u64>, log: bool) -> Digests {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digests.bin");
        let file = std::fs::File::create(&path).unwrap();
        let mut writer =
            DigestWriter::create(path.clone(), Box::new(DiskFile::new(file, false))).unwrap();
        for at in along {
            writer.add(Icount::new(*at), Digest::new(1)).unwrap();
        }
        if let Some(last) = last {
            writer.add_last(Icount::new(last), Digest::new(2)).unwrap();
        }
        if log {
            writer.add_log(b"log").unwrap();
        }
        writer.finish().unwrap();
        Digests::parse(Path::new("d"), &std::fs::read(&path).unwrap()).unwrap()
    }

    #[track_caller]
    fn check(
        (along, last, log): (&[u64], Option<u64>, bool),
        (from, to): (u64, u64),
        expected: Option<Unchecked>,
    ) {
        let range = (Icount::new(from), Icount::new(to));
        let found = Evidence::of(&digests(along, last, log), 10, range).unchecked();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_finished_recording_is_checked_as_a_whole() {
        check((&[10, 20], Some(25), true), (0, 25), None);
        check((&[10, 20], Some(20), true), (0, 20), None);
        check((&[], Some(9), true), (0, 9), None);
        check((&[], Some(0), true), (0, 0), None);
        // A slice.
        check((&[20, 30], Some(35), true), (15, 35), None);
        check((&[30], Some(35), true), (20, 35), None);
        check((&[], Some(29), true), (20, 29), None);
        // A part of a recording.
        check((&[10, 20, 30], Some(35), true), (5, 22), None);
        // Nothing counts the instructions from one digest to the next but the manifest.
        check((&[], Some(u64::MAX), false), (0, 5), Some(Unchecked::Log));
    }

    #[test]
    fn nothing_vouches_behind_the_last_digest() {
        let behind = |at| Some(Unchecked::Behind(Icount::new(at)));
        check((&[10, 20], None, false), (0, 25), behind(20));
        check((&[], None, false), (0, 25), behind(0));
        check((&[], None, false), (7, 25), behind(7));
        // A killed recording can have digests of states that its log does not reach.
        check((&[10, 20, 30], None, false), (0, 25), behind(20));
        assert_eq!(Evidence::default().unchecked(), behind(0));
    }

    #[test]
    fn a_part_of_the_digests_is_missing() {
        check((&[10, 20], Some(25), false), (0, 25), Some(Unchecked::Log));
        let missing = |count| Some(Unchecked::Digests(count));
        check((&[10], Some(25), true), (0, 25), missing(1));
        check((&[20], Some(25), true), (0, 25), missing(1));
        check((&[], Some(20), true), (0, 20), missing(2));
        check((&[30], Some(35), true), (15, 35), missing(1));
    }
}
