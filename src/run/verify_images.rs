//! Hashes disk images while the guest runs, because a large image takes seconds.
//!
//! A recording begins with the size and the time of the last change of each image in its
//! machine.json. Their BLAKE3 is added when it is known. If a recording is killed before that, its
//! replay says so.
//!
//! A replay compares size and time before the first instruction. If the time differs, it hashes the
//! image before it starts, so that a changed image is refused before the guest prints anything. If
//! the time is the recorded one, the image is almost certainly the same, and it is hashed while the
//! replay runs. A change that kept the time stops the run. It is reported instead of the divergence
//! that it may have caused.

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

/// A wait that is longer is explained to the user.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// The hashing of a run's disk images, on a thread of its own. Dropping it cancels the work.
#[derive(Debug)]
pub(crate) struct ImageCheck {
    give_up: Arc<AtomicBool>,
    /// Returns whether all images were hashed.
    thread: Option<JoinHandle<Result<bool, Error>>>,
    /// Closed when the thread ends.
    done: UnixStream,
    notes: Notes,
}

impl ImageCheck {
    /// Hashes the images of a recording that has begun, and completes its machine.json. `None`:
    /// there are no images.
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

    /// Checks the images of a replay. If one has changed, it sets `stop` and calls `wake`. If a
    /// change is likely, the check is over when this returns. `None`: there is nothing to hash.
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
                    "{path}: {} was not measured before the recording was killed; its size and the \
                     time of its last change are as recorded, its content is not checked",
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

    /// Waits, at the end of a recording, until machine.json is complete. A signal cancels that.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if !self.wait()? {
            self.notes.remark(
                "a signal gave up: the disk images were not measured, and a replay will not check \
                 their content",
            );
        }
        self.join().map(drop)
    }

    /// The result of a replay, once its images are known to be the recorded ones. A changed image
    /// is the cause of any other error, so it is reported first. `early`: if the replay stopped
    /// early without an error, the user wants to see that place soon, so the rest of the hashing is
    /// cancelled and the user is told.
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
                    "stopped before the disk images were measured: their size and the time of \
                     their last change are as recorded, their content is not checked",
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

    /// Waits until the images are known to be the recorded ones. False if that was cancelled: at
    /// once if the replay was `interrupted`, else by a signal.
    pub(crate) fn vouch(mut self, interrupted: bool) -> Result<bool, Error> {
        let known = !interrupted && self.wait()?;
        self.give_up.store(!known, Ordering::Relaxed);
        self.join()?;
        Ok(known)
    }

    /// Waits for the end of the thread. False if a signal came first; then the thread is told to
    /// stop.
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

    /// Waits for the end of the thread. Returns whether all images were hashed.
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
            // The result is not wanted any more.
            let _ = thread.join();
        }
    }
}

/// The images of the disks, without their hashes.
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
