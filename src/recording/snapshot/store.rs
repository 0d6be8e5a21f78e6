//! The snapshots of a recording on disk: making, listing, opening, deleting.

use super::chain::{Chain, Checked};
use super::draft::Draft;
use super::{
    FOLDER, LogPlace, MANIFEST, PAGES, STATE, Snapshot, damaged, manifest, pages, snapshot_name,
};
use crate::error::{Damage, Error, RecordingFault};
use crate::host::disk;
use crate::host::map::{MapError, open_regular};
use crate::host::part::{folder_of, sync_folder};
use crate::host::small;
use crate::recording::LARGEST_MANIFEST;
use crate::recording::create::share;
use machine::Icount;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// File that a process locks while it changes the snapshots.
pub(super) const LOCK: &str = ".lock";
/// Prefix of folders that are no snapshots: snapshots in the making, and deleted ones.
pub(crate) const HALF: &str = ".half-";

/// The snapshots of one recording.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    kind: Kind,
}

/// Who changes the snapshots, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any process. Each change is durable.
    Shared,
    /// The process that writes the recording. It makes all files durable at its end.
    Writer,
}

/// The locks of a process that changes the snapshots.
#[derive(Debug)]
pub(super) struct Locks {
    /// The lock of the recording, unless this process writes it.
    _recording: Option<File>,
    /// The lock of the snapshots.
    _snapshots: File,
}

/// A snapshot in a list.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The snapshot's description, or why it cannot be read.
    pub snapshot: Result<Snapshot, Error>,
    /// Length of its files in bytes.
    pub size: u64,
    /// Bytes that its files take on the disk.
    pub on_disk: u64,
}

impl Store {
    /// The snapshots of the recording in this directory, which need not have any.
    pub fn of(recording: &Path) -> Self {
        Self {
            dir: recording.join(FOLDER),
            kind: Kind::Shared,
        }
    }

    /// As [`Store::of`], for the process that has the recording's
    /// [`WriteLock`](crate::recording::create::WriteLock), or is making the recording. That process
    /// also makes the snapshots durable.
    pub fn of_writer(recording: &Path) -> Self {
        Self {
            kind: Kind::Writer,
            ..Self::of(recording)
        }
    }

    /// True if each change is durable.
    pub(super) fn is_durable(&self) -> bool {
        self.kind == Kind::Shared
    }

