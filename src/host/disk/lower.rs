//! What lies below the overlay of a replay: the layers of a snapshot, and overlays whose folder is
//! full.
//!
//! A chain of snapshots has any number of layers, and a process few open files. So the layers are
//! not stacked: a map says which layer holds which bytes, and a layer's file is open while it is in
//! use, and a little longer.

use super::DiskError;
use super::layer;
use super::saved::{Source, copy_range, held};
use imago::FormatAccess;
use imago::file::File as ImageFile;
use parking_lot::Mutex;
use rangemap::RangeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The most layers that are open at the same time.
const OPEN: usize = 16;

type Image = FormatAccess<ImageFile>;

/// The ranges of a disk that the overlay does not hold, and where their content is.
#[derive(Debug, Default)]
pub(super) struct Lower {
    map: RangeMap<u64, Place>,
    /// Paths of the layers.
    layers: Vec<PathBuf>,
    /// Some layers that are open, by their index. The one that was used last is at the end.
    open: Mutex<Vec<(usize, Image)>>,
    /// Overlays whose folder is full.
    full: Vec<Image>,
}

/// Where the content of a range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In this layer.
    Layer(usize),
    /// In this overlay whose folder is full.
    Full(usize),
}

impl Lower {
    /// The content of these layers, the lowest first.
    pub(super) fn new(layers: &[impl AsRef<Path>]) -> Result<Self, DiskError> {
        let mut lower = Self::default();
        for (index, path) in layers.iter().enumerate() {
            for range in held(path.as_ref())?.1 {
                lower.map.insert(range, Place::Layer(index));
            }
            lower.layers.push(path.as_ref().to_owned());
        }
        Ok(lower)
    }

    /// Notes that the overlay holds this range now.
    pub(super) fn cover(&mut self, range: Range<u64>) {
        if range.start < range.end {
            self.map.remove(range);
        }
    }

    /// Notes that a new overlay without content takes the place of this one.
    pub(super) fn replace(&mut self, overlay: Image, capacity: u64) {
        let gaps: Vec<_> = self.map.gaps(&(0..capacity)).collect();
        let place = Place::Full(self.full.len());
        for gap in gaps {
            self.map.insert(gap, place);
        }
        self.full.push(overlay);
    }

    /// Where the content of a range begins: its place, and the end of the part that lies there.
    /// `None`: in the overlay.
    pub(super) fn place(&self, range: &Range<u64>) -> (Option<Place>, u64) {
        match self.map.overlapping(range.clone()).next() {
            Some((found, place)) if found.start <= range.start => {
                (Some(*place), found.end.min(range.end))
            }
            Some((found, _)) => (None, found.start),
            None => (None, range.end),
        }
    }

    /// Lends the image at a place.
    pub(super) fn with<T>(
        &self,
        place: Place,
        use_it: impl FnOnce(&Image) -> io::Result<T>,
    ) -> io::Result<T> {
        let index = match place {
            Place::Layer(index) => index,
            Place::Full(index) => {
                let image = self.full.get(index);
                return use_it(image.ok_or(io::ErrorKind::NotFound)?);
            }
        };
        let mut open = self.open.lock();
        let image = match open.iter().position(|(known, _)| *known == index) {
            Some(at) => open.remove(at).1,
            None => {
                let path = self.layers.get(index).ok_or(io::ErrorKind::NotFound)?;
                if open.len() == OPEN {
                    open.remove(0);
                }
                layer::of_snapshot(path, None).map_err(io::Error::other)?
            }
        };
        let result = use_it(&image);
        open.push((index, image));
        result
    }

    /// Copies all content to an image.
    pub(super) fn copy_to(&self, to: &mut Image) -> io::Result<()> {
        for (range, place) in self.map.iter() {
            self.with(*place, |from| copy_range(from, to, range))?;
        }
        Ok(())
    }
}

/// What a disk's overlay and what is below hold together.
pub(super) struct Together<'a> {
    pub(super) overlay: &'a Image,
    pub(super) lower: &'a Lower,
}

impl Source for Together<'_> {
    fn zeroes(&self, range: &Range<u64>) -> io::Result<(bool, u64)> {
        let (place, end) = self.lower.place(range);
        let part = range.start..end;
        match place {
            Some(place) => self.lower.with(place, |image| image.zeroes(&part)),
            None => self.overlay.zeroes(&part),
        }
    }

    fn fill(&self, bytes: &mut [u8], start: u64) -> io::Result<()> {
        let end = start + bytes.len() as u64;
        let (mut at, mut rest) = (start, bytes);
        while !rest.is_empty() {
            let (place, until) = self.lower.place(&(at..end));
            let len = usize::try_from(until - at).map_err(io::Error::other)?;
            let (part, after) = rest.split_at_mut(len);
            match place {
                Some(place) => self.lower.with(place, |image| image.fill(part, at))?,
                None => self.overlay.fill(part, at)?,
            }
            (at, rest) = (until, after);
        }
        Ok(())
    }
}
