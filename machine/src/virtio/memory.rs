//! Guest memory as devices access it: physical addresses and lists of buffers.

use crate::board::RAM_BASE;
use crate::ram::Ram;
use serde::{Deserialize, Serialize};

/// RAM by physical address. All stores go through [`Ram::write`], which updates the page flags.
#[derive(Debug)]
pub(super) struct Dma<'a>(pub(super) &'a mut Ram);

impl Dma<'_> {
    /// The bytes at `address`; `None` if they are not all in RAM.
    pub(super) fn get(&self, address: u64, len: usize) -> Option<&[u8]> {
        self.0.get(address.checked_sub(RAM_BASE.get())?, len)
    }

    /// Whether the whole range is in RAM.
    pub(super) fn holds(&self, address: u64, len: u64) -> bool {
        usize::try_from(len).is_ok_and(|len| self.get(address, len).is_some())
    }

    /// Stores bytes. Nothing happens if they are not all in RAM; callers have checked that.
    pub(super) fn write(&mut self, address: u64, data: &[u8]) {
        self.0.write(address.wrapping_sub(RAM_BASE.get()), data);
    }

    /// A little-endian 16-bit word. It is zero outside RAM; callers have checked that.
    pub(super) fn u16(&self, address: u64) -> u16 {
        let bytes = self.get(address, 2).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }
}

/// A range of guest memory that is known to be in RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// Physical address.
    pub(super) address: u64,
    /// Length in bytes, at least 1.
    pub(super) len: u32,
}

/// Total length in bytes. The limits on chains keep it far below overflow.
pub(super) fn total(segments: &[Segment]) -> u64 {
    segments.iter().map(|segment| u64::from(segment.len)).sum()
}

/// The parts of `segments` with the bytes from `skip` on, at most `len` bytes, as (address,
/// length).
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
        // Both lie within the segment, whose length has 32 bits.
        (from < to).then(|| (segment.address + (from - start), (to - from) as u32))
    })
}

/// Reads `len` bytes of the segments from byte `skip` on. It returns fewer if the segments end
/// before.
pub(super) fn gather(dma: &Dma<'_>, segments: &[Segment], skip: u64, len: u64) -> Vec<u8> {
    let mut data = Vec::new();
    for (address, len) in parts(segments, skip, len) {
        data.extend_from_slice(dma.get(address, len as usize).unwrap_or_default());
    }
    data
}

/// Writes `data` to the segments from byte `skip` on. Bytes that do not fit are dropped.
pub(super) fn scatter(dma: &mut Dma<'_>, segments: &[Segment], skip: u64, data: &[u8]) {
    let mut rest = data;
    for (address, len) in parts(segments, skip, data.len() as u64) {
        let (part, behind) = rest.split_at(rest.len().min(len as usize));
        dma.write(address, part);
        rest = behind;
    }
}
