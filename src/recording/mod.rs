//! A recording on disk: a directory `NAME.rr` with the log, the manifest and the digests.

pub mod create;
pub mod digests;
pub mod evidence;
pub(crate) mod log;
pub mod log_file;
pub mod options;
pub mod own;
pub mod pace;
pub mod place;
pub mod position;
pub mod range;
pub mod seal;
pub mod snapshot;

use crate::error::{Error, OptionFault, RecordingFault};
use crate::host::disk::{DriveOptions, check_names};
use crate::host::map::MappedFile;
use crate::host::part;
use crate::host::small;
use crate::recording::create::Staging;
use crate::recording::digests::{DigestWriter, Digests};
use crate::recording::log::LogSink;
use crate::recording::log_file::{DiskFile, LogFile};
use crate::recording::options::MachineOptions;
use crate::recording::pace::{Pace, PaceWriter};
use crate::recording::range::Range;
use replay_format::{Header, Log, Table};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// Version of the format of `machine.json`.
const FORMAT: u32 = 3;
/// File name of the event log.
pub const LOG: &str = "replay.bin";
/// File name of the manifest: the machine and its images.
pub const MANIFEST: &str = "machine.json";
/// File name of the manifest while it is being written.
const MANIFEST_PART: &str = "machine.json.part";
/// File name of the state digests.
pub const DIGESTS: &str = "digests.bin";
/// File name of the pace: how fast the recording went on the host.
pub const PACE: &str = "pace.tsv";
/// The largest manifest, of a recording or of a snapshot, in bytes.
pub const LARGEST_MANIFEST: u64 = 4 << 20;

/// An image that the guest was started from, as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its use: kernel, bios, initrd, drive N, or backing file M of drive N.
    pub role: String,
    /// Path of the file when it was recorded.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Time of a disk's last change, in ns since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<i64>,
    /// BLAKE3 of its content, in hexadecimal. A disk's hash is added while the guest already runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
}

/// The content of `machine.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the file's format.
    pub format: u32,
    /// Version of the rr that recorded.
    pub rr_version: String,
    /// The machine.
    pub machine: MachineOptions,
    /// Its images.
    pub images: Vec<Image>,
    /// Instructions from one state digest to the next.
    pub digest_interval: u64,
    /// For a slice: the part of the other recording that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Range>,
}

impl Manifest {
    /// The manifest of a recording that begins now.
    pub fn new(machine: &MachineOptions, images: Vec<Image>, digest_interval: u64) -> Self {
        Self {
            format: FORMAT,
            rr_version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine.clone(),
            images,
            digest_interval,
            slice: None,
        }
    }
}

/// The format's version alone. It tells a file of another version from a damaged one.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// A mapped image, with its name and digest.
#[derive(Debug)]
pub struct LoadedImage {
    /// Its path, size and digest.
    pub image: Image,
    /// Its content.
    pub bytes: MappedFile,
}

impl LoadedImage {
    /// Maps and hashes an image.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open(role: &'static str, path: &Path) -> Result<Self, Error> {
        let bytes = MappedFile::open(path)?;
        let path = path
            .canonicalize()
            .map_err(Error::file(path, "resolve its path"))?;
        let image = Image {
            role: role.to_owned(),
            path,
            size: bytes.len() as u64,
            modified: None,
            blake3: Some(blake3::hash(&bytes).to_hex().to_string()),
        };
        Ok(Self { image, bytes })
    }
}

/// A recording on disk.
#[derive(Debug, Clone)]
pub struct Recording {
    dir: PathBuf,
    /// The machine and its images.
    pub manifest: Manifest,
}

impl Recording {
    /// Creates the files of a recording in its staging directory. The result is the recording as it
    /// will be when that is published. `open` creates the log and the digests.
    ///
    /// # Errors
    /// If the file system refuses it.
    pub(crate) fn create(
        staging: &Staging,
        manifest: Manifest,
        open: log_file::Create<'_>,
    ) -> Result<(Self, LogSink), Error> {
        let dir = staging.path().to_owned();
        let filled = Self { dir, manifest };
        let at = staging.place().to_owned();
        let digests = open(&filled.path(DIGESTS))?;
        let digests = DigestWriter::create(at.join(DIGESTS), digests)?;
        let pace = create(&filled.path(PACE))?;
        let pace = PaceWriter::create(at.join(PACE), pace)?;
        let log = open(&filled.path(LOG))?;
        let sink = LogSink::create(at.join(LOG), log, digests, pace)?;
        filled.write_manifest()?;
        let recording = Self { dir: at, ..filled };
        Ok((recording, sink))
    }

