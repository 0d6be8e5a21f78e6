//! One side of a bisection: a timeline, and the fingerprints of its states.

use super::{Source, View};
use crate::error::Error;
use crate::recording::place::Place;
use crate::timeline::{Effort, Ending, Keep, Options, Timeline};
use machine::ram::PAGE;
use machine::{Digest, Icount, Machine, Probe};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The values by which two states are compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    state: Vec<u8>,
    ram: u128,
    /// The hash of the instructions that a witness followed, if one did.
    witness: Option<u64>,
}

/// A timeline. Its divergence from its own recording is a result, and no error.
pub(super) struct Side<'l> {
    timeline: Timeline<'l>,
    /// Pages that do not count as long as their content is that of power-on.
    seeded: Vec<usize>,
}

impl<'l> Side<'l> {
    /// Opens a recording.
    pub(super) fn open(source: Source<'_, 'l>, cancel: &Arc<AtomicBool>) -> Result<Self, Error> {
        let options = Options {
            keep: Keep::Scratch,
            // The bisection compares the digests.
            compare: false,
            cancel: Arc::clone(cancel),
            notes: source.notes.clone(),
            ..Options::default()
        };
        let mut timeline = Timeline::open(source.recording, source.log, options)?;
        if let Some(fault) = source.fault {
            timeline.machine_mut().insert_probe(Probe::Fault(fault));
            timeline.distrust_recorded_from(fault.from);
        }
        Ok(Self {
            timeline,
            seeded: Vec::new(),
        })
    }

    /// From now on, a page that differs between both at power-on does not count until the guest
    /// stores to it.
    pub(super) fn leave_seeds_out(&mut self, other: &mut Self) {
        let hashes = self.timeline.power_on_hashes().iter();
        let pairs = hashes.zip(other.timeline.power_on_hashes()).enumerate();
        let differing = pairs.filter(|(_, (one, two))| one != two);
        self.seeded = differing.map(|(page, _)| page).collect();
        other.seeded.clone_from(&self.seeded);
    }

    /// Instructions executed since power-on.
    pub(super) fn icount(&self) -> Icount {
        self.timeline.icount()
    }

    /// The machine.
    pub(super) fn machine(&self) -> &Machine {
        self.timeline.machine()
    }

    /// Why it cannot go further.
    pub(super) fn ended(&self) -> Option<&Ending> {
        self.timeline.ended()
    }

    /// The effort so far.
    pub(super) fn effort(&self) -> Effort {
        self.timeline.effort()
    }

    /// Sets whether a witness follows each instruction.
    pub(super) fn watch_instructions(&mut self, watched: bool) {
        let machine = self.timeline.machine_mut();
        match watched {
            true => machine.insert_probe(Probe::Witness),
            false => machine.remove_probe(Probe::Witness),
        };
    }

    /// The instruction count at which the planted fault first gave a wrong result.
    pub(super) fn fault_at(&self) -> Option<Icount> {
        self.machine().fault_at()
    }

    /// Brings it to an instruction count by its fastest way. The two sides may take different ways,
    /// so no witness follows.
    pub(super) fn at(&mut self, icount: Icount) -> Result<(), Error> {
        self.watch_instructions(false);
        or_diverged(self.timeline.goto(Place::at(icount)))
    }

    /// Brings it to the start of the recording: power-on, or the start of a slice.
    pub(super) fn restart(&mut self, start: Icount) -> Result<(), Error> {
        self.timeline.goto_checkpoint(Place::at(start))
    }

    /// Executes up to an instruction count, or to the end of the replay.
    pub(super) fn go(&mut self, icount: Icount) -> Result<(), Error> {
        or_diverged(self.timeline.run_to(Place::at(icount)))
    }

    /// Waits until the disk images are known to be the recorded ones.
    pub(super) fn check_images(&mut self) -> Result<(), Error> {
        self.timeline.check_images()
    }

    /// Takes a checkpoint to return to, unless there is one for this instruction count.
    pub(super) fn checkpoint(&mut self) -> Result<(), Error> {
        self.timeline.checkpoint()
    }

    /// The digest of the whole state.
    pub(super) fn digest(&mut self) -> Digest {
        self.timeline.machine_mut().digest()
    }

    /// The fingerprint of the state.
    pub(super) fn fingerprint(&mut self, view: View) -> Fingerprint {
        let hashes = self.timeline.machine_mut().page_hashes().to_vec();
        let all = hashes
            .iter()
            .fold(0u128, |sum, hash| sum.wrapping_add(*hash));
        let untouched = self.seeded.iter().filter_map(|&page| {
            let hash = hashes.get(page)?;
            (self.timeline.power_on_hashes().get(page) == Some(hash)).then_some(*hash)
        });
        let ram = untouched.fold(all, u128::wrapping_sub);
        let machine = self.timeline.machine_mut();
        let state = match view {
            View::Everything => machine.hash_without_seed().to_le_bytes().to_vec(),
            View::Guest => machine::state::encoded(&machine.harts()),
        };
        Fingerprint {
            state,
            ram,
            witness: machine.witness(),
        }
    }

    /// The whole state without RAM, as a tree.
    pub(super) fn tree(&self) -> Result<Value, Error> {
        let tree = serde_json::to_value(self.machine().inspect());
        tree.map_err(|_| Error::Internal("the state of the machine is no JSON"))
    }

    /// The pages of RAM that differ, in order, without those that differ from the start.
    pub(super) fn pages_that_differ(&mut self, other: &mut Side<'_>) -> Vec<u32> {
        let mine = self.timeline.machine_mut().page_hashes().to_vec();
        let others = other.timeline.machine_mut().page_hashes().to_vec();
        let power_on = |side: &Side<'_>, page: usize| {
            let hashes = side.timeline.power_on_hashes();
            hashes.get(page).copied()
        };
        let pairs = mine.iter().zip(&others).enumerate();
        let differing = pairs.filter(|(page, (mine, others))| {
            let as_at_power_on =
                power_on(self, *page) == Some(**mine) && power_on(other, *page) == Some(**others);
            mine != others && !(as_at_power_on && self.seeded.binary_search(page).is_ok())
        });
        differing.map(|(page, _)| page as u32).collect()
    }

    /// The bytes of a page of RAM.
    pub(super) fn page(&self, page: u32) -> Vec<u8> {
        let bytes = self.machine().page(page).map(<[u8]>::to_vec);
        bytes.unwrap_or_else(|| vec![0; PAGE])
    }
}

/// Turns a divergence into success. The timeline keeps it as its ending.
fn or_diverged(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Diverged(_)) => Ok(()),
        other => other,
    }
}
