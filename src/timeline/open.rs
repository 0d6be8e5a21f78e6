//! Opens timelines.

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
use machine::{Execution, Icount};
use replay_format::Log;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// Where a timeline keeps its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// In a temporary folder, which is removed with the timeline.
    Scratch,
    /// In the recording, among its snapshots.
    Recording,
    /// In this directory, as snapshots without a parent in the recording.
    In(PathBuf),
}

/// The options of a timeline.
pub struct Options<'l> {
    /// Where the checkpoints are kept.
    pub keep: Keep,
    /// Compare the recorded digests on the way.
    pub compare: bool,
    /// How instructions are executed. This changes only the speed.
    pub execution: Execution,
    /// When it is set, work in progress ends soon, with [`Error::Cancelled`].
    pub cancel: Arc<AtomicBool>,
    /// Called with the instruction count from time to time.
    pub progress: Option<Progress<'l>>,
    /// Takes the messages for the user.
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
    /// The same options with a shorter lifetime.
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
    /// Opens a recording, and checks that its images are the recorded ones. The check of the disks
    /// goes on during the replay. The timeline is at no place until it first goes to one.
    ///
    /// # Errors
    /// If the recording cannot be replayed.
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

    /// As [`Timeline::open`], for an open recording whose images the caller checks.
    ///
    /// # Errors
    /// As for [`Timeline::open`].
    pub(crate) fn of(
        opened: &OpenRecording<'_>,
        disks: Vec<Disk>,
        log: &'l Log<'l>,
        options: Options<'l>,
    ) -> Result<Self, Error> {
        let recording = opened.recording();
        let (scratch, store) = match &options.keep {
            Keep::Scratch => {
                let scratch = scratch()?;
                let store = Store::of_writer(scratch.path());
                (Some(scratch), store)
            }
            Keep::Recording => (None, Store::of(recording.dir())),
            Keep::In(dir) => (None, Store::of_writer(dir)),
        };
        let recorded = (options.keep != Keep::Recording).then(|| Store::of(recording.dir()));
        let (mut machine, driver) =
            opened.switch_on(disks, log, Output::null(), &options.cancel)?;
        machine.set_execution(options.execution);
        machine.set_kick(Arc::clone(&options.cancel));
        let drives = opened.drives();
        let snapshotter = Snapshotter::new(store, drives, Plan::default(), &mut machine)?;
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
            recorded_until: Icount::MAX,
            began: Icount::ZERO,
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

/// Replays a recording from its start to its end, and compares every digest.
///
/// # Errors
/// If the replay diverges, or the recording cannot be replayed.
pub(crate) fn verify(recording: &Recording, options: Options<'_>) -> Result<Report, Error> {
    let bytes = recording.map_log()?;
    let log = recording.whole_log(&bytes)?;
    let mut timeline = Timeline::open(recording, &log, options.shorter())?;
    let slice = recording.manifest.slice.as_ref();
    timeline.goto(Place::at(slice.map_or(Icount::ZERO, |range| range.from)))?;
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
