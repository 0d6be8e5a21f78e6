//! Opens a recording for a replay.

use crate::error::{Error, RecordingFault};
use crate::host::disk::{Disk, DriveOptions};
use crate::host::serial::Output;
use crate::recording::digests::Digests;
use crate::recording::{DIGESTS, LOG, MANIFEST, Recording};
use crate::run::drives::Drives;
use crate::run::images::Images;
use crate::run::replay::Replayer;
use crate::run::report::{Finish, Report};
use crate::run::snapshots::Plan;
use machine::{Icount, Machine};
use replay_format::Log;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The options of a replay.
#[derive(Debug, Clone, Default)]
pub struct ReplayOptions {
    /// Stop at this instruction count.
    pub until: Option<Icount>,
    /// Replay even though images have changed.
    pub changed_images: bool,
    /// Begin at this snapshot.
    pub from: Option<String>,
    /// When the replay takes snapshots.
    pub plan: Plan,
}

/// An open recording, from which several replays can start at once. Its images are mapped, and are
/// the recorded ones.
pub(crate) struct OpenRecording<'r> {
    recording: &'r Recording,
    digests: Digests,
    drives: Drives,
    images: Images,
}

impl<'r> OpenRecording<'r> {
    /// Opens the images of a recording, and checks that they are the recorded ones; `changed`
    /// allows others. [`ImageCheck`] checks the disks.
    ///
    /// # Errors
    /// If the replay cannot be started.
    pub(crate) fn new(recording: &'r Recording, changed: bool) -> Result<(Self, Vec<Disk>), Error> {
        let options = &recording.manifest.machine;
        options
            .check()
            .map_err(|fault| Error::recording(&recording.path(MANIFEST), fault))?;
        let digests = recording.digests()?;
        let drives = Drives::replay(recording)?;
        let disks = drives.open(None)?;
        let images = Images::of(recording, changed, &disks)?;
        let opened = Self {
            recording,
            digests,
            drives,
            images,
        };
        Ok((opened, disks))
    }

    /// The recording.
    pub(crate) fn recording(&self) -> &'r Recording {
        self.recording
    }

    /// The digests of the recording.
    pub(crate) fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The options of the disks, with the places where their images are now.
    pub(crate) fn drives(&self) -> &[DriveOptions] {
        self.drives.options()
    }

    /// Makes a machine at power-on, and a driver that has not begun. Once `stop` is set, the run
    /// ends.
    ///
    /// # Errors
    /// If the replay cannot be started.
    pub(crate) fn switch_on<'l>(
        &self,
        disks: Vec<Disk>,
        log: &'l Log<'l>,
        output: Output,
        stop: &Arc<AtomicBool>,
    ) -> Result<(Machine, Replayer<'l>), Error> {
        let recording = self.recording;
        let machine = self.images.machine(&recording.manifest.machine)?;
        let drives = self.drives.clone();
        let pool = drives.start(disks)?;
        let (path, digests) = (recording.path(LOG), self.digests.clone());
        let stop = Arc::clone(stop);
        let replayer = Replayer::new(path, log, digests, output, drives, pool, stop);
        Ok((machine, replayer))
    }
}

/// Checks, after a replay without a divergence, that the replay has met everything that was
/// recorded after the instruction count `from`.
///
/// # Errors
/// If a part of the recording is missing, or has changed without effect on the machine.
pub(crate) fn check_whole(
    recording: &Recording,
    digests: &Digests,
    log: &[u8],
    from: Icount,
    report: &Report,
) -> Result<(), Error> {
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
