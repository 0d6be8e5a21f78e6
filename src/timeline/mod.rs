//! A recording that goes to any place and back, on the caller's thread.
//!
//! A timeline owns a machine, the driver that replays it, and checkpoints to return to. To go
//! forward, it executes. To go back, it loads the nearest checkpoint and executes the rest. It
//! writes nothing into the recording unless the caller asks for it. Timelines share nothing, so
//! several can live on one thread, or on several.

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
use crate::recording::digests::Digests;
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
use machine::{Icount, Machine, Stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// The number of instructions that take about as long as loading a snapshot.
const WORTH_A_JUMP: u64 = 50_000_000;

/// Called with the instruction count from time to time, on the timeline's thread.
pub type Progress<'p> = &'p mut (dyn FnMut(Icount) + Send);

/// Why a timeline cannot go further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The run has ended.
    Finished(Finish),
    /// The replay has diverged from its recording.
    Diverged(Box<Divergence>),
}

/// How often a timeline went back, and how much it executed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// How often it loaded a checkpoint, without the first time.
    pub restarts: u64,
    /// Instructions executed.
    pub replayed: u64,
}

/// A checkpoint: its place, whether the timeline took it itself, and its snapshot.
type Found = (Place, bool, Snapshot);

/// Which checkpoints a search may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nearest {
    /// Those at the place or before it.
    UpTo,
    /// Those before the place.
    InFront,
}

/// A recording that can be replayed to any place and back.
pub struct Timeline<'l> {
    recording: Recording,
    machine: Machine,
    driver: Replayer<'l>,
    vcpu: Vcpu,
    digest_every: u64,
    /// The instruction count at which a slice ends, if its run went on from there.
    slice_end: Option<Icount>,
    is_slice: bool,
    /// Takes checkpoints.
    snapshotter: Snapshotter,
    /// The snapshots of the recording, if the timeline keeps its own elsewhere.
    recorded: Option<Store>,
    /// The recording's snapshots after this instruction count are not used: the run of this
    /// timeline may differ from the recorded one there.
    recorded_until: Icount,
    /// The instruction count of the last loaded checkpoint.
    began: Icount,
    ended: Option<Ending>,
    /// True before the timeline has first gone to a place.
    fresh: bool,
    effort: Effort,
    cancel: Arc<AtomicBool>,
    progress: Option<Progress<'l>>,
    /// The check of the disk images, as long as it runs.
    image_check: Option<ImageCheck>,
    /// The temporary folder of the timeline's checkpoints. It is removed on drop.
    _scratch: Option<TempDir>,
}

impl<'l> Timeline<'l> {
    /// The present place.
    pub fn place(&self) -> Place {
        self.driver.place(self.machine.icount())
    }

    /// Instructions executed since power-on.
    pub fn icount(&self) -> Icount {
        self.machine.icount()
    }

    /// The machine, for reading.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The machine, for reading that needs notes in the machine: hashes of pages, probes. The
    /// caller must not change the guest's state.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Why the timeline cannot go further; `None`: it can.
    pub fn ended(&self) -> Option<&Ending> {
        self.ended.as_ref()
    }

    /// The effort so far.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The hash of each page of RAM at power-on.
    pub fn power_on_hashes(&self) -> &[u128] {
        self.snapshotter.power_on_hashes()
    }

    /// Stops using the recording's snapshots after this instruction count, because the run may
    /// differ from the recorded one from there on.
    pub fn distrust_recorded_from(&mut self, icount: Icount) {
        self.recorded_until = icount;
    }

    /// Goes to a place, by executing or from the nearest checkpoint, whichever is faster. If the
    /// run has no state at the place, as in the middle of an instruction, it goes to the next
    /// place.
    ///
    /// # Errors
    /// If the replay diverges, or a checkpoint is damaged. [`Error::Cancelled`].
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

    /// Goes to the nearest checkpoint at `to` or before it. Without one, it goes to the start of
    /// the recording.
    ///
    /// # Errors
    /// As for [`Timeline::goto`].
    pub fn goto_checkpoint(&mut self, to: Place) -> Result<(), Error> {
        let nearest = self.nearest(to, Nearest::UpTo)?;
        self.start_from(nearest)
    }

