//! Which images a recording was made on: size, time of last change and BLAKE3 of each file.

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

/// What tells one image from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileIdentity {
    /// Where it was.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// When it was last written to, in ns since the epoch.
    pub modified: i64,
    /// BLAKE3 of its content, in hexadecimal; none: not measured yet.
    pub blake3: Option<String>,
}

/// Images that are to be measured. This can go on while the guest runs, and beyond its end.
///
/// The images do not change meanwhile. The guest writes to an overlay, the locks of the disk (which
/// this shares) keep other runs of rr away, and a write by another program is found at the end.
#[derive(Debug)]
pub struct Measure {
    files: Vec<LayerFile>,
}

impl Disk {
    /// The image and the images it is based on, in this order, as far as a look tells.
    ///
    /// # Errors
    /// If the host does not say how large they are.
    pub fn look(&self) -> Result<Vec<FileIdentity>, DiskError> {
        self.files.iter().map(look).collect()
    }

    /// Prepares to measure them.
    ///
    /// # Errors
    /// If the host gives no further file.
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
    /// Measures, in the order of [`Disk::look`]; `None`: `stop` was set meanwhile.
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

/// What was being done, in the words that follow "cannot".
const MEASURE: &str = "measure it";

fn look(file: &LayerFile) -> Result<FileIdentity, DiskError> {
    // Not from the metadata: a block device has no length there.
    let size = rustix::fs::seek(&file.file, SeekFrom::End(0))
        .map_err(|error| DiskError::io(&file.path, MEASURE)(error.into()))?;
    Ok(FileIdentity {
        path: file.path.clone(),
        size,
        modified: file.stamp.modified(),
        blake3: None,
    })
}

/// Hashes a file, unless told to stop; its holes are not read. (Reading instead of mapping: a file
/// that another program cuts short is an error then, not a SIGBUS.)
fn hash(file: &File, size: u64, stop: &AtomicBool) -> io::Result<Option<blake3::Hash>> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; STEP];
    let zeroes = vec![0; STEP];
    let mut at = 0;
    while at < size {
        // Where there are no holes to be had, all is data.
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
            // Only a hint that the result is not wanted: no other data depends on it.
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
