//! One side of a hunt: a replay that goes to any place of its recording, and back.

use super::{Ending, Quarry, View};
use crate::error::Error;
use crate::handover::Mailbox;
use crate::host::serial::Backend;
use crate::recording::snapshot::Store;
use crate::run::driver::Finish;
use crate::run::open::switched_on;
use crate::run::snapshots::Keeper;
use crate::run::verify_images::Measuring;
use crate::session::control::Control;
use crate::session::launch::ReplayHow;
use crate::session::threads::session;
use crate::session::{Session, Vcpu};
use machine::ram::PAGE;
use machine::{Machine, Probe};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Loading a snapshot takes about as long as executing so many instructions.
const WORTH_A_JUMP: u64 = 50_000_000;

/// What two states are compared by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    state: Vec<u8>,
    ram: u128,
    /// Of how it came about, where that was watched.
    witness: Option<u64>,
}

/// Where a replay goes on from.
enum Origin {
    PowerOn,
    /// A snapshot of the recording.
    Recorded(String),
    /// A snapshot of the hunt's own.
    Own(String),
}

/// A recording that is replayed to and fro, on this thread alone.
pub(super) struct Side<'l> {
    session: Session<'l>,
    vcpu: Vcpu,
    /// Takes snapshots to come back to; nothing is written into the recording.
    keeper: Keeper,
    /// The snapshots of the recording.
    recorded: Store,
    /// Pages at power-on, by their hashes.
    power_on: Vec<u128>,
    /// Pages that do not count as long as they are what they were at power-on.
    seeded: Vec<usize>,
    /// From here on instructions may go wrong. Snapshots of the recording from behind it would leave that out.
    fault_from: Option<u64>,
    /// Why it goes no further.
    pub(super) ended: Option<Ending>,
    /// It is in no state yet.
    fresh: bool,
    /// How often it went back.
    pub(super) restarts: u64,
    /// Instructions executed.
    pub(super) replayed: u64,
    measuring: Option<Measuring>,
    /// Holds the keeper's snapshots.
    _scratch: TempDir,
}

impl<'l> Side<'l> {
    /// Opens a recording.
    pub(super) fn open(quarry: Quarry<'_, 'l>, stop: &Arc<AtomicBool>) -> Result<Self, Error> {
        let Quarry {
            recording,
            log,
            fault,
            notes,
        } = quarry;
        let temporary = std::env::temp_dir();
        let scratch = tempfile::Builder::new()
            .prefix("rr-diff-")
            .tempdir()
            .map_err(Error::file(&temporary, "make room for snapshots"))?;
        let how = ReplayHow {
            keep_in: Some(scratch.path().to_owned()),
            ..ReplayHow::default()
        };
        let control = Control::unused();
        let (_, ready) = switched_on(recording, &how, log, &Backend::Null, stop, &control, notes)?;
        let mut machine = ready.machine;
        if let Some(fault) = fault {
            machine.insert_probe(Probe::Fault(fault));
        }
        let power_on = machine.page_hashes().to_vec();
        let mailbox = Arc::new(Mailbox::new());
        let stop = Arc::clone(stop);
        let driver = Box::new(ready.replayer);
        // Digests are compared by the hunt.
        let never = u64::MAX;
        let session = session(machine, driver, mailbox, stop, never, &control);
        Ok(Self {
            session,
            vcpu: Vcpu::default(),
            keeper: ready.keeper,
            recorded: Store::of(recording.dir()),
            power_on,
            seeded: Vec::new(),
            fault_from: fault.map(|fault| fault.from),
            ended: None,
            fresh: true,
            restarts: 0,
            replayed: 0,
            measuring: ready.measuring,
            _scratch: scratch,
        })
    }

    /// From now on pages that differ between both at power-on do not count until the guest stores to them.
    pub(super) fn leave_seeds_out(&mut self, other: &mut Self) {
        let pairs = self.power_on.iter().zip(&other.power_on).enumerate();
        let differing = pairs.filter(|(_, (one, two))| one != two);
        self.seeded = differing.map(|(page, _)| page).collect();
        other.seeded.clone_from(&self.seeded);
    }

    /// Instructions executed since power-on.
    pub(super) fn icount(&self) -> u64 {
        self.session.machine.lock().icount()
    }