    /// Goes to an open snapshot of the recording; `None`: to power-on.
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

    /// Goes back by one instruction: to the first place whose count is smaller by one. False at the
    /// start.
    ///
    /// # Errors
    /// As for [`Timeline::goto`].
    pub fn step_back(&mut self) -> Result<bool, Error> {
        match self.icount() {
            Icount::ZERO => Ok(false),
            here => self.goto(Place::at(here.saturating_sub(1))).map(|()| true),
        }
    }

    /// Executes up to a place, or to the end of the run.
    ///
    /// # Errors
    /// If the replay diverges. [`Error::Cancelled`].
    pub fn run_to(&mut self, to: Place) -> Result<(), Error> {
        let before = self.icount();
        let mut result = Ok(());
        while result.is_ok() && self.ended.is_none() && self.place() < to {
            result = self.period(to).map(drop);
        }
        // Nobody asked what there is on the way.
        while self.machine.take_stop().is_some() {}
        self.effort.replayed += self.icount().since(before);
        result
    }

    /// Executes to the end of the recording. Returns how it ended.
    ///
    /// # Errors
    /// As for [`Timeline::run_to`].
    pub fn run_to_end(&mut self) -> Result<Finish, Error> {
        self.run_until(Place::at(self.slice_end.unwrap_or(Icount::MAX)))
    }

    /// Executes up to a place, or to the end of the run. Returns which it was.
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

    /// Executes one period on the way to a place. Returns the stop of a probe.
    fn period(&mut self, to: Place) -> Result<Option<Stop>, Error> {
        if self.cancel.load(Ordering::Acquire) {
            // A changed image may be the reason. Then that is the error.
            return Err(self.check_images().err().unwrap_or(Error::Cancelled));
        }
        // At the last instruction count, the next event may belong to an instruction.
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
                    // The flag has stopped the run. It can go on once the flag is cleared.
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

    /// The nearest checkpoint to a place, and whether the timeline took it itself; `None`:
    /// power-on.
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

    /// Takes a checkpoint to return to, unless there is one for this instruction count.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn checkpoint(&mut self) -> Result<(), Error> {
        let outside = self.driver.outside(self.machine.icount())?;
        self.snapshotter.take_due(&mut self.machine, outside)
    }

    /// Takes a snapshot with this name, among the timeline's own.
    ///
    /// # Errors
    /// If it cannot be written; then no part of it stays. [`Error::Cancelled`].
    pub fn save(&mut self, name: &str) -> Result<Snapshot, Error> {
        let outside = self.driver.outside(self.machine.icount())?;
        let cancelled = || self.cancel.load(Ordering::Acquire);
        self.snapshotter
            .take(name, &mut self.machine, outside, &cancelled)
    }

    /// Waits until the disk images are known to be the recorded ones.
    ///
    /// # Errors
    /// If an image has changed.
    pub fn check_images(&mut self) -> Result<(), Error> {
        self.image_check.take().map_or(Ok(()), ImageCheck::finish)
    }

    /// Ends the timeline, and makes its report. If the recording was replayed to its end, the
    /// replay must have met everything that was recorded after the checkpoint that it began at.
    ///
    /// # Errors
    /// If the last state diverges, an image has changed, or the log or the digests are not
    /// complete.
    pub fn close(mut self, finish: Finish) -> Result<Report, Error> {
        let end = self.slice_end;
        let report = Report::of(&mut self.driver, &mut self.machine, finish, end);
        // A changed image is the cause of any other error, so it is reported first.
        self.check_images()?;
        let report = report?;
        let log = self.driver.log().bytes();
        let digests = self.driver.recorded_digests();
        check_whole(&self.recording, digests, log, self.began, &report)?;
        Ok(report)
    }

    /// The digests of the recording.
    pub(crate) fn recorded_digests(&self) -> &Digests {
        self.driver.recorded_digests()
    }

    /// The instruction count of the last loaded checkpoint.
    pub fn began(&self) -> Icount {
        self.began
    }

    /// The number of digests that were compared, and equal, since the last checkpoint was loaded.
    pub fn digests_checked(&self) -> u64 {
        self.driver.digests_checked()
    }
}
