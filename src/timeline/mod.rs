//! A recording that goes to any place and back, on the caller's thread.
//!
//! A timeline owns a machine, the driver that replays it, and checkpoints to come back to. Forward
//! it executes; backward it loads the nearest checkpoint and executes the rest. Nothing is written
//! into the recording unless the caller asks for it. Several timelines can live on one thread, or
//! on several: they share nothing.

pub mod checkpoint;
mod open;
mod run;

pub(crate) use open::verify;
pub use run::{Direction, Halt};
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]
mod tests;

pub use open::{Keep, Options};

use crate::divergence::Divergence;
use crate::error::{Error, Refusal};
use crate::recording::Recording;
use crate::recording::place::{Place, up_to};
use crate::recording::snapshot::{Chain, Snapshot, Store};
use crate::run::driver::{Snapshots, Travel};
use crate::run::open::check_whole;
use crate::run::replay::Replayer;
use crate::run::report::{Finish, Report};
use crate::run::snapshots::Snapshotter;
use crate::run::vcpu::{After, Limits, Vcpu};
use crate::run::verify_images::ImageCheck;
use checkpoint::Checkpoint;
use machine::Machine;
use machine::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Loading a snapshot takes about as long as executing so many instructions.
const WORTH_A_JUMP: u64 = 50_000_000;

/// Is told the instruction count now and then, on the thread of the timeline.
pub type Progress<'p> = &'p mut (dyn FnMut(u64) + Send);

/// Why a timeline goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The run is over.
    Finished(Finish),
    /// The replay has left its recording.
    Diverged(Box<Divergence>),
}

/// How often a timeline went back, and what it executed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// How often it loaded a checkpoint after its first.
    pub restarts: u64,
    /// Instructions executed.
    pub replayed: u64,
}

/// A checkpoint: where it is, whether the timeline took it, and its snapshot.
type Found = (Place, bool, Snapshot);

/// Which checkpoints count in a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nearest {
    /// Those at the place or in front of it.
    UpTo,
    /// Those in front of it.
    InFront,
}

/// A recording that is replayed to and fro.
pub struct Timeline<'l> {
    recording: Recording,
    machine: Machine,
    driver: Replayer<'l>,
    vcpu: Vcpu,
    digest_every: u64,
    /// The instruction count at which a slice ends though its run went on.
    slice_end: Option<u64>,
    is_slice: bool,
    /// Takes checkpoints.
    snapshotter: Snapshotter,
    /// The snapshots of the recording, where the timeline keeps its own elsewhere.
    recorded: Option<Store>,
    /// Snapshots of the recording from behind this instruction count are not of this timeline's
    /// run.
    recorded_until: u64,
    /// The instruction count of the checkpoint that it last loaded.
    began: u64,
    ended: Option<Ending>,
    /// It is in no state yet.
    fresh: bool,
    effort: Effort,
    cancel: Arc<AtomicBool>,
    progress: Option<Progress<'l>>,
    /// Disk images that are still being checked.
    image_check: Option<ImageCheck>,
    /// Holds checkpoints that nobody else wants.
    _scratch: Option<TempDir>,
}

impl<'l> Timeline<'l> {
    /// Where it is.
    pub fn place(&self) -> Place {
        self.driver.place(self.machine.icount())
    }

    /// Instructions executed since power-on.
    pub fn icount(&self) -> u64 {
        self.machine.icount()
    }

    /// The machine, to look at.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The machine, for what a look needs that keeps notes of its own: hashes of pages, probes.
    /// What the guest sees of it must not be changed.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Why it goes no further, if it does not.
    pub fn ended(&self) -> Option<&Ending> {
        self.ended.as_ref()
    }

    /// What it took so far.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Pages at power-on, by their hashes.
    pub fn power_on_hashes(&self) -> &[u128] {
        self.snapshotter.power_on_hashes()
    }

    /// From here on the run may leave the recorded one, so snapshots of the recording from behind
    /// this instruction count are not used.
    pub fn distrust_recorded_from(&mut self, icount: u64) {
        self.recorded_until = icount;
    }

