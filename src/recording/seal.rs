//! `seal.json`: where a run ended, and a checksum of every file that may not change after that.
//!
//! It is written last, when the log, the digests and the overlays are closed. A recording that was
//! killed has none, and one of an earlier rr neither. A file that does not match its checksum is
//! damaged, and is refused. A log that was repaired in its place gets a new seal, which says so:
//! the recording then ends before its last state, and no digest of a later one counts.

use crate::error::{Error, RecordingFault, Unsealed};
use crate::host::disk::IoErrors;
use crate::host::map::open_regular;
use crate::host::part;
use crate::host::small;
use crate::notes::Notes;
use crate::recording::own::is_overlay;
use crate::recording::{DIGESTS, LOG, Recording};
use machine::{Digest, Icount};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

/// File name of the seal.
pub const SEAL: &str = "seal.json";
/// File name of the seal while it is being written.
pub const SEAL_PART: &str = "seal.json.part";
/// Version of the file's format.
const FORMAT: u32 = 1;
/// The longest seal that is read, in bytes. It takes some 150 bytes for each file.
const LONGEST: u64 = 1 << 20;
/// Bytes that take about half a second to hash. Of a larger file the user is told.
const LARGE: u64 = 1 << 30;

/// The content of the file, without the checksum of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    format: u32,
    /// The instruction count at which the run ended.
    pub(crate) icount: Icount,
    /// The number of events in the log, `EVENT_END` included.
    events: u64,
    /// Digest of the last state, in hexadecimal; `None` for a log that was repaired.
    state: Option<String>,
    /// Of a part of a recording that was not checked as a whole: the instruction count behind which
    /// nothing vouched for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vouched: Option<Icount>,
    files: Vec<Sum>,
}

/// A file as it was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sum {
    name: String,
    /// Its length in bytes.
    size: u64,
    /// BLAKE3 of its content, in hexadecimal.
    blake3: String,
}

/// The file: the seal, and BLAKE3 of it as compact JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    seal: Seal,
    blake3: String,
}

/// The format's version alone. It tells a file of another version from a damaged one.
#[derive(Deserialize)]
struct FormatOnly {
    seal: Versioned,
}

#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// Where a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// Its instruction count.
    pub(crate) icount: Icount,
    /// The number of events in the log, `EVENT_END` included.
    pub(crate) events: u64,
    /// Digest of the last state.
    pub(crate) state: Digest,
    /// The instruction count behind which nothing vouches for the run, if there is one.
    pub(crate) vouched: Option<Icount>,
}

/// The length and checksum of a log, as it grows.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogSum {
    hasher: blake3::Hasher,
    size: u64,
}

impl LogSum {
    /// Of these bytes.
    pub(crate) fn of(log: &[u8]) -> Self {
        let mut sum = Self::default();
        sum.add(log);
        sum
    }

    /// Adds bytes at the end.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// Length in bytes, and BLAKE3.
    pub(crate) fn get(&self) -> (u64, blake3::Hash) {
        (self.size, self.hasher.finalize())
    }
}

impl Sum {
    fn new(name: &str, size: u64, hash: blake3::Hash) -> Self {
        let (name, blake3) = (name.to_owned(), hash.to_hex().to_string());
        Self { name, size, blake3 }
    }

    fn of_log(log: &LogSum) -> Self {
        let (size, hash) = log.get();
        Self::new(LOG, size, hash)
    }

    /// Reads a file of the recording; `None`: there is none. A file that has not the `expected`
    /// size is not read.
    fn of_file(
        dir: &Path,
        name: &str,
        expected: Option<u64>,
        notes: &Notes,
    ) -> Result<Option<Self>, Error> {
        let path = dir.join(name);
        let fail = || Error::file(&path, "read it");
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail()(error)),
            // A pipe would never end.
            Ok(found) if !found.is_file() => {
                return Err(Error::recording(&path, RecordingFault::NoFile));
            }
            Ok(found) if expected.is_some_and(|expected| expected != found.len()) => {
                return Ok(Some(Self {
                    name: name.to_owned(),
                    size: found.len(),
                    blake3: "not read".to_owned(),
                }));
            }
            Ok(found) if found.len() > LARGE => {
                let (path, megabytes) = (path.display(), found.len() >> 20);
                notes.remark(&format!(
                    "{path}: computing the checksum of {megabytes} MiB"
                ));
            }
            Ok(_) => {}
        }
        let (file, _) = open_regular(&path)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).map_err(fail())?;
        Ok(Some(Self::new(name, hasher.count(), hasher.finalize())))
    }

    /// Checks that a file is as it was sealed.
    fn check(&self, dir: &Path, found: Option<&Self>) -> Result<(), Error> {
        let fault = match found {
            Some(found) if found == self => return Ok(()),
            Some(found) => RecordingFault::Unsealed(Box::new(Unsealed {
                name: self.name.clone(),
                recorded: (self.size, self.blake3.clone()),
                found: (found.size, found.blake3.clone()),
            })),
            None => RecordingFault::Gone,
        };
        Err(Error::recording(&dir.join(&self.name), fault))
    }
}

