//! Segments of a recording: each is replayed by itself, so that all can be side by side, or on several machines.
//!
//! A segment goes from a snapshot (the first: from where the recording starts) to the snapshot that the next one starts from
//! (the last: to the end). There the state must have the digest that the snapshot was made with, so segments that replay
//! exactly join to a recording that does. Which segments there are follows from the `snapshot.json` files alone. Where the rest of a
//! snapshot is damaged, its segment is replayed from an earlier one.

use crate::company::{Company, Progress};
use crate::driver::Finish;
use crate::error::Error;
use crate::host::map::MappedFile;
use crate::host::serial::Backend;
use crate::launch::{ReplayHow, replay};
use crate::recording::{DIGESTS, LOG, Recording};
use crate::session::Report;
use crate::snapshot::{Snapshot, Store};

/// A recording, and the snapshots at which it can be divided.
#[derive(Debug)]
pub struct Segments<'a> {
    recording: &'a Recording,
    /// The instruction count at which the recording starts.
    pub first: u64,
    /// The one at which it ends.
    pub end: u64,
    /// By instruction count and place in the log.
    snapshots: Vec<Snapshot>,
    /// Why snapshots cannot be used.
    pub damaged: Vec<Error>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The instruction count at which it starts.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// The snapshot that it starts from; `None`: where the recording starts.
    pub start: Option<Snapshot>,
    /// The snapshot at which it ends; `None`: where the recording ends.
    pub stop: Option<Snapshot>,
    /// There is nothing in it: there are fewer snapshots than segments are wanted.
    pub empty: bool,
}

/// A segment that was replayed without a divergence.
#[derive(Debug)]
pub struct Replayed {
    /// What the replay came to.
    pub report: Report,
    /// The instruction count at which it began: before the segment where the snapshot is damaged.
    pub began: u64,
    /// Digests in the segment that were compared, and equal.
    pub digests: u64,
    /// Why snapshots were not used.
    pub damaged: Vec<Error>,
}

impl<'a> Segments<'a> {
    /// Looks what snapshots a recording has.
    ///
    /// # Errors
    /// Those of its files.
    pub fn of(recording: &'a Recording) -> Result<Self, Error> {
        let bytes = recording.map_log()?;
        let log_end = recording.log(&bytes)?.end().icount;
        let range = recording.manifest.slice.as_ref();
        let first = range.map_or(0, |range| range.from);
        let end = range.filter(|range| !range.ends);
        let end = end.map_or(log_end, |range| range.to);
        let (mut snapshots, mut damaged) = (Vec::new(), Vec::new());
        for listed in Store::of(recording.dir()).list()? {
            match listed.snapshot {
                Ok(snapshot) => snapshots.push(snapshot),
                Err(error) => damaged.push(error),
            }
        }
        snapshots.retain(|snapshot| (first + 1..end).contains(&snapshot.icount));
        snapshots.sort_by_key(|snapshot| (snapshot.icount, snapshot.log.offset));
        Ok(Self {
            recording,
            first,
            end,
            snapshots,
            damaged,
        })
    }

    /// The segment with this number, from 1, where `of` are wanted: they are about as long as each other, as far as
    /// snapshots allow.
    pub fn nth(&self, number: u16, of: u16) -> Segment {
        let start = self.nearest(number.saturating_sub(1), of);
        let stop = self.nearest(number, of).filter(|_| number < of);
        let place = |at: Option<&Snapshot>| at.map_or(self.first, |snapshot| snapshot.icount);
        let last = number >= of;
        Segment {
            from: place(start),
            to: if last { self.end } else { place(stop) },
            start: start.cloned(),
            stop: stop.cloned(),
            empty: !last && place(start) == place(stop),
        }
    }

    /// The snapshot that is nearest to the `part`th of `of` equal parts; `None`: the start is.
    fn nearest(&self, part: u16, of: u16) -> Option<&Snapshot> {
        let len = u128::from(self.end.saturating_sub(self.first));
        let target = self.first + (len * u128::from(part) / u128::from(of.max(1))) as u64;
        let distance = |snapshot: &Snapshot| snapshot.icount.abs_diff(target);
        let nearer = |snapshot: &&Snapshot| distance(snapshot) < target - self.first;
        let near = self.snapshots.iter().filter(nearer);
        near.min_by_key(|snapshot| distance(snapshot))
    }

    /// Replays a segment.
    ///
    /// # Errors
    /// A divergence, also from the digest of the snapshot at its end; whatever keeps it from being replayed.
    pub fn replay(&self, segment: &Segment, progress: Progress<'_>) -> Result<Replayed, Error> {
        let (from, damaged) = self.sound(segment);
        let began = from.as_ref().map_or(self.first, |from| from.icount);
        let how = ReplayHow {
            from: from.map(|from| from.name),
            stop: segment.stop.clone(),
            ..ReplayHow::default()
        };
        let company = Company::progress(progress);
        let report = replay(self.recording, &how, &Backend::Null, company)?;
        let digests = self.recording.digests()?;
        let along = |from: u64, to: u64| {
            let known = digests.along().iter();
            known.filter(|(at, _)| (from + 1..=to).contains(at)).count() as u64
        };
        let (checked, known) = (report.digests_checked, along(began, segment.to));
        let before = along(began, segment.from);
        match (&segment.stop, report.finish) {
            (None, _) | (_, Finish::Interrupted) => {}
            (Some(_), Finish::Reached) if checked == known => {}
            (Some(_), Finish::Reached) => {
                let reason = format!(
                    "only {checked} of {known} state digests belong to this run; restore it from a copy"
                );
                return Err(Error::recording(&self.recording.path(DIGESTS), reason));
            }
            (Some(stop), _) => {
                let reason = format!(
                    "ends at icount {}, before the snapshot `{}`; restore it from a copy",
                    report.icount, stop.name
                );
                return Err(Error::recording(&self.recording.path(LOG), reason));
            }
        }
        Ok(Replayed {
            report,
            began,
            digests: checked.saturating_sub(before),
            damaged,
        })
    }

    /// The last snapshot up to the start of a segment whose files are what they were; `None`: there is none, or it starts where
    /// the recording does.
    fn sound(&self, segment: &Segment) -> (Option<Snapshot>, Vec<Error>) {
        let Some(start) = &segment.start else {
            return (None, Vec::new());
        };
        let store = Store::of(self.recording.dir());
        let mut damaged = Vec::new();
        let before = |other: &&Snapshot| {
            (other.icount, other.log.offset) <= (start.icount, start.log.offset)
        };
        for snapshot in self.snapshots.iter().filter(before).rev() {
            match store.open(&snapshot.name) {
                Ok(_) => return (Some(snapshot.clone()), damaged),
                Err(error) => damaged.push(error),
            }
        }
        (None, damaged)
    }
}

/// What tells one recording from another: the BLAKE3 of `replay.bin` with `digests.bin` behind it, in hexadecimal.
///
/// # Errors
/// Those of the files.
pub fn identity(recording: &Recording) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    for file in [LOG, DIGESTS] {
        hasher.update(&MappedFile::open(&recording.path(file))?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}
