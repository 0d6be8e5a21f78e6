//! Replaying: inputs come from the log, and every mark in it is checked.

mod cursor;
mod inputs;
mod steps;

use crate::divergence::Divergence;
use crate::error::Error;
use crate::host::disk::DiskPool;
use crate::host::serial::Output;
use crate::recording::digests::Digests;
use crate::recording::snapshot::{Chain, Loaded};
use crate::run::checkpoints::Relay;
use crate::run::driver::{Driver, Finish, Outside, Situation, Step, Wish};
use crate::run::drives::Disks;
use crate::run::observe::Watched;
use cursor::Cursor;
use machine::inputs::Moment;
use replay_format::Log;
use std::path::PathBuf;

const CLOSED: Error = Error::Internal("a disk was used after it was closed");

/// The driver that reads the log.
pub struct Replayer<'log> {
    cursor: Cursor<'log>,
    digests: Digests,
    /// Digests that were equal so far.
    checked: u64,
    /// Snapshots on the way.
    relay: Option<&'log mut dyn Relay>,
    /// Sees what happens.
    watched: Option<Watched<'log>>,
    output: Output,
    muted: bool,
    disks: Disks,
    /// The disks at work; none once they are closed.
    pool: Option<DiskPool>,
    failure: Option<Error>,
}

impl<'log> Replayer<'log> {
    /// A driver in front of a log: it must [`begin`](Self::begin), or travel to a snapshot.
    pub fn new(
        path: PathBuf,
        log: &'log Log<'log>,
        digests: Digests,
        output: Output,
        disks: Disks,
        pool: DiskPool,
    ) -> Self {
        Self {
            cursor: Cursor::new(path, log),
            digests,
            checked: 0,
            relay: None,
            watched: None,
            output,
            muted: false,
            disks,
            pool: Some(pool),
            failure: None,
        }
    }

    /// Reads what stands at the start of every log.
    ///
    /// # Errors
    /// If the log does not begin as a recording of this program does.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.cursor.begin()
    }

    /// Who says at which snapshots the state is compared, and who sees what happens.
    pub(crate) fn attach(
        &mut self,
        relay: Option<&'log mut dyn Relay>,
        watched: Option<Watched<'log>>,
    ) {
        (self.relay, self.watched) = (relay, watched);
    }

    /// Not past the next snapshot.
    fn clamped(&self, until: u64) -> u64 {
        let ahead = self.relay.as_ref().and_then(|relay| relay.ahead());
        ahead.map_or(until, |ahead| until.min(ahead.icount))
    }

    /// What is to be done at the next snapshot, if the run is there: what the log has up to it is done.
    fn arrived(&self, icount: u64) -> Result<Option<Step>, Error> {
        let Some(ahead) = self.relay.as_ref().and_then(|relay| relay.ahead()) else {
            return Ok(None);
        };
        if icount > ahead.icount {
            let reason = format!(
                "the snapshot at icount {} is of another log: delete it, or restore both from a copy",
                ahead.icount
            );
            return Err(Error::recording(&self.cursor.path, reason));
        }
        let there = icount == ahead.icount && self.cursor.place.offset >= ahead.log.offset;
        Ok(there.then_some(Step::Compare))
    }
}

impl Driver for Replayer<'_> {
    fn next(&mut self, situation: &Situation) -> Result<Step, Error> {
        let step = self.step(situation)?;
        if let Some(watched) = &mut self.watched {
            watched.step(situation, &step);
        }
        Ok(step)
    }

    fn outside(&mut self, _icount: u64) -> Result<Option<Outside<'_>>, Error> {
        let disks = self.pool.as_ref().ok_or(CLOSED)?;
        Ok(Some(Outside {
            log: self.cursor.place.into(),
            disks: Some(disks),
            pending: disks.pending()?,
            // All that will ever fail is known from the start.
            failed: Vec::new(),
        }))
    }

    fn travel(&mut self, to: Option<(&Chain, Loaded)>) -> Result<(), Error> {
        self.pool = None;
        let chain = to.as_ref().map(|(chain, _)| *chain);
        let pool = self.disks.start(self.disks.open(chain)?)?;
        match to {
            // A slice is never asked for this: it has no power-on.
            None => self.begin()?,
            Some((chain, loaded)) => {
                self.cursor.jump(&chain.snapshot)?;
                pool.expect(loaded.pending);
            }
        }
        self.pool = Some(pool);
        self.checked = 0;
        Ok(())
    }

    fn mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    fn end(&self) -> Option<u64> {
        Some(self.cursor.log.end().icount)
    }

    fn by_user(&mut self, _icount: u64, wish: Wish) -> Result<Step, Error> {
        match wish {
            Wish::Reset => Err(Error::Refused(
                "a replay is what was recorded: it cannot be reset",
            )),
            Wish::Quit => Ok(Step::Stop(Finish::Quit)),
        }
    }

    fn digest(&mut self, at: Moment, digest: u128, last: bool) -> Result<(), Error> {
        match self.digests.at(at.icount, last) {
            Some(recorded) if recorded != digest => {
                Err(other_state(at, format!("{recorded:032x}"), digest))
            }
            Some(_) => {
                self.checked += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn compare(&mut self, at: Moment, digest: u128) -> Result<Option<Finish>, Error> {
        let Some(relay) = &mut self.relay else {
            return Ok(None);
        };
        let wanted = relay.ahead().map(|snapshot| &snapshot.digest);
        match wanted.filter(|wanted| **wanted != format!("{digest:032x}")) {
            Some(wanted) => {
                let wanted = format!("{wanted}, as of the snapshot here");
                Err(other_state(at, wanted, digest))
            }
            None => Ok((!relay.reached(self.checked)).then_some(Finish::Reached)),
        }
    }

    fn digests_checked(&self) -> u64 {
        self.checked
    }

    fn lost_output(&self) -> Option<std::io::Error> {
        self.output.lost()
    }

    fn failure(&mut self) -> Error {
        self.failure
            .take()
            .unwrap_or(Error::Internal("the machine halted without a reason"))
    }

    fn log_cut(&self) -> bool {
        self.failure.is_none() && self.cursor.head.is_none()
    }

    fn close(&mut self) -> Result<(), Error> {
        // What the guest wrote is wanted by nobody.
        self.pool = None;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// The error for a state that is not the recorded one.
fn other_state(at: Moment, expected: String, found: u128) -> Error {
    Box::new(Divergence {
        at,
        event: None,
        offset: None,
        expected: format!("state digest {expected}"),
        found: format!("{found:032x}"),
        instruction: None,
    })
    .into()
}
