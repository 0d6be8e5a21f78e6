//! The machine's disks on the host.
//!
//! A recording never changes an image. The guest's writes go to a qcow2 overlay in the recording,
//! which names the image as its backing file. A replay has its own overlay, a temporary file
//! without a name. Only a run that is not recorded writes to the image itself, as QEMU does.
//!
//! [`DriveOptions`] holds the user's options, [`Disk`] is an open image, [`DiskPool`] carries out
//! requests on threads, and [`IoErrors`] holds the failed requests that a recording must keep.

mod content;
mod error;
mod header;
mod identity;
mod io_errors;
mod layer;
mod lower;
mod options;
mod overlay;
mod pool;
mod request;
mod saved;
#[cfg(test)]
mod tests;

pub use error::DiskError;
pub use identity::{FileIdentity, Measure};
pub use io_errors::{Extent, IoError, IoErrors};
pub use options::{DriveOptions, DriveOptionsError, check_names};
pub(crate) use pool::drive_of;
pub use pool::{DiskPool, OnDone, Pending};
#[cfg(test)]
pub(crate) use pool::{by_failing_host, by_host};
pub use saved::{Below, merge};

use imago::FormatAccess;
use imago::file::File as ImageFile;
use layer::LayerFile;
use lower::{Lower, Together};
use rangemap::RangeSet;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a sector. Offsets and lengths of the guest's requests are multiples of it (virtio 1.2,
/// 5.2.6).
pub const SECTOR: u64 = 512;

/// The largest disk, in bytes; no file system has larger files.
const MAX_CAPACITY: u64 = 1 << 62;

/// The format of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The bytes of the disk and nothing else.
    Raw,
    /// QEMU's format, versions 2 and 3.
    Qcow2,
}

impl Format {
    /// QEMU's name of the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Raw, Self::Qcow2]
            .into_iter()
            .find(|format| format.name() == name)
    }
}

