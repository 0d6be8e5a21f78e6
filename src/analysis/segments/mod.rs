//! Segments of a recording. Each can be replayed by itself, so several can be replayed at once, or
//! on several machines.
//!
//! A segment begins at a snapshot (the first one at the start of the recording). It ends at the
//! snapshot where the next one begins (the last one at the end of the recording). The state at its
//! end must have the digest of that snapshot. So segments that replay exactly join to a recording
//! that does. The `snapshot.json` files alone decide which segments there are. If another file of a
//! snapshot is damaged, its segment is replayed from an earlier snapshot.

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
use machine::{Execution, Icount};
use replay_format::Log;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A recording, and the snapshots that divide it into segments.
#[derive(Debug)]
pub struct Segments<'a> {
    recording: &'a Recording,
    /// The instruction count at which the recording starts.
    pub first: Icount,
    /// The instruction count at which it ends.
    pub end: Icount,
    /// The snapshots, by instruction count and place in the log.
    snapshots: Vec<Snapshot>,
    /// Why some snapshots cannot be used.
    pub damaged: Vec<Error>,
}

/// A segment of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The instruction count at which it starts.
    pub from: Icount,
    /// The instruction count at which it ends.
    pub to: Icount,
    /// The snapshot at its start; `None`: the start of the recording.
    pub start: Option<Snapshot>,
    /// The snapshot at its end; `None`: the end of the recording.
    pub stop: Option<Snapshot>,
    /// True for a segment without instructions: there are fewer snapshots than segments.
    pub empty: bool,
}

/// Is told how many instructions are done, of all segments together.
pub type Done<'p> = &'p mut (dyn FnMut(u64) + Send);

/// How segments are replayed.
#[derive(Default)]
pub struct How<'p> {
    /// How instructions are executed. This changes only the speed.
    pub execution: Execution,
    /// Called on the caller's thread with the number of instructions that are done.
    pub progress: Option<Done<'p>>,
    /// Takes the messages for the user.
    pub notes: Notes,
    /// When it is set, the replays end soon.
    pub cancel: Arc<AtomicBool>,
}

/// The result of replaying a segment.
#[derive(Debug)]
pub enum Verdict {
    /// The replay was equal to the recording.
    Same(Replayed),
    /// The replay diverged.
    Diverged(Box<Divergence>),
}

/// A segment that was replayed without a divergence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The instruction count at which it ended.
    pub icount: Icount,
    /// Virtual time there, in ns.
    pub virtual_time: u64,
    /// Digest of the state there, in hexadecimal.
    pub digest: String,
    /// The instruction count at which the replay began. It is before the segment if the segment's
    /// snapshot is damaged.
    pub began: Icount,
    /// The number of digests in the segment that were compared, and equal.
    pub digests: u64,
    /// True if the recording was cut off there.
    pub cut: bool,
}

impl<'a> Segments<'a> {
    /// Finds the snapshots of a recording.
    ///
    /// # Errors
    /// If its files cannot be read.
    pub fn of(recording: &'a Recording) -> Result<Self, Error> {
        let bytes = recording.map_log()?;
        let log_end = Icount::new(recording.log(&bytes)?.end().icount);
        let range = recording.manifest.slice.as_ref();
        let first = range.map_or(Icount::ZERO, |range| range.from);
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

    /// The segment with this number, from 1, if the recording is divided into `of`. Segments are
    /// about equally long, as far as the snapshots allow.
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

    /// The snapshot that is nearest to the end of `part` of `of` equal parts; `None`: the start is
    /// nearest.
    fn nearest(&self, part: u32, of: u32) -> Option<&Snapshot> {
        let len = u128::from(self.end.since(self.first));
        let target = self.first + (len * u128::from(part) / u128::from(of.max(1))) as u64;
        let distance = |snapshot: &Snapshot| snapshot.icount.distance(target);
        let nearer = |snapshot: &&Snapshot| distance(snapshot) < target - self.first;
        let near = self.snapshots.iter().filter(nearer);
        near.min_by_key(|snapshot| distance(snapshot))
    }

    /// The segments between all snapshots, in order.
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

    /// Replays a segment; `None`: the replay was interrupted.
    ///
    /// # Errors
    /// If the recording cannot be replayed.
    pub fn replay(&self, segment: &Segment, how: How<'_>) -> Result<Option<Verdict>, Error> {
        let alone = vec![segment.clone()];
        let found = self.share(alone, NonZeroU16::MIN, how)?;
        Ok(found.and_then(|mut found| found.pop().map(|(_, verdict)| verdict)))
    }

    /// Replays the whole recording, with several replays at once. Returns the segments between all
    /// snapshots, and the result of each; `None`: the replays were interrupted.
    ///
    /// # Errors
    /// If a segment cannot be replayed.
    pub fn side_by_side(
        &self,
        jobs: NonZeroU16,
        how: How<'_>,
    ) -> Result<Option<Vec<(Segment, Verdict)>>, Error> {
        self.share(self.legs(), jobs, how)
    }

    /// Opens the last sound snapshot at the start of a segment or before it; `None`: there is none,
    /// and the replay begins at power-on. Reports why other snapshots are not used.
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
        // A slice has no power-on: it begins at its first snapshot.
        let slice = self.recording.manifest.slice.as_ref().map(|_| FIRST);
        slice
            .map(|name| store.open_checked(name, checked))
            .transpose()
    }
}

/// The identity of a recording: the BLAKE3 of `replay.bin` and then `digests.bin`, in hexadecimal.
///
/// # Errors
/// If the files cannot be read.
pub fn identity(recording: &Recording) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    for file in [LOG, DIGESTS] {
        hasher.update(&MappedFile::open(&recording.path(file))?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}
