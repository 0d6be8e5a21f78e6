//! Segments of a recording, several at once: each replay has a thread, and a machine, of its own.

use super::course::Course;
use super::shares::Shares;
use super::{Segment, Segments, Verdict};
use crate::error::Error;
use crate::host::signals::{self, Signals};
use crate::notes::Notes;
use crate::recording::snapshot::Checked;
use crate::run::open::{Opened, whole_log};
use crate::run::verify_images::Measuring;
use crate::session::context::{Company, Progress};
use crate::session::control::Control;
use machine::Execution;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// From one look at signals, and word of progress, to the next.
const TICK: Duration = Duration::from_millis(100);

/// What all threads know.
struct Yard<'a> {
    segments: &'a Segments<'a>,
    course: Course<'a>,
    /// Each thread's replay is known by its handle.
    shares: Mutex<Shares<Arc<Control>>>,
    /// Snapshots whose files are what they were.
    checked: Checked,
    /// What was said of others, each once.
    said: Mutex<BTreeSet<String>>,
    execution: Execution,
    notes: Notes,
    stop: Arc<AtomicBool>,
}

/// What a thread reports: segments by their places.
type Message = Result<(usize, Verdict), Error>;

fn place(control: &Arc<Control>) -> u64 {
    control.status().icount
}

impl Segments<'_> {
    /// Replays segments that follow on each other, with so many replays at once; `None`: that was interrupted.
    pub(super) fn share(
        &self,
        legs: Vec<Segment>,
        jobs: NonZeroU16,
        company: Company<'_>,
    ) -> Result<Option<Vec<(Segment, Verdict)>>, Error> {
        let signals = signals::catch();
        let signals = signals.map_err(Error::file("the signals".as_ref(), "listen to"))?;
        let bytes = self.recording.map_log()?;
        let log = whole_log(self.recording, &bytes)?;
        let digests = self.recording.digests()?;
        let (opened, disks) = Opened::new(self.recording, false)?;
        let (stop, control, notes) = (&company.stop, &company.control, &company.notes);
        let measuring = Measuring::check(self.recording, &disks, stop, control, notes)?;
        drop(disks);
        let yard = Yard {
            segments: self,
            course: Course {
                recording: self.recording,
                bytes: &bytes,
                log: &log,
                digests: &digests,
                opened: &opened,
                segments: &legs,
            },
            shares: Mutex::new(Shares::new(legs.iter().map(|leg| leg.from..leg.to))),
            checked: Checked::default(),
            said: Mutex::default(),
            execution: company.execution,
            notes: company.notes,
            stop: company.stop,
        };
        let found = yard.run(jobs, &signals, company.progress);
        // A changed image is the cause of whatever else went wrong.
        if let Some(measuring) = measuring
            && !measuring.vouch(signals.came())?
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

impl Yard<'_> {
    /// Starts the threads, and gives what segments came to: all of them, unless a signal came.
    fn run(
        &self,
        jobs: NonZeroU16,
        signals: &Signals,
        mut progress: Option<Progress<'_>>,
    ) -> Result<Vec<(usize, Verdict)>, Error> {
        let (mut verdicts, mut failure) = (Vec::new(), None);
        thread::scope(|scope| {
            let (sender, messages) = mpsc::channel();
            for _ in 0..usize::from(jobs.get()).min(self.course.segments.len()) {
                let of_thread = sender.clone();
                let worker = thread::Builder::new().name("rr-segment".to_owned());
                let spawned = worker.spawn_scoped(scope, || self.work(of_thread));
                if let Err(cause) = spawned {
                    let path = "a thread".as_ref();
                    drop(sender.send(Err(Error::file(path, "start")(cause))));
                }
            }
            drop(sender);
            loop {
                match messages.recv_timeout(TICK) {
                    Ok(Ok(ended)) => verdicts.push(ended),
                    Ok(Err(error)) => {
                        self.stop.store(true, Ordering::Release);
                        failure.get_or_insert(error);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if signals.came() {
                    self.stop.store(true, Ordering::Release);
                }
                if let Some(progress) = &mut progress {
                    progress(self.shares.lock().done(place));
                }
            }
        });
        failure.map_or(Ok(verdicts), Err)
    }

    /// A thread: replays where that helps, as long as it does.
    fn work(&self, sender: Sender<Message>) {
        // The receiver is gone only if the other end of this is.
        if let Err(error) = self.replay_all(&sender) {
            drop(sender.send(Err(error)));
        }
    }

    fn replay_all(&self, sender: &Sender<Message>) -> Result<(), Error> {
        loop {
            let control = Control::unused();
            let begun = self.shares.lock().begin(Arc::clone(&control), place);
            let Some(leg) = begun else { return Ok(()) };
            let damaged = |error: &Error| {
                let note = format!("{error}; replayed from before it");
                if self.said.lock().insert(note.clone()) {
                    self.notes.remark(&note);
                }
            };
            let segment = self.course.segments.get(leg);
            let segment = segment.ok_or(Error::Internal("a segment is lost"))?;
            let chain = self.segments.sound(segment, &self.checked, &damaged)?;
            let company = Company {
                control,
                execution: self.execution,
                notes: self.notes.clone(),
                stop: Arc::clone(&self.stop),
                ..Company::default()
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
                .replay(leg, chain.as_ref(), company, &mut ended)?;
            if !replayed {
                return Ok(());
            }
        }
    }
}
