//! Replays several segments of a recording at once. Each replay has its own thread and machine.

use super::course::Course;
use super::shares::Shares;
use super::{Done, How, Segment, Segments, Verdict};
use crate::error::{Error, chain};
use crate::host::signals::{self, Signals};
use crate::notes::Notes;
use crate::recording::snapshot::Checked;
use crate::run::open::OpenRecording;
use crate::run::verify_images::ImageCheck;
use crate::timeline::{Keep, Options};
use machine::{Execution, Icount};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// The time between two looks at signals, and two reports of progress.
const TICK: Duration = Duration::from_millis(100);

/// State that all threads share.
struct Workers<'a> {
    segments: &'a Segments<'a>,
    course: Course<'a>,
    /// The legs. A thread's replay is identified by its instruction count.
    shares: Mutex<Shares<Reached>>,
    /// The snapshots whose files were checked.
    checked: Checked,
    /// The messages that were sent to the user, so that each is sent once.
    said: Mutex<BTreeSet<String>>,
    execution: Execution,
    notes: Notes,
    cancel: Arc<AtomicBool>,
}

/// A thread's report: the place of a segment, and its result.
type Message = Result<(usize, Verdict), Error>;

/// The instruction count of a replay, for all threads.
type Reached = Arc<AtomicU64>;

fn place(at: &Reached) -> u64 {
    at.load(Ordering::Relaxed)
}

impl Segments<'_> {
    /// Replays consecutive segments with several replays at once; `None`: the replays were
    /// interrupted.
    pub(super) fn share(
        &self,
        legs: Vec<Segment>,
        jobs: NonZeroU16,
        how: How<'_>,
    ) -> Result<Option<Vec<(Segment, Verdict)>>, Error> {
        let signals = signals::catch();
        let signals = signals.map_err(Error::host("listen to signals"))?;
        let bytes = self.recording.map_log()?;
        let log = self.recording.whole_log(&bytes)?;
        let (opened, disks) = OpenRecording::new(self.recording, false)?;
        let image_check =
            ImageCheck::check(self.recording, &disks, &how.cancel, || {}, &how.notes)?;
        drop(disks);
        let workers = Workers {
            segments: self,
            course: Course {
                recording: self.recording,
                log: &log,
                digests: opened.digests(),
                opened: &opened,
                segments: &legs,
            },
            shares: Mutex::new(Shares::new(
                legs.iter().map(|leg| leg.from.get()..leg.to.get()),
            )),
            checked: Checked::default(),
            said: Mutex::default(),
            execution: how.execution,
            notes: how.notes,
            cancel: how.cancel,
        };
        let found = workers.run(jobs, &signals, how.progress);
        // A changed image is the cause of any other error, so it is reported first.
        if let Some(image_check) = image_check
            && !image_check.vouch(signals.came())?
        {
            return Ok(None);
        }
        let mut found = found?;
        found.sort_by_key(|(place, _)| *place);
        let whole = found.len() == legs.len();
        let verdicts = found.into_iter().map(|(_, verdict)| verdict);
        Ok(whole.then(|| legs.into_iter().zip(verdicts).collect()))
    }
}

impl Workers<'_> {
    /// Starts the threads. Returns the results of the segments: all of them, unless a signal came.
    fn run(
        &self,
        jobs: NonZeroU16,
        signals: &Signals,
        mut progress: Option<Done<'_>>,
    ) -> Result<Vec<(usize, Verdict)>, Error> {
        let (mut verdicts, mut failure) = (Vec::new(), None);
        thread::scope(|scope| {
            let (sender, messages) = mpsc::channel();
            for _ in 0..usize::from(jobs.get()).min(self.course.segments.len()) {
                let of_thread = sender.clone();
                let worker = thread::Builder::new().name("rr-segment".to_owned());
                let spawned = worker.spawn_scoped(scope, || self.work(of_thread));
                if let Err(cause) = spawned {
                    drop(sender.send(Err(Error::host("start a thread")(cause))));
                }
            }
            drop(sender);
            loop {
                match messages.recv_timeout(TICK) {
                    Ok(Ok(ended)) => verdicts.push(ended),
                    Ok(Err(error)) => {
                        self.cancel.store(true, Ordering::Release);
                        failure.get_or_insert(error);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if signals.came() {
                    self.cancel.store(true, Ordering::Release);
                }
                if let Some(progress) = &mut progress {
                    progress(self.shares.lock().done(place));
                }
            }
        });
        failure.map_or(Ok(verdicts), Err)
    }

    /// A thread's work: replays segments as long as that helps.
    fn work(&self, sender: Sender<Message>) {
        // Sending fails only if the receiver has stopped, and then nobody wants the error.
        if let Err(error) = self.replay_all(&sender) {
            drop(sender.send(Err(error)));
        }
    }

    fn replay_all(&self, sender: &Sender<Message>) -> Result<(), Error> {
        loop {
            let at = Reached::default();
            let begun = self.shares.lock().begin(Arc::clone(&at), place);
            let Some(leg) = begun else { return Ok(()) };
            let damaged = |error: &Error| {
                if self.said.lock().insert(chain(error)) {
                    self.notes.damaged(error);
                }
            };
            let segment = self.course.segments.get(leg);
            let segment = segment.ok_or(Error::Internal("a segment is lost"))?;
            let chain = self
                .segments
                .sound(segment, self.course.log, &self.checked, &damaged)?;
            let mut progress = |icount: Icount| at.store(icount.get(), Ordering::Relaxed);
            let options = Options {
                // This timeline takes no checkpoints.
                keep: Keep::Recording,
                compare: true,
                execution: self.execution,
                cancel: Arc::clone(&self.cancel),
                progress: Some(&mut progress),
                notes: self.notes.clone(),
            };
            let mut ended = |leg, verdict| {
                let same = matches!(verdict, Verdict::Same(_));
                drop(sender.send(Ok((leg, verdict))));
                let mut shares = self.shares.lock();
                if !same {
                    shares.stop(leg);
                }
                same && shares.go_on(leg)
            };
            let replayed = self
                .course
                .replay(leg, chain.as_ref(), options, &mut ended)?;
            if !replayed {
                return Ok(());
            }
        }
    }
}