    /// Goes to a place, from wherever that is quickest. Where the run has no state at the place, as
    /// in the middle of an instruction, it goes to the next one behind it.
    ///
    /// # Errors
    /// A divergence; a damaged checkpoint; [`Error::Cancelled`].
    pub fn goto(&mut self, to: Place) -> Result<(), Error> {
        let nearest = self.nearest(to, Nearest::UpTo)?;
        let here = self.place();
        let ahead = !self.fresh && self.ended.is_none() && here <= to;
        let far = here.icount.saturating_add(WORTH_A_JUMP);
        if !ahead
            || nearest
                .as_ref()
                .is_some_and(|(place, ..)| place.icount > far)
        {
            self.start_from(nearest)?;
        }
        self.run_to(to)
    }

    /// Goes to the place at or in front of `to` where a checkpoint is, or to where the recording
    /// begins.
    ///
    /// # Errors
    /// As for [`Timeline::goto`].
    pub fn goto_checkpoint(&mut self, to: Place) -> Result<(), Error> {
        let nearest = self.nearest(to, Nearest::UpTo)?;
        self.start_from(nearest)
    }

    /// Goes to a snapshot of the recording that is open; `None`: to where the recording is switched
    /// on.
    ///
    /// # Errors
    /// As for [`Timeline::goto`].
    pub(crate) fn goto_snapshot(&mut self, chain: Option<&Chain>) -> Result<(), Error> {
        match (chain, &self.recorded) {
            (None, _) => self.load(Checkpoint::PowerOn),
            (Some(chain), None) => self.load(Checkpoint::Own(chain)),
            (Some(chain), Some(_)) => self.load(Checkpoint::Other(chain)),
        }
    }

    /// Executes one instruction.
    ///
    /// # Errors
    /// As for [`Timeline::run_to`].
    pub fn step(&mut self) -> Result<(), Error> {
        self.run_to(Place::at(self.icount().saturating_add(1)))
    }

    /// Goes back by one instruction: to the first place with the count before this. False at the
    /// start.
    ///
    /// # Errors
    /// As for [`Timeline::goto`].
    pub fn step_back(&mut self) -> Result<bool, Error> {
        match self.icount().checked_sub(1) {
            Some(before) => self.goto(Place::at(before)).map(|()| true),
            None => Ok(false),
        }
    }

    /// Goes on to a place, or to where the run is over.
    ///
    /// # Errors
    /// A divergence; [`Error::Cancelled`].
    pub fn run_to(&mut self, to: Place) -> Result<(), Error> {
        let before = self.icount();
        let mut result = Ok(());
        while result.is_ok() && self.ended.is_none() && self.place() < to {
            result = self.period(to).map(drop);
        }
        self.effort.replayed += self.icount().saturating_sub(before);
        result
    }

    /// Goes on to the end of the recording, and says how it ended.
    ///
    /// # Errors
    /// As for [`Timeline::run_to`].
    pub fn run_to_end(&mut self) -> Result<Finish, Error> {
        self.run_until(Place::at(self.slice_end.unwrap_or(u64::MAX)))
    }

    /// Goes on to a place, or to where the run is over, and says which.
    ///
    /// # Errors
    /// As for [`Timeline::run_to`].
    pub fn run_until(&mut self, to: Place) -> Result<Finish, Error> {
        self.run_to(to)?;
        match &self.ended {
            Some(Ending::Finished(finish)) => Ok(*finish),
            Some(Ending::Diverged(divergence)) => Err(divergence.clone().into()),
            None => Ok(Finish::Reached),
        }
    }

    /// One period on the way to a place; gives what stopped it.
    fn period(&mut self, to: Place) -> Result<Option<Stop>, Error> {
        if self.cancel.load(Ordering::Acquire) {
            // Perhaps it was an image that is not what was recorded: then that is said.
            return Err(self.check_images().err().unwrap_or(Error::Cancelled));
        }
        // At the last count, what has yet to happen may belong to an instruction.
        let last = self.icount() == to.icount;
        let limits = Limits {
            until: to.icount.saturating_add(last.into()),
            digest_every: self.digest_every,
        };
        let period = self
            .vcpu
            .period(&mut self.driver, &mut self.machine, &limits, None);
        if let Some(progress) = &mut self.progress {
            progress(self.machine.icount());
        }
        match period {
            Ok(period) => {
                match period.after {
                    // A cancelled run can go on once the flag is down.
                    After::Over(Finish::Interrupted) => {}
                    After::Over(finish) => self.ended = Some(Ending::Finished(finish)),
                    After::Stopped(stop) => return Ok(Some(stop)),
                    After::Again | After::Wait(_) => {}
                }
                Ok(None)
            }
            Err(Error::Diverged(divergence)) => {
                self.ended = Some(Ending::Diverged(divergence.clone()));
                Err(divergence.into())
            }
            Err(error) => Err(error),
        }
    }

