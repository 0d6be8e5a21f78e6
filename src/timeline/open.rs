//! Opening a timeline.

use super::{Effort, Progress, Timeline};
use crate::error::Error;
use crate::host::disk::Disk;
use crate::host::serial::Output;
use crate::notes::Notes;
use crate::recording::Recording;
use crate::recording::place::Place;
use crate::recording::snapshot::Store;
use crate::run::open::OpenRecording;
use crate::run::report::Report;
use crate::run::snapshots::{Plan, Snapshotter};
use crate::run::vcpu::Vcpu;
use crate::run::verify_images::ImageCheck;
use machine::Execution;
use replay_format::Log;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// Where a timeline keeps its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// In a temporary folder, which is gone with the timeline.
    Scratch,
    /// In the recording, among its snapshots.
    Recording,
    /// In this directory, as snapshots that lie on nothing in the recording.
    In(PathBuf),
}

/// How a timeline is opened.
pub struct Options<'l> {
    /// Where it keeps its checkpoints.
    pub keep: Keep,
    /// The recorded digests are compared on the way.
    pub compare: bool,
    /// How instructions are executed: it changes nothing but the speed.
    pub execution: Execution,
    /// Once it is set, what is under way ends soon, with [`Error::Cancelled`].
    pub cancel: Arc<AtomicBool>,
    /// Is told how far it is.
    pub progress: Option<Progress<'l>>,
    /// Hear what else there is to say.
    pub notes: Notes,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            keep: Keep::Scratch,
            compare: true,
            execution: Execution::default(),
            cancel: Arc::default(),
            progress: None,
            notes: Notes::default(),
        }
    }
}

impl<'l> Options<'l> {
    /// The same for a shorter time.
    pub fn shorter<'s>(self) -> Options<'s>
    where
        'l: 's,
    {
        Options {
            keep: self.keep,
            compare: self.compare,
            execution: self.execution,
            cancel: self.cancel,
            progress: self.progress.map(|progress| progress as _),
            notes: self.notes,
        }
    }
}

impl<'l> Timeline<'l> {
    /// Opens a recording, and checks that its images are those that were recorded; the disks' while
    /// it is already replayed. It is in no state before it first goes to a place.
    ///
    /// # Errors
    /// Whatever keeps it from being replayed.
    pub fn open(
        recording: &Recording,
        log: &'l Log<'l>,
        options: Options<'l>,
    ) -> Result<Self, Error> {
        let (opened, disks) = OpenRecording::new(recording, false)?;
        let image_check =
            ImageCheck::check(recording, &disks, &options.cancel, || {}, &options.notes)?;
        let timeline = Self::of(&opened, disks, log, options)?;
        Ok(Self {
            image_check,
            ..timeline
        })
    }

    /// The same of a recording that is open, whose images somebody else checks.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn of(
        opened: &OpenRecording<'_>,
        disks: Vec<Disk>,
        log: &'l Log<'l>,
        options: Options<'l>,
    ) -> Result<Self, Error> {
        let recording = opened.recording();
        let (scratch, dir) = match options.keep {
            Keep::Scratch => {
                let scratch = scratch()?;
                let dir = scratch.path().to_owned();
                (Some(scratch), dir)
            }
            Keep::Recording => (None, recording.dir().to_owned()),
            Keep::In(dir) => (None, dir),
        };
        let recorded = (dir != recording.dir()).then(|| Store::of(recording.dir()));
        let (mut machine, driver) =
            opened.switch_on(disks, log, Output::null(), &options.cancel)?;
        machine.set_execution(options.execution);
        machine.set_kick(Arc::clone(&options.cancel));
        let drives = recording.drives();
        let snapshotter =
            Snapshotter::new(Store::of(&dir), &drives, Plan::default(), &mut machine)?;
        let slice = recording.manifest.slice.as_ref();
        Ok(Self {
            recording: recording.clone(),
            machine,
            driver,
            vcpu: Vcpu::default(),
            digest_every: match options.compare {
                true => recording.manifest.digest_interval,
                false => u64::MAX,
            },
            slice_end: slice.filter(|range| !range.ends).map(|range| range.to),
            is_slice: slice.is_some(),
            snapshotter,
            recorded,
            recorded_until: u64::MAX,
            began: 0,
            ended: None,
            fresh: true,
            effort: Effort::default(),
            cancel: options.cancel,
            progress: options.progress,
            image_check: None,
            _scratch: scratch,
        })
    }
}

/// Replays a recording from where it begins to its end, and compares every digest.
///
/// # Errors
/// A divergence, and whatever keeps it from being replayed.
pub(crate) fn verify(recording: &Recording, options: Options<'_>) -> Result<Report, Error> {
    let bytes = recording.map_log()?;
    let log = recording.whole_log(&bytes)?;
    let mut timeline = Timeline::open(recording, &log, options.shorter())?;
    let slice = recording.manifest.slice.as_ref();
    timeline.goto(Place::at(slice.map_or(0, |range| range.from)))?;
    let finish = timeline.run_to_end()?;
    timeline.close(finish)
}

fn scratch() -> Result<TempDir, Error> {
    let temporary = std::env::temp_dir();
    tempfile::Builder::new()
        .prefix("rr-timeline-")
        .tempdir()
        .map_err(Error::file(&temporary, "make room for snapshots"))
}
