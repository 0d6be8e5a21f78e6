//! Guest memory as devices see it: physical addresses, and lists of buffers.

use crate::board::RAM_BASE;
use crate::ram::Ram;
use serde::{Deserialize, Serialize};

/// RAM by physical address. All stores go through [`Ram::write`], which keeps the books on pages.
#[derive(Debug)]
pub(super) struct Dma<'a>(pub(super) &'a mut Ram);

impl Dma<'_> {
    /// The bytes at `address`, if all are in RAM.
    pub(super) fn get(&self, address: u64, len: usize) -> Option<&[u8]> {
        self.0.get(address.checked_sub(RAM_BASE.get())?, len)
    }

    /// Whether all of a range is in RAM.
    pub(super) fn holds(&self, address: u64, len: u64) -> bool {
        usize::try_from(len).is_ok_and(|len| self.get(address, len).is_some())
    }

    /// Stores bytes; without effect where they are not all in RAM, which callers have checked.
    pub(super) fn write(&mut self, address: u64, data: &[u8]) {
        self.0.write(address.wrapping_sub(RAM_BASE.get()), data);
    }

    /// A little-endian half-word; zero outside RAM, which callers have checked.
    pub(super) fn u16(&self, address: u64) -> u16 {
        let bytes = self.get(address, 2).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }
}

/// A piece of guest memory that was checked to be in RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// Physical address.
    pub(super) address: u64,
    /// Bytes; never 0.
    pub(super) len: u32,
}

/// Bytes of all segments; a chain is limited so that this fits easily.
pub(super) fn total(segments: &[Segment]) -> u64 {
    segments.iter().map(|segment| u64::from(segment.len)).sum()
}

/// The parts of `segments` that hold the bytes from `skip` on, `len` at most.
fn parts(segments: &[Segment], skip: u64, len: u64) -> impl Iterator<Item = (u64, u32)> {
    let end = skip.saturating_add(len);
    let starts = segments.iter().scan(0u64, |at, segment| {
        let start = *at;
        *at += u64::from(segment.len);
        Some((start, segment))
    });
    starts.filter_map(move |(start, segment)| {
        let from = skip.max(start);
        let to = end.min(start + u64::from(segment.len));
        // Both lie in the segment, whose length has 32 bits.
        (from < to).then(|| (segment.address + (from - start), (to - from) as u32))
    })
}

/// Reads `len` bytes from byte `skip` of the segments on; fewer where they end before.
pub(super) fn gather(dma: &Dma<'_>, segments: &[Segment], skip: u64, len: u64) -> Vec<u8> {
    let mut data = Vec::new();
    for (address, len) in parts(segments, skip, len) {
        data.extend_from_slice(dma.get(address, len as usize).unwrap_or_default());
    }
    data
}

/// Writes `data` from byte `skip` of the segments on; what does not fit is left out.
pub(super) fn scatter(dma: &mut Dma<'_>, segments: &[Segment], skip: u64, data: &[u8]) {
    let mut rest = data;
    for (address, len) in parts(segments, skip, data.len() as u64) {
        let (part, behind) = rest.split_at(rest.len().min(len as usize));
        dma.write(address, part);
        rest = behind;
    }
}
