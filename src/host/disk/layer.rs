//! Opens an image and its chain of backing files.
//!
//! Each file is opened here, and imago gets it open. So every file is locked, checked and known by
//! its name, and none is opened only because an image names it.

use super::header;
use super::{DiskError, Format};
use imago::file::File as ImageFile;
use imago::qcow2::Qcow2;
use imago::raw::Raw;
use imago::{FormatAccess, StorageOpenOptions};
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The longest chain of images. QEMU has no limit; longer ones do not occur.
const MAX_LAYERS: usize = 64;

/// A file that belongs to a disk.
#[derive(Debug)]
pub(super) struct LayerFile {
    /// Path of the file.
    pub path: PathBuf,
    /// The file, open for reading.
    pub file: File,
    /// Its length and time of last change when it was opened.
    pub stamp: Stamp,
}

/// The facts about a file that a write changes: its length in bytes, and the time of its last
/// change in seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(u64, i64, i64);

impl Stamp {
    fn new(found: &Metadata) -> Self {
        Self(found.len(), found.mtime(), found.mtime_nsec())
    }

    /// Time of the last change, in ns since the epoch.
    pub(super) fn modified(&self) -> i64 {
        self.1.saturating_mul(1_000_000_000).saturating_add(self.2)
    }
}

impl LayerFile {
    /// Checks that the file was not written to since it was opened.
    pub(super) fn check_untouched(&self) -> Result<(), DiskError> {
        let found = self.file.metadata();
        let found = found.map_err(DiskError::io(&self.path, "look at it"))?;
        if Stamp::new(&found) != self.stamp {
            let reason = "was changed while it was in use, so what the guest read of it is \
                          unknown; keep other programs off it";
            return Err(DiskError::format(&self.path, reason));
        }
        Ok(())
    }
}

/// An open image with its chain of backing files.
#[derive(Debug)]
pub(super) struct Layers {
    /// Access to the image through imago.
    pub access: FormatAccess<ImageFile>,
    /// The files of the chain: the image first, then each backing file.
    pub files: Vec<LayerFile>,
}

/// Opens an image, and its backing files read-only.
///
/// Each file is locked (flock): shared for reading, exclusive for writing. QEMU uses other locks,
/// so these keep only runs of rr apart.
pub(super) fn open(path: &Path, format: Format, write: bool) -> Result<Layers, DiskError> {
    let mut files = Vec::new();
    let access = open_on(path, Some(format), write, &mut files)?;
    Ok(Layers { access, files })
}

/// Opens a layer of a snapshot, on top of another layer or of nothing. The backing file name in the
/// layer is ignored: the image may have moved.
pub(super) fn of_snapshot(
    path: &Path,
    below: Option<FormatAccess<ImageFile>>,
) -> Result<FormatAccess<ImageFile>, DiskError> {
    let file = open_file(path, false)?;
    header::check(path, &file, false)?;
    lock(path, &file, false)?;
    let fail = |cause| DiskError::of(path, "open it", false)(cause);
    let options = StorageOpenOptions::new().filename(path);
    let storage = ImageFile::from_open_file(file, options).map_err(fail)?;
    let mut image: Qcow2<ImageFile> = Qcow2::open_image(storage, false).map_err(fail)?;
    image.set_backing(below);
    image.set_data_file(None);
    Ok(FormatAccess::new(image))
}