/// Where the guest's writes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes<'a> {
    /// To the image itself, in a run that is not recorded.
    Image,
    /// To a new overlay of this path, in a recording. The path must not exist yet.
    Overlay(&'a Path),
    /// To an overlay without a name, in a replay. It lies in this folder, or in the system's folder
    /// for temporary files if this one is not writable or has no room. It goes when the disk is
    /// closed, also by `kill -9`.
    Scratch(&'a Path),
}

/// An open disk.
#[derive(Debug)]
pub struct Disk {
    access: FormatAccess<ImageFile>,
    /// Size of the disk in bytes, as the guest sees it.
    capacity: u64,
    readonly: bool,
    /// True if the guest's writes go to an overlay and the image stays unchanged.
    on_overlay: bool,
    /// The smallest number of bytes that a discard can give back.
    granule: u64,
    /// True if that overlay is one without a name, which nobody reads later.
    is_scratch: bool,
    /// The folders that such an overlay can move to when its own is full.
    spare: Vec<PathBuf>,
    /// What lies between that overlay and the image.
    lower: Lower,
    /// The files of the image and of its backing files.
    files: Vec<LayerFile>,
    /// The overlay's dirty mark, as long as some data is not written out.
    mark: Option<overlay::Mark>,
    /// The bytes that the guest has changed since the last snapshot, in whole clusters of a layer.
    changed: RangeSet<u64>,
    /// True if some data may still be in memory only.
    unwritten: bool,
    /// True after a failure that leaves the disk's content unknown. The disk takes no requests any
    /// more.
    lost: bool,
}

impl Disk {
    /// Opens the image of a drive, and makes its overlay if `writes` asks for one and the guest may
    /// write.
    ///
    /// If the image's size is no multiple of [`SECTOR`], zeroes fill up the last sector, as in
    /// QEMU.
    ///
    /// # Errors
    /// [`DiskError`], which names the file that failed.
    pub fn open(options: &DriveOptions, writes: Writes<'_>) -> Result<Self, DiskError> {
        Self::open_at(options, &[] as &[&Path], writes)
    }

    /// Opens a drive as it was at a snapshot. `snapshot` names the layers between the image and the
    /// guest's writes, the lowest first. A new [`Writes::Overlay`] gets a copy of their data, so
    /// that it lies directly on the image, as every overlay of a recording does.
    ///
    /// # Errors
    /// [`DiskError`], which names the file that failed.
    pub fn open_at(
        options: &DriveOptions,
        snapshot: &[impl AsRef<Path>],
        writes: Writes<'_>,
    ) -> Result<Self, DiskError> {
        let path = std::path::absolute(&options.file).map_err(DiskError::io(
            &options.file,
            "find the folder it is counted from",
        ))?;
        let format = match options.format {
            Some(format) => format,
            None => header::probe(&path, &layer::open_file(&path, false)?)?,
        };
        let in_place = writes == Writes::Image && !options.readonly;
        let layers = layer::open(&path, format, in_place)?;
        let capacity = layers
            .access
            .size()
            .checked_next_multiple_of(SECTOR)
            .filter(|capacity| *capacity <= MAX_CAPACITY)
            .ok_or_else(|| {
                DiskError::format(&path, "is larger than a disk can be; name another")
            })?;
        let on_overlay = !options.readonly && !in_place;
        let (mut lower, mut spare) = (Lower::default(), Vec::new());
        let (access, mark) = match writes {
            Writes::Overlay(place) if on_overlay => {
                let base = overlay::Base::new(&path, format, capacity)?;
                let (access, mark) = overlay::create(place, &base, layers.access)?;
                (access, Some(mark))
            }
            Writes::Scratch(folder) if on_overlay => {
                lower = Lower::new(snapshot)?;
                spare = overlay::folders(folder);
                let scratch = overlay::scratch(&mut spare, capacity)?;
                (overlay::on(scratch, Some(layers.access)), None)
            }
            _ => (layers.access, None),
        };
        let adopts = matches!(writes, Writes::Overlay(_)) && on_overlay;
        let granule = access.inner().zero_granularity().unwrap_or(4096);
        let mut disk = Self {
            access,
            capacity,
            readonly: options.readonly,
            on_overlay,
            is_scratch: matches!(writes, Writes::Scratch(_)) && on_overlay,
            spare,
            lower,
            granule,
            files: layers.files,
            mark,
            changed: RangeSet::new(),
            unwritten: false,
            lost: false,
        };
        if adopts {
            disk.adopt(snapshot)?;
        }
        Ok(disk)
    }

    /// Size of the disk in bytes, as the guest sees it: a multiple of [`SECTOR`].
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// True if the guest may not write to the disk.
    pub fn readonly(&self) -> bool {
        self.readonly
    }

    /// Paths of the image and of its backing files, without the overlay.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Checks that no program has written to the image or its backing files since the disk was
    /// opened. A recording calls it at its end, because rr's locks do not bind other programs.
    ///
    /// # Errors
    /// [`DiskError`], which names the file that was changed.
    pub fn check_untouched(&self) -> Result<(), DiskError> {
        let own = usize::from(!self.readonly && !self.on_overlay);
        self.files
            .iter()
            .skip(own)
            .try_for_each(LayerFile::check_untouched)
    }

    /// The disk's content, as the guest reads it.
    fn content(&self) -> Together<'_> {
        Together {
            overlay: &self.access,
            lower: &self.lower,
        }
    }

    /// Goes on with a new overlay in another folder, because the folder of this one is full. False:
    /// there is no other.
    fn move_on(&mut self) -> bool {
        // An error is lost here; the caller has that of the full folder.
        let Ok(new) = overlay::scratch(&mut self.spare, self.capacity) else {
            return false;
        };
        let full = std::mem::replace(&mut self.access, overlay::on(new, None));
        self.lower.replace(full, self.capacity);
        true
    }

    /// Path of the image, for messages.
    fn path(&self) -> PathBuf {
        self.paths().next().unwrap_or(Path::new("")).to_owned()
    }

    /// Writes out all data that is still in memory, and closes the disk.
    ///
    /// # Errors
    /// What could not be written. Dropping the disk does the same, and loses the error.
    pub fn close(mut self) -> Result<(), DiskError> {
        let path = self.path();
        let written = self.write_out();
        written.map_err(DiskError::io(&path, "write out what the guest wrote"))
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.readonly || self.lost || self.is_scratch {
            return Ok(());
        }
        self.access.flush()?;
        if let Some(mark) = self.mark.take() {
            mark.clear()?;
        }
        if !self.on_overlay {
            self.access.sync()?;
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // An error is lost here; `close` is the call that reports it.
        let _ = self.write_out();
    }
}