    /// Path of the snapshot with this name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn lock(&self) -> Result<File, Error> {
        let path = self.dir.join(LOCK);
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = open.map_err(Error::file(&path, "open"))?;
        // A file system without locks: the user must not change the snapshots from two processes.
        let _ = file.lock();
        Ok(file)
    }

    /// Takes the locks, and removes half-made folders of earlier processes.
    fn write(&self) -> Result<Arc<Locks>, Error> {
        let recording = match self.kind {
            Kind::Writer => None,
            Kind::Shared => Some(share(folder_of(&self.dir))?),
        };
        fs::create_dir_all(&self.dir).map_err(Error::file(&self.dir, "create the snapshots"))?;
        let lock = self.lock()?;
        for entry in fs::read_dir(&self.dir).map_err(Error::file(&self.dir, "look into it"))? {
            let entry = entry.map_err(Error::file(&self.dir, "look into it"))?;
            if entry.file_name().to_string_lossy().starts_with(HALF) {
                remove(&entry.path())?;
            }
        }
        Ok(Arc::new(Locks {
            _recording: recording,
            _snapshots: lock,
        }))
    }

    /// All snapshots, in the order of their icount; damaged ones last.
    ///
    /// # Errors
    /// If the directory cannot be read. A damaged snapshot is no error; its entry holds the error.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        let mut list = Vec::new();
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(list),
            entries => entries.map_err(Error::file(&self.dir, "look into it"))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::file(&self.dir, "look into it"))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if snapshot_name(&name).is_err() || !entry.path().is_dir() {
                continue;
            }
            let (size, on_disk) = sizes(&entry.path())?;
            list.push(Listed {
                snapshot: self.read(&name),
                name,
                size,
                on_disk,
            });
        }
        list.sort_by_cached_key(|listed| {
            let icount = listed.snapshot.as_ref().map(|found| found.icount);
            (icount.unwrap_or(Icount::MAX), listed.name.clone())
        });
        Ok(list)
    }

    /// The snapshots that can be read, in the order of their icount.
    ///
    /// # Errors
    /// As for [`Store::list`].
    pub fn sound(&self) -> Result<Vec<Snapshot>, Error> {
        let list = self.list()?.into_iter();
        Ok(list.filter_map(|listed| listed.snapshot.ok()).collect())
    }

    /// The instruction count of a snapshot.
    ///
    /// # Errors
    /// If there is no such snapshot: the names of the existing ones.
    pub fn find(&self, name: &str) -> Result<Icount, Vec<String>> {
        let all = self.sound().unwrap_or_default();
        let found = all.iter().find(|snapshot| snapshot.name == name);
        let names = || all.iter().map(|snapshot| snapshot.name.clone()).collect();
        found.map(|snapshot| snapshot.icount).ok_or_else(names)
    }

    /// True if there is a snapshot of this name, even a damaged one.
    pub fn has(&self, name: &str) -> bool {
        snapshot_name(name).is_ok() && self.path(name).join(MANIFEST).exists()
    }

    /// Reads `snapshot.json` alone.
    pub(crate) fn read(&self, name: &str) -> Result<Snapshot, Error> {
        snapshot_name(name)?;
        let path = self.path(name).join(MANIFEST);
        let bytes = match small::read(&path, LARGEST_MANIFEST) {
            Err(MapError::Missing { .. }) if !self.path(name).is_dir() => {
                return Err(self.none(name));
            }
            Err(MapError::Missing { .. }) => return Err(damaged(&path, Damage::Missing)),
            bytes => bytes?,
        };
        let snapshot = manifest::read(&path, &bytes)?;
        if snapshot.name != name {
            return Err(damaged(&path, Damage::OtherName(snapshot.name)));
        }
        Ok(snapshot)
    }

    fn none(&self, name: &str) -> Error {
        let known = self.sound().unwrap_or_default().into_iter();
        let fault = RecordingFault::NoSnapshot {
            name: name.to_owned(),
            known: known.map(|snapshot| snapshot.name).collect(),
        };
        Error::recording(&self.dir, fault)
    }

    /// Opens a snapshot and its ancestors, and checks all their checksums.
    ///
    /// # Errors
    /// If there is no such snapshot, or one of the files is damaged.
    pub fn open(&self, name: &str) -> Result<Chain, Error> {
        self.open_checked(name, &Checked::default())
    }

    /// As [`Store::open`], without the checksums of snapshots that were checked before.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub(crate) fn open_checked(&self, name: &str, checked: &Checked) -> Result<Chain, Error> {
        Chain::open(self, name, checked)
    }

    /// Begins to make a snapshot.
    pub(crate) fn draft(&self, name: &str) -> Result<Draft, Error> {
        snapshot_name(name)?;
        let lock = self.write()?;
        let place = self.path(name);
        if place.exists() {
            return Err(Error::recording(&place, RecordingFault::SnapshotExists));
        }
        Draft::new(self, name, lock)
    }

    /// Makes a snapshot the start of a slice, in whose log it has another place.
    pub(crate) fn pin(&self, name: &str, log: LogPlace) -> Result<(), Error> {
        let mut snapshot = self.read(name)?;
        (snapshot.log, snapshot.pinned) = (log, true);
        manifest::write(&self.path(name).join(MANIFEST), snapshot).map(|_| ())
    }

    /// Deletes a snapshot. Its children get the pages and clusters that they need of it.
    ///
    /// # Errors
    /// If there is no such snapshot, or a running `rr` needs it.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        snapshot_name(name)?;
        if !self.path(name).is_dir() {
            return Err(self.none(name));
        }
        if self.read(name).is_ok_and(|snapshot| snapshot.pinned) {
            return Err(Error::recording(
                &self.path(name),
                RecordingFault::SnapshotPinned,
            ));
        }
        let lock = self.write()?;
        let children = self.sound()?.into_iter();
        let children = children.filter(|other| other.parent.as_deref() == Some(name));
        let children: Vec<Snapshot> = children.collect();
        let used = [name].into_iter();
        for used in used.chain(children.iter().map(|child| child.name.as_str())) {
            self.check_unused(used)?;
        }
        if !children.is_empty() {
            let parent = self.read(name)?;
            for child in &children {
                self.merge(child, &parent, &lock)?;
            }
        }
        // Renamed first, so that no process sees a half-deleted snapshot.
        let half = self.dir.join(format!("{HALF}gone-{name}"));
        fs::rename(self.path(name), &half).map_err(Error::file(&half, "delete the snapshot"))?;
        self.sync_names()?;
        remove(&half)
    }

    /// Copies what a snapshot needs of its parent into it, so that the parent can be deleted.
    fn merge(&self, child: &Snapshot, parent: &Snapshot, lock: &Arc<Locks>) -> Result<(), Error> {
        // The files are checked first, so that no damaged page gets a new checksum.
        for snapshot in [child, parent] {
            self.check_files(snapshot)?;
        }
        let (upper, lower) = (self.path(&child.name), self.path(&parent.name));
        let draft = Draft::new(self, &child.name, Arc::clone(lock))?;
        copy(&upper.join(STATE), &draft.path(STATE))?;
        pages::merge(&upper.join(PAGES), &lower.join(PAGES), &draft.path(PAGES))?;
        let mut merged = child.clone();
        merged.parent.clone_from(&parent.parent);
        for layer in &mut merged.drives {
            let of_parent = parent
                .drives
                .iter()
                .find(|other| other.drive == layer.drive);
            let Some(of_parent) = of_parent else {
                return Err(damaged(&lower, Damage::NoLayer(layer.drive)));
            };
            let (upper, lower) = (upper.join(&layer.file), lower.join(&of_parent.file));
            layer.below = of_parent.below.clone();
            disk::merge(&upper, &lower, &draft.path(&layer.file), &layer.below)?;
        }
        draft.replace(merged)
    }

    /// Makes the names of the snapshots durable, if changes are.
    pub(super) fn sync_names(&self) -> Result<(), Error> {
        let synced = match self.is_durable() {
            true => sync_folder(&self.dir).and_then(|()| sync_folder(folder_of(&self.dir))),
            false => Ok(()),
        };
        synced.map_err(Error::file(&self.dir, "write it to disk"))
    }

    /// Checks every file of a snapshot.
    pub(crate) fn check_files(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let dir = self.path(&snapshot.name);
        let named = |file: &str| snapshot.files.iter().any(|stored| stored.name == file);
        let layers = snapshot.drives.iter().map(|layer| layer.file.as_str());
        if !layers.chain([STATE, PAGES]).all(named) {
            return Err(damaged(&dir.join(MANIFEST), Damage::TooFewFiles));
        }
        for stored in &snapshot.files {
            let path = dir.join(&stored.name);
            if !stored.is(&path)? {
                return Err(damaged(&path, Damage::Checksum));
            }
        }
        Ok(())
    }

    /// Marks a snapshot as needed by this process, as long as the returned file is open.
    pub(crate) fn hold(&self, name: &str) -> Option<File> {
        let (file, _) = open_regular(&self.path(name).join(MANIFEST)).ok()?;
        file.try_lock_shared().ok()?;
        Some(file)
    }

    fn check_unused(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        let file = open_regular(&path.join(MANIFEST));
        match file.map(|(file, _)| file.try_lock()) {
            Ok(Err(fs::TryLockError::WouldBlock)) => {
                Err(Error::recording(&path, RecordingFault::SnapshotInUse))
            }
            _ => Ok(()),
        }
    }

    /// Deletes the oldest snapshots, but not the first and the last, until all take at most
    /// `budget` bytes on the disk.
    pub(crate) fn thin(&self, budget: u64) -> Result<(), Error> {
        loop {
            let list = self.list()?;
            let total: u64 = list.iter().map(|listed| listed.on_disk).sum();
            let sound = list.iter().filter(|listed| listed.snapshot.is_ok());
            let names: Vec<&str> = sound.map(|listed| listed.name.as_str()).collect();
            match names.as_slice() {
                [_, oldest, _, ..] if total > budget => self.delete(oldest)?,
                _ => return Ok(()),
            }
        }
    }
}

/// Length in bytes of the files in a folder, and the bytes that they take on the disk.
fn sizes(dir: &Path) -> Result<(u64, u64), Error> {
    let mut sizes = (0, 0);
    for entry in fs::read_dir(dir).map_err(Error::file(dir, "look into it"))? {
        let found = entry.and_then(|entry| entry.metadata());
        let found = found.map_err(Error::file(dir, "look into it"))?;
        sizes.0 += found.len();
        sizes.1 += found.blocks() * 512;
    }
    Ok(sizes)
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::hard_link(from, to)
        .or_else(|_| fs::copy(from, to).map(|_| ()))
        .map_err(Error::file(to, "write"))
}

pub(crate) fn remove(dir: &Path) -> Result<(), Error> {
    fs::remove_dir_all(dir).map_err(Error::file(dir, "remove what is left of a snapshot"))
}
