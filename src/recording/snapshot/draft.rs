//! A snapshot that is being made.

use super::store::{HALF, Store, remove};
use super::{Layer, MANIFEST, PAGES, STATE, Snapshot, Stored, manifest};
use crate::error::Error;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File};
use std::path::PathBuf;

/// The folder of a snapshot in the making. If it is dropped before `commit`, the folder is removed.
#[derive(Debug)]
pub(crate) struct Draft {
    half: PathBuf,
    place: PathBuf,
    _lock: File,
}

impl Draft {
    pub(crate) fn new(store: &Store, name: &str, lock: File) -> Result<Self, Error> {
        let half = store.path(&format!("{HALF}{name}"));
        fs::create_dir(&half).map_err(Error::file(&half, "create the snapshot"))?;
        Ok(Self {
            half,
            place: store.path(name),
            _lock: lock,
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
        manifest::write(&self.path(MANIFEST), snapshot)
    }

    /// Publishes the whole snapshot under its name.
    pub(crate) fn commit(self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        let snapshot = self.seal(snapshot)?;
        fs::rename(&self.half, &self.place).map_err(Error::file(&self.place, "create"))?;
        Ok(snapshot)
    }

    /// Publishes the whole snapshot in place of the existing one.
    pub(crate) fn replace(self, snapshot: Snapshot) -> Result<(), Error> {
        self.seal(snapshot)?;
        let swapped = renameat_with(CWD, &self.half, CWD, &self.place, RenameFlags::EXCHANGE);
        swapped.map_err(|error| Error::file(&self.place, "replace")(error.into()))?;
        remove(&self.half)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `commit` the folder has moved. If this fails, the next writer removes the folder.
        let _ = fs::remove_dir_all(&self.half);
    }
}
