//! Carries out requests on a disk.

use super::io_errors::Extent;
use super::saved::Source;
use super::{Disk, SECTOR, overlay};
use imago::format::PreallocateMode;
use machine::inputs::BlockOp;
use std::io;
use std::ops::Range;

/// Bytes that are read, or filled with zeroes, at a time.
const STEP: u64 = 1 << 20;

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request itself is invalid: it would fail on any host.
    Refused,
    /// The host failed.
    Host(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Host(error)
    }
}

impl Disk {
    /// Carries out a request. Returns the bytes that it read.
    ///
    /// # Errors
    /// [`Failure`]; then [`Disk::applied`] tells which part took effect.
    pub(super) fn carry_out(&mut self, op: &BlockOp) -> Result<Vec<u8>, Failure> {
        let range = self.range(op).ok_or(Failure::Refused)?;
        if self.readonly && !matches!(op, BlockOp::Read { .. } | BlockOp::Flush) {
            return Err(Failure::Refused);
        }
        if self.lost {
            return Err(io::Error::other("the disk was lost to an earlier error").into());
        }
        if !matches!(op, BlockOp::Read { .. } | BlockOp::Flush) {
            self.unwritten = true;
            self.change(range.clone());
        }
        Ok(self.with_room(|disk| disk.carry_out_on(op, &range))?)
    }