/// True for a file that a seal may name: none of these leads out of the recording.
fn is_sealed(name: &str) -> bool {
    [LOG, DIGESTS, IoErrors::FILE].contains(&name) || is_overlay(name)
}

/// The overlays in a recording, in the order of their names.
fn overlays(dir: &Path) -> Result<Vec<String>, Error> {
    let fail = |cause| Error::file(dir, "look into it")(cause);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        names.extend(name.into_string().ok().filter(|name| is_overlay(name)));
    }
    names.sort();
    Ok(names)
}

/// Seals a recording whose files are closed. `log` is its log as it was written. `durable`: the
/// seal outlives a crash of the system.
///
/// # Errors
/// If a file cannot be read, or the seal cannot be written.
pub(crate) fn seal(
    dir: &Path,
    end: &End,
    log: &LogSum,
    durable: bool,
    notes: &Notes,
) -> Result<(), Error> {
    let mut files = vec![Sum::of_log(log)];
    let overlays = overlays(dir)?;
    let others = [DIGESTS, IoErrors::FILE].into_iter();
    for name in others.chain(overlays.iter().map(String::as_str)) {
        let Some(sum) = Sum::of_file(dir, name, None, notes)? else {
            continue;
        };
        if durable {
            // Else a crash could leave a seal and not what was sealed.
            let path = dir.join(name);
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(Error::file(&path, "write it to disk"))?;
        }
        files.push(sum);
    }
    let state = Some(end.state.to_string());
    let seal = Seal {
        format: FORMAT,
        icount: end.icount,
        events: end.events,
        state,
        vouched: end.vouched,
        files,
    };
    seal.write(dir, durable)
}

impl Seal {
    /// Writes the file atomically: a reader finds the old file or the new one, never half of it.
    fn write(self, dir: &Path, durable: bool) -> Result<(), Error> {
        let (path, part) = (dir.join(SEAL), dir.join(SEAL_PART));
        let blake3 = self.checksum(&path)?;
        let sealed = Sealed { seal: self, blake3 };
        let text = serde_json::to_string_pretty(&sealed)
            .map_err(|error| Error::recording(&path, RecordingFault::Encode(error.into())))?;
        let written = part::write(&path, &part, (text + "\n").as_bytes(), durable);
        written.map_err(Error::file(&path, "write"))
    }

    fn checksum(&self, path: &Path) -> Result<String, Error> {
        let text = serde_json::to_vec(self)
            .map_err(|error| Error::recording(path, RecordingFault::Encode(error.into())))?;
        Ok(blake3::hash(&text).to_hex().to_string())
    }

    fn read(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |fault| Error::recording(path, fault);
        let json = |error| wrong(RecordingFault::Json(error));
        let FormatOnly { seal } = serde_json::from_slice(bytes).map_err(json)?;
        if seal.format != FORMAT {
            let (found, known) = (seal.format, FORMAT);
            return Err(wrong(RecordingFault::Format { found, known }));
        }
        let Sealed { seal, blake3 } = serde_json::from_slice(bytes).map_err(json)?;
        let known = seal.files.iter().all(|file| is_sealed(&file.name));
        if seal.checksum(path)? != blake3 || !known {
            return Err(wrong(RecordingFault::Seal));
        }
        Ok(seal)
    }

    /// True if the log was repaired after the recording.
    pub(crate) fn is_repaired(&self) -> bool {
        self.state.is_none()
    }

    fn file(&self, name: &str) -> Option<&Sum> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// How a recording is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sealing {
    /// The instruction count at which it ended, or at which its repaired log ends.
    pub icount: Icount,
    /// The number of events in its log.
    pub events: u64,
    /// True if its log was repaired after it.
    pub repaired: bool,
    /// The names of the files that have a checksum.
    pub files: Vec<String>,
}