    /// Turns a directory with all other files into a recording, by writing its manifest.
    pub(crate) fn write(dir: &Path, manifest: Manifest) -> Result<(), Error> {
        let dir = dir.to_owned();
        Self { dir, manifest }.write_manifest()
    }

    /// Adds to machine.json what hashing the images has found.
    ///
    /// # Errors
    /// If the file cannot be written, or an image has changed since the recording began.
    pub(crate) fn complete(&mut self, measured: Vec<Image>) -> Result<(), Error> {
        for image in measured {
            self.check_image(&image)?;
            let images = &mut self.manifest.images;
            if let Some(known) = images.iter_mut().find(|known| known.role == image.role) {
                *known = image;
            }
        }
        self.write_manifest()
    }

    /// Writes the manifest atomically: a reader finds the old file or the new one, never half of
    /// it.
    fn write_manifest(&self) -> Result<(), Error> {
        let path = self.path(MANIFEST);
        let part = self.path(MANIFEST_PART);
        let mut text = serde_json::to_string_pretty(&self.manifest)
            .map_err(|error| Error::recording(&path, RecordingFault::Encode(error.into())))?;
        text.push('\n');
        part::write(&path, &part, text.as_bytes(), true).map_err(Error::file(&path, "write"))
    }

    /// Opens a recording.
    ///
    /// # Errors
    /// If the directory is no recording, or one of another format version.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        if !dir.is_dir() {
            let fault = match dir.exists() {
                true => RecordingFault::NoDirectory,
                false => RecordingFault::Missing,
            };
            return Err(Error::recording(dir, fault));
        }
        let path = dir.join(MANIFEST);
        if !path.exists() {
            return Err(Error::recording(
                dir,
                RecordingFault::NoManifest { file: MANIFEST },
            ));
        }
        let bytes = small::read(&path, LARGEST_MANIFEST)?;
        let damaged = |error| Error::recording(&path, RecordingFault::Json(error));
        let FormatOnly { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if format != FORMAT {
            let (found, known) = (format, FORMAT);
            return Err(Error::recording(
                &path,
                RecordingFault::Format { found, known },
            ));
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(damaged)?;
        if manifest.digest_interval == 0 {
            return Err(Error::recording(&path, RecordingFault::NoDigestInterval));
        }
        // They become parts of paths.
        check_names(&manifest.machine.drives)
            .map_err(|wrong| Error::recording(&path, OptionFault::from(wrong)))?;
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
        })
    }

    /// Path of the directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Path of a file in the recording.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// Maps the log.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn map_log(&self) -> Result<MappedFile, Error> {
        Ok(MappedFile::open(&self.path(LOG))?)
    }

    /// Reads the log with rr's own table of events, however short the log is.
    ///
    /// # Errors
    /// If it is no log, or the log of another program.
    pub fn log<'a>(&self, bytes: &'a [u8]) -> Result<Log<'a>, Error> {
        let path = self.path(LOG);
        let wrong = |cause| Error::Log {
            path: path.clone(),
            cause,
        };
        let header = Header::parse(bytes).map_err(wrong)?;
        if header.version_id == Table::RR.version().id() {
            return Log::with_table(bytes, Table::RR).map_err(wrong);
        }
        let table = Log::parse(bytes).map_err(wrong)?.table().name();
        Err(Error::recording(&path, RecordingFault::OtherLog { table }))
    }

    /// Reads the log for a replay. It may be cut off, but not damaged.
    ///
    /// # Errors
    /// If the log is damaged, of another program, or not the one with which the recording ended.
    pub fn whole_log<'b>(&self, bytes: &'b [u8]) -> Result<Log<'b>, Error> {
        let log = self.log(bytes)?;
        match log.error().filter(|error| !error.is_truncated()) {
            Some(error) => Err(Error::Log {
                path: self.path(LOG),
                cause: error.clone(),
            }),
            None => self.check_log(bytes).map(|()| log),
        }
    }

    /// Reads the digests.
    ///
    /// # Errors
    /// If they are missing or damaged.
    pub fn digests(&self) -> Result<Digests, Error> {
        let path = self.path(DIGESTS);
        let bytes = MappedFile::open(&path)?;
        let digests = Digests::parse(&path, &bytes)?;
        self.check_bytes(DIGESTS, &bytes)?;
        Ok(match self.seal()? {
            Some(seal) if seal.is_repaired() => digests.until(seal.icount),
            _ => digests,
        })
    }

    /// How fast the recording went on the host; `None` if there is no such file.
    ///
    /// # Errors
    /// If the file is damaged. The recording is usable all the same.
    pub fn pace(&self) -> Result<Option<Vec<Pace>>, Error> {
        Pace::read(&self.path(PACE))
    }

    /// Where an image is now: at its recorded path, or else beside the log, where a user may copy
    /// an image that has moved.
    fn place(&self, recorded: &Path) -> PathBuf {
        let inside = recorded.file_name().map(|name| self.dir.join(name));
        match inside {
            Some(inside) if !recorded.exists() && inside.exists() => inside,
            _ => recorded.to_owned(),
        }
    }

    /// The options of the disks, with the paths where their images are now.
    pub(crate) fn drives(&self) -> Vec<DriveOptions> {
        let mut drives = self.manifest.machine.drives.clone();
        for drive in &mut drives {
            drive.file = self.place(&drive.file);
        }
        drives
    }

    /// Opens the image with this role, and checks that it is the recorded one. `changed` allows
    /// another.
    ///
    /// # Errors
    /// If it is missing or has changed.
    pub fn image(&self, role: &'static str, changed: bool) -> Result<Option<LoadedImage>, Error> {
        let Some(recorded) = self.manifest.images.iter().find(|image| image.role == role) else {
            return Ok(None);
        };
        let path = self.place(&recorded.path);
        if !path.exists() {
            let name = recorded.path.file_name().unwrap_or_default();
            let copy = self.dir.join(name);
            return Err(Error::recording(
                &path,
                RecordingFault::ImageMissing { role, copy },
            ));
        }
        let loaded = LoadedImage::open(role, &path)?;
        if !changed {
            compare(recorded, &loaded.image)?;
        }
        Ok(Some(loaded))
    }

    /// Checks that a file is the recorded image of its role, by the facts that are known of both.
    /// Returns the recorded image.
    ///
    /// # Errors
    /// If the file has changed, or the recording has no image of this role.
    pub(crate) fn check_image(&self, found: &Image) -> Result<&Image, Error> {
        let images = &self.manifest.images;
        match images.iter().find(|recorded| recorded.role == found.role) {
            Some(recorded) => compare(recorded, found).map(|()| recorded),
            None => {
                let role = found.role.clone();
                Err(Error::recording(
                    &self.path(MANIFEST),
                    RecordingFault::NoImage { role },
                ))
            }
        }
    }
}

