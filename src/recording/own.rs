//! What rr itself puts into a recording. Only that is removed when a recording is replaced.

use crate::error::{Error, RecordingFault};
use crate::host::disk::IoErrors;
use crate::host::part::folder_of;
use crate::recording::seal::{SEAL, SEAL_PART};
use crate::recording::snapshot::{self, FOLDER};
use crate::recording::{DIGESTS, LOG, MANIFEST, MANIFEST_PART, PACE};
use serde::Deserialize;
use std::fs::{self, DirEntry, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes of a manifest that are looked at.
const MANIFEST_MAX: u64 = 1 << 24;

/// What there is at the place of a recording.
#[derive(Debug)]
pub(crate) enum Occupant {
    /// Nothing.
    Nothing,
    /// A recording, or what is left of one.
    Recording(Content),
    /// Something else.
    Other,
}

/// The content of a recording's directory. All paths are relative to it.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// Files that rr made.
    files: Vec<PathBuf>,
    /// Folders that rr made, a folder after those in it. A folder may also hold foreign entries.
    folders: Vec<PathBuf>,
    /// Files and folders that rr did not make. Nothing in such a folder is listed.
    pub(crate) foreign: Vec<PathBuf>,
}

/// True if rr gives a file in a recording's directory this name.
pub fn is_own(name: &str) -> bool {
    let files = [
        MANIFEST,
        MANIFEST_PART,
        LOG,
        DIGESTS,
        PACE,
        IoErrors::FILE,
        IoErrors::PART,
        SEAL,
        SEAL_PART,
    ];
    files.contains(&name) || is_overlay(name)
}

/// True if rr gives the overlay of a disk this name. It is no path.
pub(crate) fn is_overlay(name: &str) -> bool {
    name.starts_with("overlay-") && name.ends_with(".qcow2") && !name.contains('/')
}

/// True if the file is, or would be, a part of a recording: it is no place for other output.
pub fn is_part(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    is_own(&name.to_string_lossy()) && says_recording(folder_of(path)) == Some(true)
}

impl Occupant {
    /// Looks at what there is at the place.
    ///
    /// # Errors
    /// If it cannot be read, or a link or the like has the name of a file of rr.
    pub(crate) fn of(dir: &Path) -> Result<Self, Error> {
        match fs::metadata(dir) {
            Err(error) if is_missing(error.kind()) => return Ok(Self::Nothing),
            Err(error) => return Err(Error::file(dir, "look into it")(error)),
            Ok(found) if !found.is_dir() => return Ok(Self::Other),
            Ok(_) => {}
        }
        let content = Content::of(dir)?;
        let is_recording = match says_recording(dir) {
            Some(says) => says,
            // A recording that was killed in its first moments, or that a crash has damaged.
            None => content.foreign.is_empty(),
        };
        Ok(match is_recording {
            true => Self::Recording(content),
            false => Self::Other,
        })
    }
}

/// Whether the manifest says that the directory is a recording; `None` if it says nothing: it is
/// missing or damaged.
fn says_recording(dir: &Path) -> Option<bool> {
    #[derive(Deserialize)]
    struct Version {
        rr_version: Option<String>,
    }
    let path = dir.join(MANIFEST);
    // Not a pipe: opening it would wait for a writer.
    if !fs::symlink_metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    File::open(&path)
        .ok()?
        .take(MANIFEST_MAX)
        .read_to_end(&mut text)
        .ok()?;
    let value: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let version = serde_json::from_value(value);
    Some(version.is_ok_and(|Version { rr_version }| rr_version.is_some()))
}

impl Content {
    fn of(dir: &Path) -> Result<Self, Error> {
        let mut content = Self::default();
        for (name, kind) in entries(dir)? {
            if name == Path::new(FOLDER) {
                check(dir, &name, kind.is_dir())?;
                content.add_snapshots(dir)?;
            } else if is_own(&name.to_string_lossy()) {
                check(dir, &name, kind.is_file())?;
                content.files.push(name);
            } else {
                content.foreign.push(name);
            }
        }
        Ok(content)
    }

    fn add_snapshots(&mut self, dir: &Path) -> Result<(), Error> {
        let snapshots = Path::new(FOLDER);
        for (name, kind) in entries(&dir.join(snapshots))? {
            let path = snapshots.join(&name);
            match name.to_string_lossy() {
                name if snapshot::is_lock(&name) => {
                    check(dir, &path, kind.is_file())?;
                    self.files.push(path);
                }
                name if kind.is_dir() && snapshot::is_folder(&name) => {
                    self.add_snapshot(dir, path)?;
                }
                _ => self.foreign.push(path),
            }
        }
        self.folders.push(snapshots.to_owned());
        Ok(())
    }

    /// Adds a folder that has the name of a snapshot.
    fn add_snapshot(&mut self, dir: &Path, folder: PathBuf) -> Result<(), Error> {
        let mut own = Vec::new();
        let mut foreign = None;
        for (name, kind) in entries(&dir.join(&folder))? {
            match snapshot::is_own(&name.to_string_lossy()) && kind.is_file() {
                true => own.push(folder.join(name)),
                false => foreign = Some(folder.join(name)),
            }
        }
        match foreign {
            None => {
                self.files.append(&mut own);
                self.folders.push(folder);
            }
            // Only a folder of the user's.
            Some(_) if own.is_empty() => self.foreign.push(folder),
            Some(foreign) => {
                return Err(Error::recording(
                    &dir.join(foreign),
                    RecordingFault::NotOurs,
                ));
            }
        }
        Ok(())
    }

    /// True if the path is one of the files that rr made in `dir`.
    pub(crate) fn has(&self, dir: &Path, path: &Path) -> bool {
        self.files.iter().any(|file| dir.join(file) == path)
    }

    /// Removes everything that rr made in `dir`, and `dir` itself if nothing else is in it.
    ///
    /// # Errors
    /// If the file system refuses it.
    pub(crate) fn remove(&self, dir: &Path) -> Result<(), Error> {
        for file in &self.files {
            let path = dir.join(file);
            gone(fs::remove_file(&path)).map_err(Error::file(&path, "replace"))?;
        }
        for folder in self
            .folders
            .iter()
            .map(PathBuf::as_path)
            .chain([Path::new("")])
        {
            // It stays if the user has put something there.
            let _ = fs::remove_dir(dir.join(folder));
        }
        Ok(())
    }
}

/// The names in a directory, with their kind. A link is a link.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, FileType)>, Error> {
    let fail = |cause| Error::file(dir, "look into it")(cause);
    let of = |entry: DirEntry| Ok((entry.file_name().into(), entry.file_type()?));
    let entries = fs::read_dir(dir).map_err(fail)?;
    let all: io::Result<Vec<(PathBuf, FileType)>> =
        entries.map(|entry| entry.and_then(of)).collect();
    let mut all = all.map_err(fail)?;
    all.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(all)
}

fn check(dir: &Path, name: &Path, right: bool) -> Result<(), Error> {
    match right {
        true => Ok(()),
        false => Err(Error::recording(&dir.join(name), RecordingFault::NotOurs)),
    }
}

/// True if nothing is there. Making something there has an error of its own.
fn is_missing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