impl Recording {
    /// How it is sealed; `None`: the recording was killed, or is of an earlier rr.
    ///
    /// # Errors
    /// If the seal cannot be read, or is damaged.
    pub fn sealing(&self) -> Result<Option<Sealing>, Error> {
        Ok(self.seal()?.map(|seal| Sealing {
            icount: seal.icount,
            events: seal.events,
            repaired: seal.is_repaired(),
            files: seal.files.into_iter().map(|file| file.name).collect(),
        }))
    }

    /// The seal; `None`: the recording was killed, or is of an earlier rr.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub(crate) fn seal(&self) -> Result<Option<Seal>, Error> {
        let path = self.path(SEAL);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(&path, "read it")(error)),
            Ok(found) if !found.is_file() => {
                return Err(Error::recording(&path, RecordingFault::NoFile));
            }
            Ok(_) => {}
        }
        Seal::read(&path, &small::read(&path, LONGEST)?).map(Some)
    }

    /// Checks that the bytes of a file are those that were sealed. Without a seal there is nothing
    /// to check.
    ///
    /// # Errors
    /// If they are others, or the seal is damaged.
    pub(crate) fn check_bytes(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let seal = self.seal()?;
        let Some(recorded) = seal.as_ref().and_then(|seal| seal.file(name)) else {
            return Ok(());
        };
        let size = bytes.len() as u64;
        let found = Sum::new(name, size, blake3::hash(bytes));
        recorded.check(self.dir(), Some(&found))
    }

    /// Checks that the log is the sealed one.
    ///
    /// # Errors
    /// If it is another, or the seal is damaged.
    pub fn check_log(&self, log: &[u8]) -> Result<(), Error> {
        self.check_bytes(LOG, log)
    }

    /// Checks a small file that need not exist: it is there if and only if it was sealed, and is as
    /// it was.
    ///
    /// # Errors
    /// If it is not, or the seal is damaged.
    pub(crate) fn check_optional(&self, name: &str) -> Result<(), Error> {
        let Some(seal) = self.seal()? else {
            return Ok(());
        };
        let sealed = seal.file(name);
        let expected = sealed.map_or(0, |sealed| sealed.size);
        match (
            sealed,
            Sum::of_file(self.dir(), name, Some(expected), &Notes::default())?,
        ) {
            (Some(recorded), found) => recorded.check(self.dir(), found.as_ref()),
            (None, Some(_)) if !seal.is_repaired() => {
                Err(Error::recording(&self.path(name), RecordingFault::Added))
            }
            (None, _) => Ok(()),
        }
    }

    /// Checks that all overlays are as they were closed. This reads them; a replay does not need
    /// them. Without a seal, the user is told that they are not checked.
    ///
    /// # Errors
    /// If one is not, or the seal is damaged.
    pub fn check_overlays(&self, notes: &Notes) -> Result<(), Error> {
        let Some(seal) = self.seal()? else {
            if !overlays(self.dir())?.is_empty() {
                let dir = self.dir().display();
                notes.remark(&format!(
                    "{dir}: has no seal, so its overlays are not checked"
                ));
            }
            return Ok(());
        };
        for recorded in seal.files.iter().filter(|file| is_overlay(&file.name)) {
            let found = Sum::of_file(self.dir(), &recorded.name, Some(recorded.size), notes)?;
            recorded.check(self.dir(), found.as_ref())?;
        }
        Ok(())
    }

    /// Seals a recording anew whose log was replaced by a repaired one. If it is the sealed log,
    /// nothing changes. Nor does it for a recording that was killed: no digest of a later state
    /// stands against the new log.
    ///
    /// # Errors
    /// If a file cannot be read, or the seal cannot be written.
    pub fn seal_repaired(&self) -> Result<(), Error> {
        let bytes = self.map_log()?;
        let log = Sum::of_log(&LogSum::of(&bytes));
        // A damaged seal is of no use.
        let old = self.seal().ok().flatten();
        if old.as_ref().and_then(|seal| seal.file(LOG)) == Some(&log) {
            return Ok(());
        }
        if old.is_none() && self.digests().is_ok_and(|digests| digests.last().is_none()) {
            return Ok(());
        }
        let end = self.log(&bytes)?.end();
        let others = old.map_or(Vec::new(), |seal| seal.files);
        let others = others.into_iter().filter(|file| file.name != LOG);
        let seal = Seal {
            format: FORMAT,
            icount: Icount::new(end.icount),
            events: end.index,
            state: None,
            vouched: None,
            files: [log].into_iter().chain(others).collect(),
        };
        seal.write(self.dir(), true)
    }
}