    /// The checkpoint nearest to a place, and whether it is of the timeline's own; `None`: power-on.
    fn nearest(&self, to: Place, which: Nearest) -> Result<Option<Found>, Error> {
        let own = self.snapshotter.store.sound()?;
        let mut recorded = match &self.recorded {
            Some(store) => store.sound()?,
            None => Vec::new(),
        };
        recorded.retain(|snapshot| snapshot.icount <= self.recorded_until);
        let log = self.driver.log();
        let first = |known: Vec<Snapshot>| {
            let mut found = up_to(known, log, to).into_iter();
            found.find(|(place, _)| which == Nearest::UpTo || *place < to)
        };
        let own = first(own).map(|(place, snapshot)| (place, true, snapshot));
        let recorded = first(recorded).map(|(place, snapshot)| (place, false, snapshot));
        let best = [recorded, own].into_iter().flatten();
        Ok(best.max_by_key(|(place, own, _)| (*place, *own)))
    }

    fn start_from(&mut self, found: Option<Found>) -> Result<(), Error> {
        let Some((_, own, snapshot)) = found else {
            if self.is_slice {
                return Err(Refusal::BeforeSlice.into());
            }
            return self.load(Checkpoint::PowerOn);
        };
        let store = self.recorded.as_ref().filter(|_| !own);
        let chain = store
            .unwrap_or(&self.snapshotter.store)
            .open(&snapshot.name)?;
        match own {
            true => self.load(Checkpoint::Own(&chain)),
            false => self.load(Checkpoint::Other(&chain)),
        }
    }

    fn load(&mut self, checkpoint: Checkpoint<'_>) -> Result<(), Error> {
        let fresh = self.fresh;
        let snapshotter = Some(&mut self.snapshotter);
        checkpoint.load(&mut self.driver, &mut self.machine, snapshotter, fresh)?;
        self.effort.restarts += u64::from(!fresh);
        (self.vcpu, self.ended, self.fresh) = (Vcpu::default(), None, false);
        self.began = self.machine.icount();
        Ok(())
    }

    /// Takes a checkpoint to come back to, unless there is one for this instruction count.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn checkpoint(&mut self) -> Result<(), Error> {
        let outside = self.driver.outside(self.machine.icount())?;
        self.snapshotter.take_due(&mut self.machine, outside)
    }

    /// Takes a snapshot of this name where the timeline keeps its own.
    ///
    /// # Errors
    /// What keeps it from being written; then nothing of it is there. [`Error::Cancelled`].
    pub fn save(&mut self, name: &str) -> Result<Snapshot, Error> {
        let outside = self.driver.outside(self.machine.icount())?;
        let cancelled = || self.cancel.load(Ordering::Acquire);
        self.snapshotter
            .take(name, &mut self.machine, outside, &cancelled)
    }

    /// Waits until the disk images are known to be those of the recording.
    ///
    /// # Errors
    /// An image that has changed.
    pub fn check_images(&mut self) -> Result<(), Error> {
        self.image_check.take().map_or(Ok(()), ImageCheck::finish)
    }

    /// Ends it, and says what it came to. Where the recording was replayed to its end, all that it
    /// holds behind the checkpoint that the timeline began at must have been met.
    ///
    /// # Errors
    /// The divergence of the last state; an image that has changed; a log or digests that are not
    /// whole.
    pub fn close(mut self, finish: Finish) -> Result<Report, Error> {
        let end = self.slice_end;
        let report = Report::of(&mut self.driver, &mut self.machine, finish, end);
        // A changed image is the cause of whatever else went wrong.
        self.check_images()?;
        let report = report?;
        let log = self.driver.log().bytes();
        check_whole(&self.recording, log, self.began, &report)?;
        Ok(report)
    }

    /// The instruction count of the checkpoint that it last loaded.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// Digests that were compared since it last loaded a checkpoint, and equal.
    pub fn digests_checked(&self) -> u64 {
        self.driver.digests_checked()
    }
}
