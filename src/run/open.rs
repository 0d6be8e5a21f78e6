//! A recording, opened to be replayed.

use crate::error::{Error, RecordingFault};
use crate::host::disk::Disk;
use crate::host::serial::Output;
use crate::recording::digests::Digests;
use crate::recording::{DIGESTS, LOG, MANIFEST, Recording};
use crate::run::drives::Drives;
use crate::run::images::Images;
use crate::run::replay::Replayer;
use crate::run::report::{Finish, Report};
use crate::run::snapshots::Plan;
use machine::Machine;
use replay_format::Log;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How to replay.
#[derive(Debug, Clone, Default)]
pub struct ReplayOptions {
    /// Stop at this instruction count.
    pub until: Option<u64>,
    /// Replay even though images have changed.
    pub changed_images: bool,
    /// Begin at this snapshot.
    pub from: Option<String>,
    /// The snapshots that the replay makes.
    pub plan: Plan,
}

/// A recording that replays can start from, several at once: its images are mapped, and are those
/// that were recorded.
pub(crate) struct OpenRecording<'r> {
    recording: &'r Recording,
    digests: Digests,
    images: Images,
}

impl<'r> OpenRecording<'r> {
    /// Opens what a recording was started from, and checks that it is that; `changed` allows other
    /// images. The disks are checked by [`ImageCheck`].
    ///
    /// # Errors
    /// Whatever keeps it from starting.
    pub(crate) fn new(recording: &'r Recording, changed: bool) -> Result<(Self, Vec<Disk>), Error> {
        let options = &recording.manifest.machine;
        options
            .check()
            .map_err(|fault| Error::recording(&recording.path(MANIFEST), fault))?;
        let digests = recording.digests()?;
        let disks = Drives::replay(recording)?.open(None)?;
        let images = Images::of(recording, changed, &disks)?;
        let opened = Self {
            recording,
            digests,
            images,
        };
        Ok((opened, disks))
    }

    /// The recording.
    pub(crate) fn recording(&self) -> &'r Recording {
        self.recording
    }

    /// A machine at power-on, and a driver that has yet to begin. Once `stop` is set, the run ends.
    ///
    /// # Errors
    /// Whatever keeps it from starting.
    pub(crate) fn switch_on<'l>(
        &self,
        disks: Vec<Disk>,
        log: &'l Log<'l>,
        output: Output,
        stop: &Arc<AtomicBool>,
    ) -> Result<(Machine, Replayer<'l>), Error> {
        let recording = self.recording;
        let machine = self.images.machine(&recording.manifest.machine)?;
        let drives = Drives::replay(recording)?;
        let pool = drives.start(disks)?;
        let (path, digests) = (recording.path(LOG), self.digests.clone());
        let stop = Arc::clone(stop);
        let replayer = Replayer::new(path, log, digests, output, drives, pool, stop);
        Ok((machine, replayer))
    }
}

/// Checks, at the end of a replay that did not diverge, that what was replayed is all that was
/// recorded behind the instruction count `from`.
///
/// # Errors
/// What was lost, or has changed without consequence for the machine.
pub(crate) fn check_whole(
    recording: &Recording,
    log: &[u8],
    from: u64,
    report: &Report,
) -> Result<(), Error> {
    let digests = recording.digests()?;
    let known = digests.behind(from);
    let (icount, checked) = (report.icount, report.digests_checked);
    let path = recording.path(LOG);
    match (report.finish, digests.last()) {
        (Finish::LogCut, Some((end, _))) => {
            let at = icount;
            Err(Error::recording(&path, RecordingFault::CutOff { at, end }))
        }
        (_, Some(_)) if report.whole && !digests.is_of(log) => {
            Err(Error::recording(&path, RecordingFault::LogChanged))
        }
        _ if report.whole && checked != known as u64 => {
            let fault = RecordingFault::DigestsOfRun {
                checked,
                known: known as u64,
                digests: DIGESTS,
                manifest: MANIFEST,
            };
            Err(Error::recording(&recording.path(DIGESTS), fault))
        }
        _ => Ok(()),
    }
}
