//! A snapshot that is being made.

use super::store::{HALF, Locks, Store, remove};
use super::{Layer, MANIFEST, PAGES, STATE, Snapshot, Stored, manifest};
use crate::error::Error;
use crate::host::part::sync_tree;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// The folder of a snapshot in the making. If it is dropped before `commit`, the folder is removed.
#[derive(Debug)]
pub(crate) struct Draft {
    half: PathBuf,
    place: PathBuf,
    store: Store,
    _locks: Arc<Locks>,
}

impl Draft {
    pub(super) fn new(store: &Store, name: &str, locks: Arc<Locks>) -> Result<Self, Error> {
        let half = store.path(&format!("{HALF}{name}"));
        fs::create_dir(&half).map_err(Error::file(&half, "create the snapshot"))?;
        Ok(Self {
            half,
            place: store.path(name),
            store: store.clone(),
            _locks: locks,
        })
    }

    /// The path to write a file of the snapshot to.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.half.join(file)
    }

    fn seal(&self, mut snapshot: Snapshot) -> Result<Snapshot, Error> {
        let layers = snapshot
            .drives
            .iter()
            .map(|layer: &Layer| layer.file.as_str());
        let files = layers.chain([STATE, PAGES]);
        let files = files.map(|file| Stored::of(&self.path(file)));
        snapshot.files = files.collect::<Result<_, _>>()?;
        let snapshot = manifest::write(&self.path(MANIFEST), snapshot)?;
        if self.store.is_durable() {
            sync_tree(&self.half).map_err(Error::file(&self.half, "write it to disk"))?;
        }
        Ok(snapshot)
    }

    /// Publishes the whole snapshot under its name.
    pub(crate) fn commit(self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        let snapshot = self.seal(snapshot)?;
        fs::rename(&self.half, &self.place).map_err(Error::file(&self.place, "create"))?;
        self.store.sync_names()?;
        Ok(snapshot)
    }

    /// Publishes the whole snapshot in place of the existing one.
    pub(crate) fn replace(self, snapshot: Snapshot) -> Result<(), Error> {
        self.seal(snapshot)?;
        let swapped = renameat_with(CWD, &self.half, CWD, &self.place, RenameFlags::EXCHANGE);
        swapped.map_err(|error| Error::file(&self.place, "replace")(error.into()))?;
        self.store.sync_names()?;
        remove(&self.half)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `commit` the folder has moved. If this fails, the next writer removes the folder.
        let _ = fs::remove_dir_all(&self.half);
    }
}