    /// Looks at the machine.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Machine) -> T) -> T {
        look(&mut self.session.machine.lock())
    }

    /// Brings it to an instruction count, from the nearest place it can start at: each side in its own way, so nothing is watched.
    pub(super) fn at(&mut self, icount: u64) -> Result<(), Error> {
        self.with(|machine| machine.remove_probe(Probe::Witness));
        let here = self.icount();
        let ahead = !self.fresh && self.ended.is_none() && here <= icount;
        let (from, origin) = self.nearest(icount)?;
        if !ahead || from > here.saturating_add(WORTH_A_JUMP) {
            self.start_at(origin)?;
        }
        self.go(icount)
    }

    /// Brings it to where the recording begins: power-on, or the start of a slice.
    pub(super) fn restart(&mut self, start: u64) -> Result<(), Error> {
        let (_, origin) = self.nearest(start)?;
        self.start_at(origin)
    }

    fn nearest(&self, icount: u64) -> Result<(u64, Origin), Error> {
        let mut best = (0, Origin::PowerOn);
        let right = self.fault_from.map_or(icount, |from| icount.min(from));
        let recorded = self.recorded.sound()?.into_iter();
        let recorded = recorded.map(|snapshot| (snapshot, right, Origin::Recorded as fn(_) -> _));
        let own = self.keeper.store.sound()?.into_iter();
        let own = own.map(|snapshot| (snapshot, icount, Origin::Own as fn(_) -> _));
        for (snapshot, until, origin) in recorded.chain(own) {
            if snapshot.icount <= until && snapshot.icount >= best.0 {
                best = (snapshot.icount, origin(snapshot.name));
            }
        }
        Ok(best)
    }

    fn start_at(&mut self, origin: Origin) -> Result<(), Error> {
        let mut driver = self.session.driver.lock();
        let mut machine = self.session.machine.lock();
        match origin {
            Origin::PowerOn => {
                machine.rewind();
                driver.travel(None)?;
                self.keeper.moved(None, &mut machine);
            }
            Origin::Recorded(name) => {
                let chain = self.recorded.open(&name)?;
                let loaded = chain.load(&mut machine)?;
                driver.travel(Some((&chain, loaded)))?;
                self.keeper.start_over(&self.power_on);
                let outside = driver.outside(machine.icount())?;
                self.keeper.hold_all(&chain, &outside)?;
            }
            Origin::Own(name) => {
                let chain = self.keeper.store.open(&name)?;
                let loaded = chain.load(&mut machine)?;
                driver.travel(Some((&chain, loaded)))?;
                self.keeper.moved(Some(&name), &mut machine);
            }
        }
        drop((machine, driver));
        self.vcpu = Vcpu::default();
        self.ended = None;
        self.restarts += u64::from(!self.fresh);
        self.fresh = false;
        Ok(())
    }

    /// Goes on to an instruction count, or to where the replay ends.
    pub(super) fn go(&mut self, icount: u64) -> Result<(), Error> {
        let before = self.icount();
        self.session.until = Some(icount);
        while self.ended.is_none() {
            if self.session.shared.stop.load(Ordering::Acquire) {
                // Perhaps it was an image that is not what was recorded: then that is said.
                return Err(self.settle().err().unwrap_or(Error::Cancelled));
            }
            match self.session.period(&mut self.vcpu) {
                Ok(None) => {}
                Ok(Some(Finish::Reached)) => break,
                Ok(Some(finish)) => self.ended = Some(Ending::Finished(finish)),
                Err(Error::Diverged(divergence)) => {
                    self.ended = Some(Ending::Diverged(divergence));
                }
                Err(error) => return Err(error),
            }
        }
        self.replayed += self.icount().saturating_sub(before);
        Ok(())
    }

    /// Waits until the disk images are known to be those of the recording.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        self.measuring.take().map_or(Ok(()), Measuring::finish)
    }

    /// Takes a snapshot to come back to, unless there is one for this place.
    pub(super) fn keep(&mut self) -> Result<(), Error> {
        let mut driver = self.session.driver.lock();
        let mut machine = self.session.machine.lock();
        match driver.outside(machine.icount())? {
            Some(outside) => self.keeper.take_due(&mut machine, outside),
            None => Ok(()),
        }
    }

    /// The digest of the whole state.
    pub(super) fn digest(&self) -> u128 {
        self.session.machine.lock().digest()
    }

    /// What the state is compared by.
    pub(super) fn fingerprint(&self, view: View) -> Fingerprint {
        let mut machine = self.session.machine.lock();
        let hashes = machine.page_hashes();
        let all = hashes
            .iter()
            .fold(0u128, |sum, hash| sum.wrapping_add(*hash));
        let untouched = self.seeded.iter().filter_map(|&page| {
            let hash = hashes.get(page)?;
            (self.power_on.get(page) == Some(hash)).then_some(*hash)
        });
        let ram = untouched.fold(all, u128::wrapping_sub);
        let state = match view {
            View::Everything => machine.hash_without_seed().to_le_bytes().to_vec(),
            // Plain data: that cannot fail.
            View::Guest => postcard::to_stdvec(machine.harts()).unwrap_or_default(),
        };
        Fingerprint {
            state,
            ram,
            witness: machine.witness(),
        }
    }

    /// All state but RAM, as a tree.
    pub(super) fn tree(&self) -> Result<Value, Error> {
        let machine = self.session.machine.lock();
        let tree = serde_json::to_value(machine.inspect());
        tree.map_err(|_| Error::Internal("the state of the machine is no JSON"))
    }

    /// Pages of RAM that differ, in order, but those that differ from the start.
    pub(super) fn pages_that_differ(&self, other: &Side<'_>) -> Vec<u32> {
        // One after the other: a thread holds one BQL at a time.
        let mine = self.with(|machine| machine.page_hashes().to_vec());
        let others = other.with(|machine| machine.page_hashes().to_vec());
        let pairs = mine.iter().zip(&others).enumerate();
        let differing = pairs.filter(|(page, (mine, others))| {
            let as_at_power_on = self.power_on.get(*page) == Some(*mine)
                && other.power_on.get(*page) == Some(*others);
            mine != others && !(as_at_power_on && self.seeded.binary_search(page).is_ok())
        });
        differing.map(|(page, _)| page as u32).collect()
    }

    /// The bytes of a page of RAM.
    pub(super) fn page(&self, page: u32) -> Vec<u8> {
        let machine = self.session.machine.lock();
        let bytes = machine.page(page).map(<[u8]>::to_vec);
        bytes.unwrap_or_else(|| vec![0; PAGE])
    }
}