/// Checks that an image is the recorded one. The time of its last change counts only if no hash was
/// recorded: a copy has another time.
fn compare(recorded: &Image, found: &Image) -> Result<(), Error> {
    let hash = |image: &Image| image.blake3.clone().unwrap_or_default();
    let (field, was, is) = if found.size != recorded.size {
        (
            "its size",
            recorded.size.to_string(),
            found.size.to_string(),
        )
    } else if recorded.blake3.is_none() && found.modified != recorded.modified {
        (
            "the time of its last change",
            seconds(recorded.modified),
            seconds(found.modified),
        )
    } else if recorded.blake3.is_some() && found.blake3.is_some() && hash(found) != hash(recorded) {
        ("its BLAKE3", hash(recorded), hash(found))
    } else {
        return Ok(());
    };
    Err(Error::Image {
        path: found.path.clone(),
        role: found.role.clone(),
        field,
        recorded: was,
        found: is,
    })
}

/// A time in seconds, as text.
fn seconds(ns: Option<i64>) -> String {
    let ns = ns.unwrap_or_default();
    let (seconds, rest) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
    format!("{seconds}.{rest:09} s since 1970")
}

/// Creates a file for the log or the digests.
pub(crate) fn create_file(path: &Path, durable: bool) -> Result<Box<dyn LogFile>, Error> {
    Ok(Box::new(DiskFile::new(create(path)?, durable)))
}

fn create(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.map_err(Error::file(path, "create"))
}
