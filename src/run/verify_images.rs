//! Disk images are measured while the guest runs: a large one takes seconds.
//!
//! A recording is made with the size and the time of the last change of each image in its
//! machine.json, and completed with their BLAKE3 once they are known. One that is killed before
//! that says so when it is replayed.
//!
//! A replay compares size and time before the first instruction. Where the time is another one, it
//! measures before it starts, so that a changed image is refused without a word of the guest's.
//! Where the time is the recorded one, the image is almost certainly the same, and it is measured
//! while the replay runs: a change that hid its time stops the run, and is reported instead of the
//! divergence that it may have led to.

use crate::error::Error;
use crate::host::disk::{Disk, DiskError, Measure};
use crate::host::signals;
use crate::notes::Notes;
use crate::recording::{Image, Recording};
use crate::run::images::named;
use crate::run::report::{Finish, Report};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A wait that is longer is explained.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Images of disks that are being measured, on a thread of its own. Dropping it gives up.
#[derive(Debug)]
pub(crate) struct ImageCheck {
    give_up: Arc<AtomicBool>,
    /// Gives whether all were measured.
    thread: Option<JoinHandle<Result<bool, Error>>>,
    /// Closed when the thread ends.
    done: UnixStream,
    notes: Notes,
}

impl ImageCheck {
    /// Measures the images of a recording that has begun, and completes its machine.json; none:
    /// there are none.
    pub(crate) fn record(
        mut recording: Recording,
        disks: &[Disk],
        notes: &Notes,
    ) -> Result<Option<Self>, Error> {
        if disks.is_empty() {
            return Ok(None);
        }
        Self::start(disks, notes, move |images| recording.complete(images)).map(Some)
    }

    /// Checks the images of a replay; once one is not what was recorded, sets `stop`, and calls
    /// `wake`. Where that is likely, the check is over when this returns. None: there is nothing to
    /// measure.
    pub(crate) fn check(
        recording: &Recording,
        disks: &[Disk],
        stop: &Arc<AtomicBool>,
        wake: impl Fn() + Send + 'static,
        notes: &Notes,
    ) -> Result<Option<Self>, Error> {
        let (mut measured, mut suspicious) = (false, false);
        for image in looked(disks)? {
            let recorded = recording.check_image(&image)?;
            let path = image.path.display();
            if recorded.blake3.is_none() {
                notes.remark(&format!(
                    "{path}: {} was not measured before the recording was killed; its size and the time \
                     of its last change are as recorded, its content is not checked",
                    image.role
                ));
            }
            measured |= recorded.blake3.is_some();
            suspicious |= recorded.modified != image.modified;
        }
        if !measured {
            return Ok(None);
        }
        let stop = Arc::clone(stop);
        let recording = recording.clone();
        let mut image_check = Self::start(disks, notes, move |images| {
            let checked = images
                .iter()
                .try_for_each(|image| recording.check_image(image).map(drop));
            if checked.is_err() {
                stop.store(true, Ordering::Release);
                wake();
            }
            checked
        })?;
        if suspicious {
            image_check.join()?;
        }
        Ok(Some(image_check))
    }

    fn start(
        disks: &[Disk],
        notes: &Notes,
        then: impl FnOnce(Vec<Image>) -> Result<(), Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let jobs = disks
            .iter()
            .map(Disk::measure)
            .collect::<Result<Vec<_>, _>>()?;
        let trouble = || Error::host("start to measure the disk images");
        let give_up = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&give_up);
        let (done, ended) = UnixStream::pair().map_err(trouble())?;
        let work = move || {
            let _ended: UnixStream = ended;
            match measured(&jobs, &stop)? {
                Some(images) => then(images).map(|()| true),
                None => Ok(false),
            }
        };
        let thread = std::thread::Builder::new().name("rr-measure".to_owned());
        let thread = Some(thread.spawn(work).map_err(trouble())?);
        Ok(Self {
            give_up,
            thread,
            done,
            notes: notes.clone(),
        })
    }

    /// To be called at the end of a recording: waits until machine.json is complete, or a signal
    /// gives that up.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if !self.wait()? {
            self.notes.remark(
                "stopped by a signal: the disk images were not measured, and a replay will not check their content",
            );
        }
        self.join().map(drop)
    }

    /// What a replay came to, once it is known that its images are those of the recording. A
    /// changed image is the cause of whatever else went wrong. Where the replay stopped early and
    /// all went well, whoever waits wants to see that place soon: with `early` what is not measured
    /// yet stays so, which is told.
    pub(crate) fn settle(
        mut self,
        result: Result<Report, Error>,
        early: bool,
    ) -> Result<Report, Error> {
        let stopped = |report: &Report| {
            matches!(report.finish, Finish::Reached | Finish::Quit) && !report.whole
        };
        if early && result.as_ref().is_ok_and(stopped) {
            self.give_up.store(true, Ordering::Relaxed);
            if !self.join()? {
                self.notes.remark(
                    "stopped before the disk images were measured: their size and the time of their last change \
                     are as recorded, their content is not checked",
                );
            }
            return result;
        }
        let interrupted = |report: &Report| report.finish == Finish::Interrupted;
        if self.vouch(result.as_ref().is_ok_and(interrupted))? {
            return result;
        }
        result.map(|report| Report {
            finish: Finish::Interrupted,
            ..report
        })
    }

    /// Waits until it is known that the images are those of the recording; false if that was given
    /// up: at once where the replay was interrupted, else on a signal.
    pub(crate) fn vouch(mut self, interrupted: bool) -> Result<bool, Error> {
        let known = !interrupted && self.wait()?;
        self.give_up.store(!known, Ordering::Relaxed);
        self.join()?;
        Ok(known)
    }

    /// Waits for the end of the thread; false if a signal came first: then it is told to give up.
    fn wait(&self) -> Result<bool, Error> {
        let trouble = || Error::host("wait until the disk images are measured");
        let signals = signals::catch().map_err(trouble())?;
        let mut patience = Some(&PATIENCE);
        loop {
            let mut fds = [
                PollFd::new(&self.done, PollFlags::IN),
                PollFd::new(&signals, PollFlags::IN),
            ];
            match poll(&mut fds, patience) {
                Ok(0) => {
                    self.notes
                        .remark("measuring the disk images to their end; Ctrl-C gives up");
                    patience = None;
                }
                Ok(_) if !fds[0].revents().is_empty() => return Ok(true),
                Ok(_) => {
                    self.give_up.store(true, Ordering::Relaxed);
                    return Ok(false);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(trouble()(error.into())),
            }
        }
    }

    /// Waits for the end of the thread; whether all were measured.
    fn join(&mut self) -> Result<bool, Error> {
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(true),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for ImageCheck {
    fn drop(&mut self) {
        self.give_up.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Nobody wants to know any more.
            let _ = thread.join();
        }
    }
}

/// What a look at the images tells.
fn looked(disks: &[Disk]) -> Result<Vec<Image>, DiskError> {
    let mut images = Vec::new();
    for (place, disk) in disks.iter().enumerate() {
        images.extend(named(place, disk.look()?));
    }
    Ok(images)
}

fn measured(jobs: &[Measure], stop: &AtomicBool) -> Result<Option<Vec<Image>>, DiskError> {
    let mut images = Vec::new();
    for (place, job) in jobs.iter().enumerate() {
        let Some(files) = job.run(stop)? else {
            return Ok(None);
        };
        images.extend(named(place, files));
    }
    Ok(Some(images))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what is not as expected fails the test"
)]
mod tests;
