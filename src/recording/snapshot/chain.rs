//! A snapshot and its ancestors, ready to be loaded.

use super::pages::{Pages, over};
use super::store::Store;
use super::{PAGES, STATE, Snapshot, damaged};
use crate::error::{Damage, Error, RecordingFault};
use crate::host::disk::Pending;
use crate::host::map::MappedFile;
use machine::Machine;
use machine::ram::PAGE;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The largest number of snapshots in a chain.
const MAX_LENGTH: usize = 1 << 20;

/// The content of `state.bin`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The machine's state, from [`Machine::save`].
    pub(crate) machine: Vec<u8>,
    /// Disk operations that are done, and whose completion the guest has not seen yet.
    pub(crate) pending: Vec<Pending>,
    /// Numbers of the disk operations that had failed so far.
    pub(crate) failed: Vec<u64>,
}

impl Saved {
    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let bytes = postcard::to_stdvec(self);
        let bytes =
            bytes.map_err(|error| Error::recording(path, RecordingFault::Encode(error.into())))?;
        fs::write(path, bytes).map_err(Error::file(path, "write"))
    }

    fn read(path: &Path) -> Result<Self, Error> {
        let bytes = MappedFile::open(path)?;
        postcard::from_bytes(&bytes).map_err(|_| damaged(path, Damage::NoState))
    }
}

/// A snapshot and its ancestors, the oldest first. All their checksums were right.
#[derive(Debug)]
pub struct Chain {
    store: Store,
    snapshots: Vec<Snapshot>,
    /// The snapshot itself, which is the last of the chain.
    pub snapshot: Snapshot,
}

/// The names of snapshots whose files were checked. So snapshots that share ancestors are opened
/// with one check of each ancestor.
#[derive(Debug, Default)]
pub(crate) struct Checked(Mutex<BTreeSet<String>>);

impl Checked {
    fn check(&self, store: &Store, snapshot: &Snapshot) -> Result<(), Error> {
        if !self.0.lock().contains(&snapshot.name) {
            store.check_files(snapshot)?;
            self.0.lock().insert(snapshot.name.clone());
        }
        Ok(())
    }
}

/// The state of a snapshot outside the machine, to go on from there.
#[derive(Debug)]
pub struct Loaded {
    /// Disk operations that are done, and whose completion the guest has not seen yet.
    pub pending: Vec<Pending>,
    /// Numbers of the disk operations that had failed so far.
    pub failed: Vec<u64>,
}

impl Chain {
    pub(crate) fn open(store: &Store, name: &str, checked: &Checked) -> Result<Self, Error> {
        let snapshot = store.read(name)?;
        let mut snapshots = vec![snapshot.clone()];
        while let Some(parent) = snapshots.last().and_then(|last| last.parent.clone()) {
            if snapshots.len() > MAX_LENGTH || snapshots.iter().any(|known| known.name == parent) {
                return Err(damaged(&store.path(name), Damage::LiesOnItself));
            }
            snapshots.push(store.read(&parent)?);
        }
        snapshots.reverse();
        for snapshot in &snapshots {
            checked.check(store, snapshot)?;
        }
        Ok(Self {
            store: store.clone(),
            snapshots,
            snapshot,
        })
    }

    /// Paths of a drive's layers, the lowest first.
    pub fn layers(&self, drive: u8) -> Vec<PathBuf> {
        let layers = self.snapshots.iter().flat_map(|snapshot| {
            let layers = snapshot.drives.iter();
            let layers = layers.filter(move |layer| layer.drive == drive);
            layers.map(|layer| self.store.path(&snapshot.name).join(&layer.file))
        });
        layers.collect()
    }

    /// The hash of each page in the parent of the last snapshot. `base` holds the hash of each page
    /// in the last snapshot. A page that only the last snapshot holds gets a number that is the
    /// hash of no page.
    pub(crate) fn without_last(&self, base: &[u128]) -> Result<Vec<u128>, Error> {
        let mut base = base.to_vec();
        let files = self.snapshots.iter();
        let files = files.map(|snapshot| Pages::open(&self.store.path(&snapshot.name).join(PAGES)));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let mut lists = files
            .iter()
            .map(Pages::all)
            .collect::<Result<Vec<_>, _>>()?;
        let last = lists.pop().unwrap_or_default();
        let below = over(&lists);
        for page in last {
            let found = below.binary_search_by_key(&page.number, |page| page.number);
            let found = found.ok().and_then(|at| below.get(at));
            if let Some(hash) = base.get_mut(page.number as usize) {
                *hash = found.map_or(u128::MAX, |page| page.hash);
            }
        }
        Ok(base)
    }

    /// Puts a machine of the same recording, in whatever state, into the state of the snapshot.
    ///
    /// # Errors
    /// If the snapshot is not one of this machine. Then the machine's state is undefined, and it
    /// must not be used.
    pub fn load(&self, machine: &mut Machine) -> Result<Loaded, Error> {
        machine.rewind()?;
        self.load_at_power_on(machine)
    }

    /// As [`Chain::load`], for a machine at power-on.
    ///
    /// # Errors
    /// As for [`Chain::load`].
    pub(crate) fn load_at_power_on(&self, machine: &mut Machine) -> Result<Loaded, Error> {
        let place = self.store.path(&self.snapshot.name);
        let files = self.snapshots.iter();
        let files = files.map(|snapshot| Pages::open(&self.store.path(&snapshot.name).join(PAGES)));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let lists = files.iter().map(Pages::all);
        let pages = over(&lists.collect::<Result<Vec<_>, _>>()?);
        let path = place.join(STATE);
        let saved = Saved::read(&path)?;
        let mut content = [0; PAGE];
        for page in pages {
            let whole = page.unpack(&mut content);
            if whole.is_none() || !machine.restore_page(page.number, &content) {
                return Err(damaged(&place.join(PAGES), Damage::Page(page.number)));
            }
        }
        machine
            .restore(&saved.machine)
            .map_err(|error| damaged(&path, Damage::State(error)))?;
        let digest = machine.digest().to_string();
        if digest != self.snapshot.digest {
            let recorded = self.snapshot.digest.clone();
            let found = digest;
            return Err(damaged(&place, Damage::Digest { found, recorded }));
        }
        Ok(Loaded {
            pending: saved.pending,
            failed: saved.failed,
        })
    }
}