    /// Does what writes to the disk. If the folder of a replay's overlay is full, it is done once
    /// more in another folder.
    fn with_room<T>(&mut self, write: impl Fn(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let mut done = write(self);
        while let Err(error) = &done
            && overlay::is_full(error)
            && self.move_on()
        {
            done = write(self);
        }
        done
    }

    fn carry_out_on(&mut self, op: &BlockOp, range: &Range<u64>) -> io::Result<Vec<u8>> {
        match op {
            BlockOp::Read { .. } => return self.read(range),
            BlockOp::Write { data, .. } => self.write(range.start, data)?,
            BlockOp::Flush => self.flush()?,
            BlockOp::Discard { .. } => self.discard(range)?,
            BlockOp::WriteZeroes { unmap, .. } => self.write_zeroes(range, *unmap)?,
        }
        Ok(Vec::new())
    }

    /// The part of a failed request that took effect. Applying exactly this part to the old content
    /// gives the present content.
    ///
    /// A read or a flush changes nothing. A write goes forward byte by byte, so the part is its
    /// beginning, as far as the disk holds the written bytes. (The part may be longer than what was
    /// written, where the same bytes were there before; that makes no difference.) A discard or
    /// write-zeroes clears whole sectors in any order, so the part is the sectors that are zero
    /// now.
    ///
    /// # Errors
    /// If the disk cannot be read. Then its content is unknown, and the disk takes no more
    /// requests.
    pub(super) fn applied(&mut self, op: &BlockOp) -> io::Result<Vec<Extent>> {
        let Some(range) = self.range(op).filter(|_| !self.lost) else {
            return Ok(Vec::new());
        };
        let found = match op {
            BlockOp::Read { .. } | BlockOp::Flush => return Ok(Vec::new()),
            BlockOp::Write { data, .. } => self.read(&range).map(|now| {
                let same = now.iter().zip(data).take_while(|(now, new)| now == new);
                let len = same.count() as u64;
                let offset = range.start;
                Vec::from_iter((len > 0).then_some(Extent { offset, len }))
            }),
            BlockOp::Discard { .. } | BlockOp::WriteZeroes { .. } => self.zero_sectors(&range),
        };
        self.lost |= found.is_err();
        found
    }

    /// Carries out exactly this part of a request.
    ///
    /// # Errors
    /// If the host fails, or the part lies outside the request.
    pub(super) fn apply(&mut self, op: &BlockOp, part: &[Extent]) -> io::Result<()> {
        self.with_room(|disk| disk.apply_on(op, part))
    }

    fn apply_on(&mut self, op: &BlockOp, part: &[Extent]) -> io::Result<()> {
        let foreign = || io::Error::other("what it did when it was recorded is no part of it");
        let range = self.range(op).ok_or_else(foreign)?;
        for extent in part {
            let end = extent.offset.checked_add(extent.len).ok_or_else(foreign)?;
            if extent.offset < range.start || end > range.end {
                return Err(foreign());
            }
            self.change(extent.offset..end);
            match op {
                BlockOp::Write { data, .. } => {
                    let from = usize::try_from(extent.offset - range.start);
                    let to = usize::try_from(end - range.start);
                    let bytes = match (from, to) {
                        (Ok(from), Ok(to)) => data.get(from..to),
                        _ => None,
                    };
                    self.write(extent.offset, bytes.ok_or_else(foreign)?)?;
                }
                BlockOp::Discard { .. } | BlockOp::WriteZeroes { .. } => {
                    self.write_zeroes(&(extent.offset..end), false)?;
                }
                BlockOp::Read { .. } | BlockOp::Flush => return Err(foreign()),
            }
        }
        Ok(())
    }

    /// The bytes of the disk that a request covers; `None` if it leads out of the disk.
    fn range(&self, op: &BlockOp) -> Option<Range<u64>> {
        let (offset, len) = match op {
            BlockOp::Read { offset, len } => (*offset, u64::from(*len)),
            BlockOp::Write { offset, data } => (*offset, data.len() as u64),
            BlockOp::Flush => (0, 0),
            BlockOp::Discard { offset, len } | BlockOp::WriteZeroes { offset, len, .. } => {
                (*offset, *len)
            }
        };
        let end = offset.checked_add(len)?;
        (end <= self.capacity).then_some(offset..end)
    }

    /// Reads bytes. Where the image ends before the disk does, they are zero.
    pub(super) fn read(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(io::Error::other)?;
        bytes.resize(len, 0);
        self.content().fill(&mut bytes, range.start)?;
        Ok(bytes)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        self.fill_up(end)?;
        self.access.write(data, offset)?;
        self.lower.cover(offset..end);
        Ok(())
    }

    /// Writes out the data in memory. A disk without an overlay also waits until the data is on the
    /// medium. An overlay need not survive a power failure of the host: the log, from which it can
    /// be made again, does not survive it either.
    fn flush(&mut self) -> io::Result<()> {
        if self.readonly || self.is_scratch {
            return Ok(());
        }
        self.unwritten = false;
        self.access.flush()?;
        if self.on_overlay {
            return Ok(());
        }
        self.access.sync()
    }

    /// True if [`Disk::rest`] has data to write.
    pub(super) fn wants_rest(&self) -> bool {
        self.unwritten && !self.lost
    }

    /// Writes the data in memory to the overlay while the disk has no request. So the overlay of a
    /// killed recording holds the guest's writes. The guest does not notice. A write that fails now
    /// is tried again by a later request, which then reports the error.
    pub(super) fn rest(&mut self) {
        self.unwritten = false;
        if self.on_overlay && !self.is_scratch {
            let _ = self.access.flush();
        }
    }

    /// Clears the whole clusters of a range and gives back their space; leaves the rest as it is.
    /// virtio lets the disk decide what the guest reads there afterwards. A replay must decide the
    /// same, so the result does not depend on what is allocated.
    fn discard(&mut self, range: &Range<u64>) -> io::Result<()> {
        let start = range.start.next_multiple_of(self.granule);
        let end = if range.end == self.capacity {
            self.access.size()
        } else {
            range.end - range.end % self.granule
        };
        if start >= end {
            return Ok(());
        }
        let done = if self.access.inner().zero_granularity().is_some() {
            self.access.discard_to_zero(start, end - start)
        } else {
            self.access.discard_to_any(start, end - start)
        };
        match done {
            // A file system without holes, or a version 2 image: a discard is only advice.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
            Ok(()) => {
                self.lower.cover(start..end);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn write_zeroes(&mut self, range: &Range<u64>, unmap: bool) -> io::Result<()> {
        self.fill_up(range.end)?;
        let len = range.end - range.start;
        let done = if unmap {
            self.access.discard_to_zero(range.start, len)
        } else {
            self.access.write_zeroes(range.start, len)
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Ok(()) => {
                self.lower.cover(range.clone());
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let zeroes = vec![0; usize::try_from(len.min(STEP)).map_err(io::Error::other)?];
        for step in steps(range) {
            let len = usize::try_from(step.end - step.start).unwrap_or(zeroes.len());
            let zeroes = zeroes.get(..len).unwrap_or(&zeroes);
            self.access.write(zeroes, step.start)?;
            self.lower.cover(step);
        }
        Ok(())
    }

    /// Fills up an image that ends within its last sector, before the first request that changes
    /// that sector.
    fn fill_up(&mut self, end: u64) -> io::Result<()> {
        if end > self.access.size() {
            self.access
                .resize_grow(self.capacity, PreallocateMode::None)?;
        }
        Ok(())
    }

    fn zero_sectors(&self, range: &Range<u64>) -> io::Result<Vec<Extent>> {
        let mut found: Vec<Extent> = Vec::new();
        for step in steps(range) {
            let bytes = self.read(&step)?;
            for (sector, at) in bytes
                .chunks(SECTOR as usize)
                .zip((step.start..).step_by(SECTOR as usize))
            {
                if sector.iter().any(|byte| *byte != 0) {
                    continue;
                }
                let len = sector.len() as u64;
                match found.last_mut() {
                    Some(last) if last.offset + last.len == at => last.len += len,
                    _ => found.push(Extent { offset: at, len }),
                }
            }
        }
        Ok(found)
    }
}

/// Cuts a range into pieces of at most [`STEP`] bytes.
pub(super) fn steps(range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let end = range.end;
    let mut at = range.start;
    std::iter::from_fn(move || {
        let start = at;
        at = end.min(start.saturating_add(STEP));
        (start < end).then_some(start..at)
    })
}
