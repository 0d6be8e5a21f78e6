//! The disks of the machine, as they are on the host.
//!
//! A recording never changes an image: what the guest writes goes to a qcow2 overlay in the recording, that
//! names the image as its backing file. A replay has an overlay of its own, a temporary file without a name. Only
//! a run without recording writes to the image itself, as QEMU does.
//!
//! [`DriveOptions`] says what the user asked for, [`Disk`] is an image that is open, [`DiskPool`] carries out
//! requests on threads, [`IoErrors`] is what a recording must keep of requests that failed.

mod content;
mod error;
mod header;
mod identity;
mod io_errors;
mod layer;
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
use rangemap::RangeSet;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a sector: places and lengths that a guest names are multiples of it (virtio 1.2, 5.2.6).
pub const SECTOR: u64 = 512;

/// No file system has larger files.
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
    /// The name that QEMU gives it.
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
    /// To the image itself: a run that is not recorded.
    Image,
    /// To a new overlay of this path, which must not exist yet: a recording.
    Overlay(&'a Path),
    /// To an overlay without a name in this folder, or in the system's folder for temporary files where this
    /// one cannot be written. It is gone when the disk is closed, also by `kill -9`: a replay.
    Scratch(&'a Path),
}

/// A disk that is open.
#[derive(Debug)]
pub struct Disk {
    access: FormatAccess<ImageFile>,
    /// Bytes that the guest sees.
    capacity: u64,
    readonly: bool,
    /// The guest's data lies in an overlay, and the image is as it was.
    on_overlay: bool,
    /// Bytes of the smallest piece that a discard can give back.
    granule: u64,
    /// The image, and what it is based on.
    files: Vec<LayerFile>,
    /// Stands in an overlay as long as not everything is written out.
    mark: Option<overlay::Mark>,
    /// What the guest has changed since the last snapshot, in whole clusters of its layers.
    changed: RangeSet<u64>,
    /// Something may still be in memory only.
    unwritten: bool,
    /// It failed in a way that leaves its content unknown. Nothing is done on it any more.
    lost: bool,
}

impl Disk {
    /// Opens the image of a drive, and makes its overlay where one is asked for and the guest may write.
    ///
    /// An image whose size is no multiple of [`SECTOR`] is read as if zeroes filled its last sector, as in QEMU.
    ///
    /// # Errors
    /// [`DiskError`], which names the file at fault.
    pub fn open(options: &DriveOptions, writes: Writes<'_>) -> Result<Self, DiskError> {
        Self::open_at(options, &[] as &[&Path], writes)
    }

    /// Opens a drive as it was at a snapshot: `snapshot` is the layers between the image and what the guest writes, the
    /// lowest first. A new [`Writes::Overlay`] gets a copy of them, so that it lies on the image as every overlay of
    /// a recording does.
    ///
    /// # Errors
    /// [`DiskError`], which names the file at fault.
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
        let mut layers = layer::open(&path, format, in_place)?;
        let capacity = layers
            .access
            .size()
            .checked_next_multiple_of(SECTOR)
            .filter(|capacity| *capacity <= MAX_CAPACITY)
            .ok_or_else(|| {
                DiskError::format(&path, "is larger than a disk can be; name another")
            })?;
        let on_overlay = !options.readonly && !in_place;
        let (access, mark) = match writes {
            Writes::Overlay(place) if on_overlay => {
                let base = overlay::Base::new(&path, format, capacity)?;
                let (access, mark) = overlay::create(place, &base, layers.access)?;
                (access, Some(mark))
            }
            Writes::Scratch(folder) if on_overlay => {
                let paths: Vec<&Path> = snapshot.iter().map(AsRef::as_ref).collect();
                if !paths.is_empty() {
                    layers = layer::stack(Some(layers), &paths)?;
                }
                (overlay::scratch(folder, capacity, layers.access)?, None)
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

    /// Bytes that the guest sees: a multiple of [`SECTOR`].
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The guest may not write to it.
    pub fn readonly(&self) -> bool {
        self.readonly
    }

    /// The image, and the images it is based on; not the overlay.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Checks that nobody has written to the image, or to what it is based on, since the disk was opened. For the end
    /// of a recording: rr's locks do not bind other programs.
    ///
    /// # Errors
    /// The file that was changed.
    pub fn check_untouched(&self) -> Result<(), DiskError> {
        let own = usize::from(!self.readonly && !self.on_overlay);
        self.files
            .iter()
            .skip(own)
            .try_for_each(LayerFile::check_untouched)
    }

    /// The image, for messages.
    fn path(&self) -> PathBuf {
        self.paths().next().unwrap_or(Path::new("")).to_owned()
    }

    /// Writes everything out that is still in memory, and closes the disk.
    ///
    /// # Errors
    /// What could not be written. Without this call the same is tried, and an error is lost.
    pub fn close(mut self) -> Result<(), DiskError> {
        let path = self.path();
        let written = self.write_out();
        written.map_err(DiskError::io(&path, "write out what the guest wrote"))
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.readonly || self.lost {
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
        // Who wants to know of an error has called `close`.
        let _ = self.write_out();
    }
}
