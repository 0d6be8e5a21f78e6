//! The replayer: the driver whose inputs come from the log. It checks every mark in the log.

mod cursor;
mod inputs;
mod steps;

use crate::divergence::Divergence;
use crate::error::{Error, Refusal};
use crate::host::disk::DiskPool;
use crate::host::serial::Output;
use crate::recording::digests::Digests;
use crate::recording::place::Place;
use crate::recording::snapshot::{Chain, Loaded};
use crate::run::driver::{
    Closed, DigestOf, Driver, Failure, Outside, Situation, Snapshots, Step, Travel, UserRequest,
};
use crate::run::drives::Drives;
use crate::run::observe::Observed;
use crate::run::report::Finish;
use cursor::Cursor;
use machine::inputs::Moment;
use machine::{Digest, Icount};
use replay_format::Log;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NO_RESET: Error = Error::Refused(Refusal::NoReset);
const CLOSED: Error = Error::Internal("a disk was used after it was closed");

/// The driver of a replay.
pub struct Replayer<'log> {
    cursor: Cursor<'log>,
    digests: Digests,
    /// The number of digests that were compared, and equal.
    checked: u64,
    /// The observer of the replay.
    observed: Option<Observed<'log>>,
    output: Output,
    muted: bool,
    disks: Drives,
    /// The disks; `None` once they are closed.
    pool: Option<DiskPool>,
    failure: Option<Error>,
    /// Set when the run must end.
    stop: Arc<AtomicBool>,
}

impl<'log> Replayer<'log> {
    /// A driver that has no place in its log yet: call [`begin`](Self::begin), or load a snapshot.
    /// Once `stop` is set, the run ends.
    pub fn new(
        path: PathBuf,
        log: &'log Log<'log>,
        digests: Digests,
        output: Output,
        disks: Drives,
        pool: DiskPool,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            cursor: Cursor::new(path, log),
            digests,
            checked: 0,
            observed: None,
            output,
            muted: false,
            disks,
            pool: Some(pool),
            failure: None,
            stop,
        }
    }

    /// The number of digests that were compared, and equal, since the replay began or last loaded a
    /// snapshot.
    pub(crate) fn digests_checked(&self) -> u64 {
        self.checked
    }

    /// The digests of the recording.
    pub(crate) fn recorded_digests(&self) -> &Digests {
        &self.digests
    }

    /// Opens the disks again, as they were at a snapshot; `None`: at power-on.
    fn reopen(&mut self, at: Option<&Chain>) -> Result<DiskPool, Error> {
        self.pool = None;
        self.checked = 0;
        self.disks.start(self.disks.open(at)?)
    }

    /// Goes to the start of the log, and checks the events that every log begins with.
    ///
    /// # Errors
    /// If the log does not begin as a recording of this program does.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.cursor.begin()
    }

    /// Sets the observer.
    pub(crate) fn observe(&mut self, observed: Option<Observed<'log>>) {
        self.observed = observed;
    }
}

impl Driver for Replayer<'_> {
    fn next(&mut self, situation: &Situation) -> Result<Step, Error> {
        // A replay takes no messages from the mailbox, so it learns of the end of the run here.
        if self.stop.load(Ordering::Acquire) {
            return Ok(Step::Stop(Finish::Interrupted));
        }
        match situation.user {
            Some(UserRequest::Reset) => return Err(NO_RESET),
            Some(UserRequest::Quit) => return Ok(Step::Stop(Finish::Quit)),
            None => {}
        }
        let step = self.step(situation)?;
        if let Some(observed) = &mut self.observed {
            observed.step(situation, &step);
        }
        Ok(step)
    }

    fn digest(&mut self, at: Moment, digest: Digest, of: DigestOf) -> Result<(), Error> {
        match self.digests.at(at.icount, of == DigestOf::End) {
            Some(recorded) if recorded != digest => {
                let expected = recorded.to_string();
                Err(Divergence::of_state(at, expected, digest).into())
            }
            Some(_) => {
                self.checked += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn failure(&mut self) -> Failure {
        match self.failure.take() {
            Some(error) => Failure::Error(error),
            None if self.cursor.head.is_none() => Failure::LogCut,
            None => Failure::Error(Error::Internal("the machine halted without a reason")),
        }
    }

    fn close(&mut self, _finish: Finish) -> Result<Closed, Error> {
        // The disks hold writes that are dropped now, so they are closed first.
        self.pool = None;
        Ok(Closed {
            digests_checked: self.checked,
            lost_output: self.output.lost().map(|error| error.to_string()),
        })
    }

    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        Some(self)
    }

    fn travel(&mut self) -> Option<&mut dyn Travel> {
        Some(self)
    }
}

impl Snapshots for Replayer<'_> {
    fn outside(&mut self, _icount: Icount) -> Result<Outside<'_>, Error> {
        let disks = self.pool.as_ref().ok_or(CLOSED)?;
        Ok(Outside {
            log: self.cursor.place.into(),
            disks: Some(disks),
            pending: disks.pending()?,
            // A replay knows all failures of the recording from the start.
            failed: Vec::new(),
        })
    }

    fn load(&mut self, chain: &Chain, loaded: Loaded) -> Result<(), Error> {
        let pool = self.reopen(Some(chain))?;
        self.cursor.jump(&chain.snapshot)?;
        pool.expect(loaded.pending);
        self.pool = Some(pool);
        Ok(())
    }
}

impl Travel for Replayer<'_> {
    fn power_on(&mut self, fresh: bool) -> Result<(), Error> {
        if !fresh {
            self.pool = Some(self.reopen(None)?);
        }
        // A slice is never asked for this, because it has no power-on.
        self.begin()
    }

    fn mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    fn log(&self) -> &Log<'_> {
        self.cursor.log
    }

    fn place(&self, icount: Icount) -> Place {
        let event = self.cursor.place.index;
        Place { icount, event }
    }
}
