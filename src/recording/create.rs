//! Creates recordings, and puts new ones in the place of old ones.
//!
//! A recording is made beside its place and appears whole. It is exchanged with the one that it
//! replaces; after that, what rr made of the old one is removed, and what else was in its directory
//! moves over.

use crate::error::{Error, RecordingFault};
use crate::host::part::{self, Part, folder_of, sync_folder};
use crate::notes::Notes;
use crate::recording::own::{Content, Occupant};
use crate::recording::{Image, MANIFEST};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The place of a recording that is being made.
#[derive(Debug)]
pub struct Staging {
    part: Part,
    /// Where the recording will be. Links are resolved if something is there.
    place: PathBuf,
    /// The lock of the recording that is there.
    old: Option<File>,
}

/// The right of one process to write to a recording. Other processes are refused until it is
/// dropped.
#[derive(Debug)]
pub struct WriteLock(#[expect(dead_code, reason = "the lock ends when the file is closed")] File);

impl Staging {
    /// Takes the place of a recording. `overwrite` allows a recording that is there.
    ///
    /// # Errors
    /// If there is something that may not be replaced, or that another process writes to.
    pub fn begin(dir: &Path, overwrite: bool, notes: &Notes) -> Result<Self, Error> {
        let old = take(dir, overwrite)?;
        let place = match &old {
            Some(_) => dir
                .canonicalize()
                .map_err(Error::file(dir, "resolve its path"))?,
            None => dir.to_owned(),
        };
        tidy(folder_of(&place), notes);
        let part = Part::directory(&place).map_err(Error::file(dir, "create the recording"))?;
        Ok(Self { part, place, old })
    }

    /// The directory in which the recording is made.
    pub fn path(&self) -> &Path {
        self.part.path()
    }

    /// Where the recording will be.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Checks that none of these images is a file of the recording that will be replaced.
    ///
    /// # Errors
    /// If one is.
    pub fn check_images<'i>(
        &self,
        images: impl IntoIterator<Item = &'i Image>,
    ) -> Result<(), Error> {
        let Occupant::Recording(content) = Occupant::of(&self.place)? else {
            return Ok(());
        };
        match images
            .into_iter()
            .find(|image| content.has(&self.place, &image.path))
        {
            Some(image) => Err(Error::recording(&image.path, RecordingFault::ReplacesImage)),
            None => Ok(()),
        }
    }

    /// Puts the recording in its place. `durable`: after this, it outlives a crash of the system.
    ///
    /// # Errors
    /// If the file system refuses it. Then the old recording is as it was.
    pub fn publish(self, durable: bool, notes: &Notes) -> Result<WriteLock, Error> {
        let Self { part, place, old } = self;
        if old.is_none() {
            let lock = part.publish(durable);
            let exists = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
            return match lock {
                Err(error) if exists(&error) => {
                    Err(Error::recording(&place, RecordingFault::Exists))
                }
                lock => Ok(WriteLock(
                    lock.map_err(Error::file(&place, "create the recording"))?,
                )),
            };
        }
        // Anew: somebody may have put a file there meanwhile.
        let Occupant::Recording(content) = Occupant::of(&place)? else {
            return Err(Error::recording(&place, RecordingFault::Occupied));
        };
        let (aside, lock) = part
            .exchange(durable)
            .map_err(Error::file(&place, "replace"))?;
        if let Some(kept) = clear(&aside, &place, &content)? {
            notes.remark(&format!(
                "{}: is of the recording that was replaced; move it where it is of use",
                kept.display()
            ));
        }
        Ok(WriteLock(lock))
    }
}

/// Locks the recording at this place; `None` if there is nothing.
fn take(dir: &Path, overwrite: bool) -> Result<Option<File>, Error> {
    let occupied = |fault| Err(Error::recording(dir, fault));
    loop {
        match Occupant::of(dir)? {
            // A link to nothing is in the way, too.
            Occupant::Nothing if dir.is_symlink() => return occupied(RecordingFault::Occupied),
            Occupant::Nothing => return Ok(None),
            Occupant::Other => return occupied(RecordingFault::Occupied),
            Occupant::Recording(_) if !overwrite => return occupied(RecordingFault::Exists),
            Occupant::Recording(_) => {}
        }
        let fail = |cause| Error::file(dir, "lock it")(cause);
        let lock = File::open(dir).map_err(fail)?;
        if !part::try_lock(&lock).map_err(fail)? {
            return occupied(RecordingFault::InUse);
        }
        let place = dir.canonicalize().map_err(fail)?;
        if part::is_at(&lock, &place) {
            return Ok(Some(lock));
        }
    }
}

/// Checks that a recording can be created at `dir`.
///
/// # Errors
/// If there is something that may not be replaced, or that another process writes to.
pub fn check_vacant(dir: &Path, overwrite: bool) -> Result<(), Error> {
    take(dir, overwrite).map(drop)
}

/// Checks that no other process writes the recording in `dir`, and keeps new ones away until the
/// result is dropped. Several processes may do this at a time.
///
/// # Errors
/// [`RecordingFault::InUse`].
pub fn share(dir: &Path) -> Result<File, Error> {
    let fail = |cause| Error::file(dir, "lock it")(cause);
    let lock = File::open(dir).map_err(fail)?;
    match part::try_lock_shared(&lock).map_err(fail)? {
        true => Ok(lock),
        false => Err(Error::recording(dir, RecordingFault::InUse)),
    }
}

/// Removes what killed processes have left in a folder. What cannot be removed stays for the next
/// one.
pub fn tidy(folder: &Path, notes: &Notes) {
    for left in part::leftovers(folder) {
        let gone = match (left.is_dir, Occupant::of(&left.path)) {
            (false, _) => fs::remove_file(&left.path).is_ok(),
            (true, Ok(Occupant::Recording(content))) => {
                let place = left.target.filter(|target| target.join(MANIFEST).exists());
                let place = place.unwrap_or_else(|| left.path.clone());
                matches!(clear(&left.path, &place, &content), Ok(None))
            }
            (true, _) => false,
        };
        if gone {
            let name = left.path.display();
            notes.remark(&format!("{name}: left by a killed rr; removed"));
        }
    }
}

/// Removes what rr made in `aside`, and moves the rest into `place`. Returns the path of a file
/// that could not be moved, if there is one.
fn clear(aside: &Path, place: &Path, content: &Content) -> Result<Option<PathBuf>, Error> {
    let mut kept = None;
    for name in &content.foreign {
        let (from, to) = (aside.join(name), place.join(name));
        let made = fs::create_dir_all(folder_of(&to));
        let moved =
            made.and_then(|()| Ok(renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE)?));
        if moved.is_err() {
            kept = Some(from);
        }
    }
    if !content.foreign.is_empty() {
        // The user's files are in their new place before anything is removed.
        let _ = sync_folder(place);
    }
    content.remove(aside)?;
    Ok(kept)
}