fn open_on(
    path: &Path,
    format: Option<Format>,
    write: bool,
    files: &mut Vec<LayerFile>,
) -> Result<FormatAccess<ImageFile>, DiskError> {
    let file = open_file(path, write)?;
    let found = file
        .metadata()
        .map_err(DiskError::of(path, "look at it", write))?;
    for other in files.iter() {
        let other =
            other
                .file
                .metadata()
                .map_err(DiskError::of(&other.path, "look at it", false))?;
        if (other.dev(), other.ino()) == (found.dev(), found.ino()) {
            let reason = "is based on itself; correct it with `qemu-img rebase -u`";
            return Err(DiskError::format(path, reason));
        }
    }
    if files.len() == MAX_LAYERS {
        let reason = format!(
            "is the {MAX_LAYERS}th image below another; flatten it with `qemu-img convert`"
        );
        return Err(DiskError::format(path, reason));
    }
    lock(path, &file, write)?;
    let format = match format {
        Some(format) => format,
        None => header::probe(path, &file)?,
    };
    if format == Format::Qcow2 {
        header::check(path, &file, write)?;
    }
    let again = file
        .try_clone()
        .map_err(DiskError::of(path, "open it", write))?;
    files.push(LayerFile {
        path: path.to_owned(),
        file: again,
        stamp: Stamp::new(&found),
    });
    let options = StorageOpenOptions::new().filename(path).write(write);
    let storage =
        ImageFile::from_open_file(file, options).map_err(DiskError::of(path, "open it", write))?;
    match format {
        Format::Raw => Raw::open_image(storage, write)
            .map(FormatAccess::new)
            .map_err(DiskError::of(path, "open it", write)),
        Format::Qcow2 => {
            let wrong = |cause: std::io::Error| {
                let reason =
                    format!("is a damaged qcow2 image ({cause}); look at it with `qemu-img check`");
                DiskError::format(path, reason)
            };
            let mut image: Qcow2<ImageFile> = Qcow2::open_image(storage, write).map_err(wrong)?;
            let backing = match image.implicit_backing_file() {
                None => None,
                Some(name) => {
                    let format = image.implicit_backing_format().map(String::as_str);
                    Some(open_backing(path, name, format, files).map_err(|cause| {
                        DiskError::Backing {
                            path: path.to_owned(),
                            cause: Box::new(cause),
                        }
                    })?)
                }
            };
            image.set_backing(backing);
            image.set_data_file(None);
            Ok(FormatAccess::new(image))
        }
    }
}

/// Opens the backing file of the image `of`, by the name in the header of `of`.
fn open_backing(
    of: &Path,
    name: &str,
    format: Option<&str>,
    files: &mut Vec<LayerFile>,
) -> Result<FormatAccess<ImageFile>, DiskError> {
    // As in QEMU: a colon before the first slash ends a protocol (json:, nbd:, ...) and is no part
    // of a file name.
    let protocol = name
        .find([':', '/'])
        .is_some_and(|at| name[at..].starts_with(':'));
    if protocol {
        return Err(DiskError::Unsupported {
            path: PathBuf::from(name),
            feature: "a protocol".into(),
            advice: "copy the image to a file, and name that with `qemu-img rebase -u`",
        });
    }
    // A relative name counts from the folder of the image that holds it.
    let path = of.parent().unwrap_or(of).join(name);
    let format = match format {
        None => None,
        Some("file") => Some(Format::Raw),
        Some(name) => match Format::from_name(name) {
            Some(format) => Some(format),
            None => {
                return Err(DiskError::Unsupported {
                    path,
                    feature: format!("the format {name}"),
                    advice: "convert it with `qemu-img convert -O qcow2`",
                });
            }
        },
    };
    open_on(&path, format, false, files)
}

/// Opens a file that can be an image. Other kinds of files are not opened at all: opening a pipe
/// would wait for its writer.
pub(super) fn open_file(path: &Path, write: bool) -> Result<File, DiskError> {
    let fail = |error| DiskError::of(path, "open it", write)(error);
    let kind = std::fs::metadata(path).map_err(fail)?.file_type();
    let path = || path.to_owned();
    if kind.is_dir() {
        return Err(DiskError::Directory { path: path() });
    }
    if !kind.is_file() && !kind.is_block_device() {
        return Err(DiskError::NotAnImage { path: path() });
    }
    OpenOptions::new()
        .read(true)
        .write(write)
        .open(path())
        .map_err(fail)
}

fn lock(path: &Path, file: &File, write: bool) -> Result<(), DiskError> {
    let locked = if write {
        file.try_lock()
    } else {
        file.try_lock_shared()
    };
    let path = path.to_owned();
    match locked {
        Err(TryLockError::WouldBlock) => Err(DiskError::InUse {
            path,
            other: if write {
                "another drive or another rr"
            } else {
                "another drive or another rr that writes to it"
            },
        }),
        // Some file systems have no locks. The file is used without one there.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}
