//! Segments of a recording: each is replayed by itself, so that all can be side by side, or on
//! several machines.
//!
//! A segment goes from a snapshot (the first: from where the recording starts) to the snapshot that
//! the next one starts from (the last: to the end). There the state must have the digest that the
//! snapshot was made with, so segments that replay exactly join to a recording that does. Which
//! segments there are follows from the `snapshot.json` files alone. Where the rest of a snapshot is
//! damaged, its segment is replayed from an earlier one.

mod course;
mod shares;
mod side_by_side;

use crate::divergence::Divergence;
use crate::error::Error;
use crate::host::map::MappedFile;
use crate::notes::Notes;
use crate::recording::place::{Place, up_to};
use crate::recording::snapshot::{Chain, Checked, FIRST, Snapshot, Store};
use crate::recording::{DIGESTS, LOG, Recording};
use crate::timeline::Progress;
use machine::Execution;
use replay_format::Log;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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

/// How segments are replayed.
#[derive(Default)]
pub struct How<'p> {
    /// How instructions are executed: it changes nothing but the speed.
    pub execution: Execution,
    /// Is told how many instructions are done, on the caller's thread.
    pub progress: Option<Progress<'p>>,
    /// Takes remarks for the user.
    pub notes: Notes,
    /// Once it is set, the replays end soon.
    pub cancel: Arc<AtomicBool>,
}

/// What the replay of a segment came to.
#[derive(Debug)]
pub enum Verdict {
    /// Everything was as recorded.
    Same(Replayed),
    /// It diverged.
    Diverged(Box<Divergence>),
}

/// A segment that was replayed without a divergence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The instruction count at which it ended.
    pub icount: u64,
    /// Virtual time there, in ns.
    pub virtual_time: u64,
    /// Digest of the state there, in hexadecimal.
    pub digest: String,
    /// The instruction count at which the replay began: before the segment where the snapshot is
    /// damaged.
    pub began: u64,
    /// Digests in the segment that were compared, and equal.
    pub digests: u64,
    /// The recording is cut off there.
    pub cut: bool,
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

    /// The segment with this number, from 1, where `of` are wanted: they are about as long as each
    /// other, as far as snapshots allow.
    pub fn nth(&self, number: u32, of: u32) -> Segment {
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
    fn nearest(&self, part: u32, of: u32) -> Option<&Snapshot> {
        let len = u128::from(self.end.saturating_sub(self.first));
        let target = self.first + (len * u128::from(part) / u128::from(of.max(1))) as u64;
        let distance = |snapshot: &Snapshot| snapshot.icount.abs_diff(target);
        let nearer = |snapshot: &&Snapshot| distance(snapshot) < target - self.first;
        let near = self.snapshots.iter().filter(nearer);
        near.min_by_key(|snapshot| distance(snapshot))
    }

    /// The segments between all snapshots, which follow on each other.
    fn legs(&self) -> Vec<Segment> {
        let mut stops: Vec<&Snapshot> = self.snapshots.iter().collect();
        stops.dedup_by_key(|snapshot| snapshot.icount);
        let starts = [None].into_iter().chain(stops.iter().copied().map(Some));
        let stops = stops.iter().copied().map(Some).chain([None]);
        let leg = |(start, stop): (Option<&Snapshot>, Option<&Snapshot>)| Segment {
            from: start.map_or(self.first, |start| start.icount),
            to: stop.map_or(self.end, |stop| stop.icount),
            start: start.cloned(),
            stop: stop.cloned(),
            empty: false,
        };
        starts.zip(stops).map(leg).collect()
    }

    /// Replays a segment; `None`: that was interrupted.
    ///
    /// # Errors
    /// Whatever keeps it from being replayed.
    pub fn replay(&self, segment: &Segment, how: How<'_>) -> Result<Option<Verdict>, Error> {
        let alone = vec![segment.clone()];
        let found = self.share(alone, NonZeroU16::MIN, how)?;
        Ok(found.and_then(|mut found| found.pop().map(|(_, verdict)| verdict)))
    }

    /// Replays everything, with so many replays at once. Gives the segments between all snapshots,
    /// and what each came to; `None`: that was interrupted.
    ///
    /// # Errors
    /// Whatever keeps a segment from being replayed.
    pub fn side_by_side(
        &self,
        jobs: NonZeroU16,
        how: How<'_>,
    ) -> Result<Option<Vec<(Segment, Verdict)>>, Error> {
        self.share(self.legs(), jobs, how)
    }

    /// Opens the last snapshot up to the start of a segment whose files are what they were; `None`:
    /// there is none, or it starts where the recording is switched on. Hands over why others are
    /// not used.
    fn sound(
        &self,
        segment: &Segment,
        log: &Log<'_>,
        checked: &Checked,
        damaged: &dyn Fn(&Error),
    ) -> Result<Option<Chain>, Error> {
        let store = Store::of(self.recording.dir());
        if let Some(start) = &segment.start {
            let to = Place::of(start, log);
            for (_, snapshot) in up_to(self.snapshots.clone(), log, to) {
                match store.open_checked(&snapshot.name, checked) {
                    Ok(chain) => return Ok(Some(chain)),
                    Err(error) => damaged(&error),
                }
            }
        }
        // A slice has no power-on.
        let slice = self.recording.manifest.slice.as_ref().map(|_| FIRST);
        slice
            .map(|name| store.open_checked(name, checked))
            .transpose()
    }
}

/// What tells one recording from another: the BLAKE3 of `replay.bin` with `digests.bin` behind it,
/// in hexadecimal.
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
