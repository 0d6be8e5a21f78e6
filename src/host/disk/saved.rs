//! The layers of a snapshot: qcow2 files with the guest's changes since the snapshot before.
//!
//! A layer lies on the layer of its parent snapshot, and the first one on the image. A layer is a
//! copy: the guest's disk and its overlay stay as they are.

use super::layer;
use super::lower::Lower;
use super::overlay::{self, CLUSTER};
use super::request::steps;
use super::{Disk, DiskError, Format};
use imago::file::File as ImageFile;
use imago::{FormatAccess, Mapping, ShallowMapping};
use rangemap::RangeSet;
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::Range;
use std::path::Path;

/// The unit in which changes are noted, in bytes: a cluster of a layer.
const GRAIN: u64 = CLUSTER as u64;

/// The image or layer below a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Below {
    /// Its name as the layer's header holds it: absolute, or relative to the layer's folder.
    pub name: String,
    /// Its format.
    pub format: Format,
}

impl Disk {
    /// Marks these bytes as changed by the guest.
    pub(super) fn change(&mut self, range: Range<u64>) {
        let start = range.start - range.start % GRAIN;
        let end = range.end.next_multiple_of(GRAIN).min(self.capacity);
        if start < end {
            self.changed.insert(start..end);
        }
    }

    /// Writes the changes since the last snapshot into a new layer.
    ///
    /// # Errors
    /// If the disk cannot be read, or the layer cannot be written.
    pub(super) fn save(&self, place: &Path, below: &Below) -> Result<(), DiskError> {
        let done = overlay::layer(place, below, self.capacity).and_then(|layer| {
            copy(&self.content(), layer, &self.changed)?;
            Ok(())
        });
        done.map_err(DiskError::io(place, "write the snapshot's layer"))
    }

    /// Marks all changes so far as held by the last snapshot.
    pub(super) fn saved(&mut self) {
        self.changed.clear();
    }

    /// Forgets the last snapshot. `layer` is its layer: the layer's clusters count as changed since
    /// the snapshot before.
    ///
    /// # Errors
    /// If the layer cannot be read.
    pub(super) fn forget(&mut self, layer: &Path) -> Result<(), DiskError> {
        let held = held(layer)?;
        self.changed.extend(held.1);
        Ok(())
    }

    /// Copies the data of the layers above the image into a new overlay.
    ///
    /// # Errors
    /// If the layers cannot be read, or the overlay cannot be written.
    pub(super) fn adopt(&mut self, layers: &[impl AsRef<Path>]) -> Result<(), DiskError> {
        let Some(top) = layers.last() else {
            return Ok(());
        };
        let copied = Lower::new(layers)?.copy_to(&mut self.access);
        copied.map_err(DiskError::io(top.as_ref(), "copy the snapshot's disk"))
    }
}

/// Joins two layers into one, when the snapshot between them is deleted.
///
/// # Errors
/// If the layers cannot be read, or the new one cannot be written.
pub fn merge(upper: &Path, lower: &Path, place: &Path, below: &Below) -> Result<(), DiskError> {
    let (capacity, mut all) = held(lower)?;
    all.extend(held(upper)?.1);
    let access = layer::of_snapshot(upper, Some(layer::of_snapshot(lower, None)?))?;
    let done = overlay::layer(place, below, capacity).and_then(|layer| copy(&access, layer, &all));
    done.map_err(DiskError::io(place, "write the merged layer"))
}

/// A layer's disk size in bytes, and the ranges that the layer itself holds.
pub(super) fn held(place: &Path) -> Result<(u64, RangeSet<u64>), DiskError> {
    let access = layer::of_snapshot(place, None)?;
    let fail = |cause| DiskError::io(place, "read the snapshot's layer")(cause);
    let capacity = access.size();
    let mut held = RangeSet::new();
    let mut at = 0;
    while at < capacity {
        let (mapping, len) = access
            .get_shallow_mapping(at, capacity - at)
            .map_err(fail)?;
        match mapping {
            ShallowMapping::Indirect { .. }
            | ShallowMapping::Zero {
                explicit: false, ..
            } => {}
            ShallowMapping::Eof { .. } => break,
            _ => held.insert(at..at + len),
        }
        at += len.max(1);
    }
    Ok((capacity, held))
}

/// Copies these ranges, and writes all data out.
fn copy(
    from: &impl Source,
    mut to: FormatAccess<ImageFile>,
    ranges: &RangeSet<u64>,
) -> io::Result<()> {
    for range in ranges.iter() {
        copy_range(from, &mut to, range)?;
    }
    to.flush()
}

/// Copies a range.
pub(super) fn copy_range(
    from: &impl Source,
    to: &mut FormatAccess<ImageFile>,
    range: &Range<u64>,
) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let (zero, end) = from.zeroes(&(at..range.end))?;
        let part = at..end;
        if zero {
            to.write_zeroes(part.start, end - at)?;
        } else {
            for step in steps(&part) {
                let len = usize::try_from(step.end - step.start).map_err(io::Error::other)?;
                let mut bytes = vec![0; len];
                from.fill(&mut bytes, step.start)?;
                to.write(&bytes, step.start)?;
            }
        }
        at = end.max(at + 1);
    }
    Ok(())
}

/// What content is read from.
pub(super) trait Source {
    /// Whether the beginning of a range is known to hold zeroes, and where that part ends: behind
    /// the range's start, and not behind its end.
    fn zeroes(&self, range: &Range<u64>) -> io::Result<(bool, u64)>;

    /// Reads bytes from `start` on. Behind the end of an image they are zero.
    fn fill(&self, bytes: &mut [u8], start: u64) -> io::Result<()>;
}

impl Source for FormatAccess<ImageFile> {
    fn zeroes(&self, range: &Range<u64>) -> io::Result<(bool, u64)> {
        let (mapping, len) = self.get_mapping(range.start, range.end - range.start)?;
        Ok(match mapping {
            // Past the end of an image that ends within its last sector.
            Mapping::Eof { .. } => (true, range.end),
            Mapping::Zero { .. } => (true, range.start + len),
            _ => (false, range.start + len),
        })
    }

    fn fill(&self, bytes: &mut [u8], start: u64) -> io::Result<()> {
        self.read(bytes, start)
    }
}
