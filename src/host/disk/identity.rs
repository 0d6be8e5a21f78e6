//! The identity of the images that a recording was made on: size, time of last change and BLAKE3.

use super::layer::LayerFile;
use super::{Disk, DiskError};
use rustix::fs::SeekFrom;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that are read and hashed at a time.
const STEP: usize = 1 << 20;

/// The identity of one image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileIdentity {
    /// Path of the file.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change, in ns since the epoch.
    pub modified: i64,
    /// BLAKE3 of its content, in hexadecimal. `None`: the content is not hashed yet.
    pub blake3: Option<String>,
}

/// The files of a disk's image, ready to be hashed. Hashing can go on while the guest runs, and
/// after the run has ended.
///
/// The images do not change meanwhile. The guest writes to an overlay. The disk's locks, which this
/// holds too, keep other runs of rr away. A write by another program is found at the end.
#[derive(Debug)]
pub struct Measure {
    files: Vec<LayerFile>,
}

impl Disk {
    /// The identities of the image and of its backing files, in this order, without their hashes.
    ///
    /// # Errors
    /// If the host does not tell the size of a file.
    pub fn look(&self) -> Result<Vec<FileIdentity>, DiskError> {
        self.files.iter().map(look).collect()
    }

    /// Prepares to hash the image and its backing files.
    ///
    /// # Errors
    /// If the host refuses another file descriptor.
    pub fn measure(&self) -> Result<Measure, DiskError> {
        let mut files = Vec::new();
        for LayerFile { path, file, stamp } in &self.files {
            files.push(LayerFile {
                path: path.clone(),
                file: file.try_clone().map_err(DiskError::io(path, MEASURE))?,
                stamp: *stamp,
            });
        }
        Ok(Measure { files })
    }
}

impl Measure {
    /// Hashes the files, in the order of [`Disk::look`]. `None`: `stop` was set meanwhile.
    ///
    /// # Errors
    /// If an image cannot be read, or was changed since it was opened.
    pub fn run(&self, stop: &AtomicBool) -> Result<Option<Vec<FileIdentity>>, DiskError> {
        let mut found = Vec::new();
        for file in &self.files {
            let mut identity = look(file)?;
            let hash = hash(&file.file, identity.size, stop);
            let Some(hash) = hash.map_err(DiskError::io(&file.path, MEASURE))? else {
                return Ok(None);
            };
            file.check_untouched()?;
            identity.blake3 = Some(hash.to_hex().to_string());
            found.push(identity);
        }
        Ok(Some(found))
    }
}

/// The operation for error messages, which say "cannot ...".
const MEASURE: &str = "measure it";

fn look(file: &LayerFile) -> Result<FileIdentity, DiskError> {
    // The metadata would not do: a block device has length 0 there.
    let size = rustix::fs::seek(&file.file, SeekFrom::End(0))
        .map_err(|error| DiskError::io(&file.path, MEASURE)(error.into()))?;
    Ok(FileIdentity {
        path: file.path.clone(),
        size,
        modified: file.stamp.modified(),
        blake3: None,
    })
}

/// Hashes a file unless `stop` is set; holes are not read. The file is read and not mapped: if
/// another program truncates it, that gives an error and not a SIGBUS.
fn hash(file: &File, size: u64, stop: &AtomicBool) -> io::Result<Option<blake3::Hash>> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; STEP];
    let zeroes = vec![0; STEP];
    let mut at = 0;
    while at < size {
        // A file system that knows no holes: everything counts as data.
        let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) => data.min(size),
            Err(rustix::io::Errno::NXIO) => size,
            Err(_) => at,
        };
        let is_hole = at < data;
        let end = match rustix::fs::seek(file, SeekFrom::Hole(at)) {
            _ if is_hole => data,
            Ok(hole) if hole > at => hole.min(size),
            _ => size,
        };
        while at < end {
            // Relaxed is enough: `stop` only says that nobody wants the result, and guards no data.
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let len = usize::try_from(end - at).unwrap_or(STEP).min(STEP);
            if is_hole {
                hasher.update(zeroes.get(..len).unwrap_or(&zeroes));
            } else {
                let bytes = buffer.get_mut(..len).unwrap_or_default();
                file.read_exact_at(bytes, at)?;
                hasher.update(bytes);
            }
            at += len as u64;
        }
    }
    Ok(Some(hasher.finalize()))
}
