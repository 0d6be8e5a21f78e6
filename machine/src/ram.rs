//! Guest RAM: bytes, and flags for each page.
//!
//! A store takes the fast path only if its page is already dirty and has no other flag. The first
//! store to a page after a digest, and every store to code or page tables, goes through
//! [`Ram::write`], which updates the flags. So digests, decoded blocks and cached translations do
//! not slow down other stores.

use crate::board::RAM_BASE;
use crate::probe::{Access, Accessor, WatchHit, WatchKind, Watchpoint, Watchpoints};
use crate::units::PhysAddr;
use std::alloc::{Layout, alloc_zeroed};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Size of a page in bytes.
pub const PAGE: usize = 4096;

/// Flags of a page.
mod flag {
    /// The page has been stored to since the last digest.
    pub(super) const DIRTY: u8 = 1;
    /// A decoded block comes from the page.
    pub(super) const CODE: u8 = 2;
    /// A cached translation depends on a page-table entry in the page.
    pub(super) const TABLE: u8 = 4;
    /// A device handles stores to the page (HTIF).
    pub(super) const DEVICE: u8 = 8;
    /// A hart may have a cached store translation to the page.
    pub(super) const STORED: u8 = 16;
    /// The page has a watchpoint.
    pub(super) const WATCHED: u8 = 32;
    /// The page has a watchpoint for loads.
    pub(super) const LOADS_WATCHED: u8 = 64;
}

/// The RAM of the machine. Offsets are in bytes from the base of RAM.
#[derive(Debug, Clone)]
pub struct Ram {
    bytes: Vec<u8>,
    flags: Vec<u8>,
    /// Hash of each page at the last digest. The hash of a page of zeroes is zero.
    hashes: Vec<u128>,
    /// Wrapping sum of `hashes`.
    sum: u128,
    /// Numbers of the pages with the flag `TABLE`.
    tables: Vec<u32>,
    /// Stores to code pages that the block cache has not processed: (offset, length).
    code_stores: Vec<(u64, u32)>,
    tables_changed: bool,
    watchpoints: Watchpoints,
}

/// The host has no memory for the machine's RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has no memory for {} MiB of RAM", .size >> 20)]
pub struct OutOfMemory {
    /// Size of the RAM in bytes.
    pub size: u64,
}

impl Ram {
    /// Creates RAM of `size` bytes, all zero. `size` is rounded up to whole pages. A page takes
    /// memory of the host when it is first stored to.
    ///
    /// # Errors
    /// [`OutOfMemory`] if the host refuses the address space.
    pub fn new(size: u64) -> Result<Self, OutOfMemory> {
        let wanted = || {
            let pages = usize::try_from(size).ok()?.div_ceil(PAGE);
            let bytes = zeroes(pages.checked_mul(PAGE)?)?;
            Some((bytes, zeroes(pages)?, zeroes(pages)?))
        };
        let (bytes, flags, hashes) = wanted().ok_or(OutOfMemory { size })?;
        Ok(Self {
            bytes,
            flags,
            hashes,
            sum: 0,
            tables: Vec::new(),
            code_stores: Vec::new(),
            tables_changed: false,
            watchpoints: Watchpoints::default(),
        })
    }

    /// RAM of no bytes.
    pub(crate) fn none() -> Self {
        Self {
            bytes: Vec::new(),
            flags: Vec::new(),
            hashes: Vec::new(),
            sum: 0,
            tables: Vec::new(),
            code_stores: Vec::new(),
            tables_changed: false,
            watchpoints: Watchpoints::default(),
        }
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The bytes at `offset..offset + len`; `None` if they are not all in RAM.
    pub fn get(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.bytes.get(start..start.checked_add(len)?)
    }

    /// Reads `N` bytes at an offset from a cached translation.
    #[inline(always)]
    pub(crate) fn load<const N: usize>(&self, offset: usize) -> [u8; N] {
        match self.bytes[offset..].first_chunk::<N>() {
            Some(bytes) => *bytes,
            None => [0; N],
        }
    }

    /// Stores `N` bytes to a page for which [`Ram::plain`] holds.
    #[inline(always)]
    pub(crate) fn store<const N: usize>(&mut self, offset: usize, value: [u8; N]) {
        if let Some(bytes) = self.bytes[offset..].first_chunk_mut::<N>() {
            *bytes = value;
        }
    }

    /// All bytes, for translated code. It stores only to pages for which [`Ram::plain`] holds.
    pub(crate) fn raw(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Whether a store to the page of `offset` changes no flag, so that it may bypass
    /// [`Ram::write`].
    pub(crate) fn plain(&self, offset: u64) -> bool {
        self.flags[offset as usize / PAGE] & !flag::STORED == flag::DIRTY
    }

    /// Whether the page of `offset` has no watchpoint for loads.
    pub(crate) fn loads_plain(&self, offset: u64) -> bool {
        self.flags[offset as usize / PAGE] & flag::LOADS_WATCHED == 0
    }

    /// Records that a store translation to the page of `offset` is cached.
    pub(crate) fn note_stores(&mut self, offset: u64) {
        self.flags[offset as usize / PAGE] |= flag::STORED;
    }

    /// Stores `data` for the guest or a device, and updates flags and watchpoints. Returns false,
    /// and changes nothing, if the range is not completely in RAM.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> bool {
        if self.has_watchpoint(offset, data.len(), flag::WATCHED) {
            let start = offset as usize;
            let old = &self.bytes[start..start + data.len()];
            let address = RAM_BASE + offset;
            self.watchpoints
                .check(Access::Write, address, Some(old), data);
        }
        self.place(offset, data)
    }

    /// Does [`Ram::write`] for an accessor other than a hart.
    pub(crate) fn write_for(&mut self, by: Accessor, offset: u64, data: &[u8]) {
        self.accessed_by(by, |ram| ram.write(offset, data));
    }

    /// Ascribes what `access` does to another accessor than a hart.
    pub(crate) fn accessed_by<T>(
        &mut self,
        by: Accessor,
        access: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.set_accessor(by);
        let result = access(self);
        self.set_accessor(Accessor::Hart);
        result
    }

    /// Does [`Ram::write`] for the engine. Watchpoints do not see it.
    pub(crate) fn place(&mut self, offset: u64, data: &[u8]) -> bool {
        let Ok(start) = usize::try_from(offset) else {
            return false;
        };
        let Some(end) = start.checked_add(data.len()) else {
            return false;
        };
        if end > self.bytes.len() {
            return false;
        }
        if data.is_empty() {
            return true;
        }
        let pages = start / PAGE..=(end - 1) / PAGE;
        let tables = self.flags[pages.clone()]
            .iter()
            .any(|flags| flags & flag::TABLE != 0);
        // An entry with V=0 is in no cached translation. Other pages are not read here: the host
        // would map a page of zeroes for the read and another page for the store.
        let words = &self.bytes[start & !7..(end + 7) & !7];
        let replaces_entry = tables && words.iter().step_by(8).any(|low| low & 1 != 0);
        self.bytes[start..end].copy_from_slice(data);
        for page in pages {
            let flags = self.flags[page];
            self.flags[page] = flags | flag::DIRTY;
            self.tables_changed |= flags & flag::TABLE != 0 && replaces_entry;
            if flags & flag::CODE != 0 {
                let from = start.max(page * PAGE);
                let to = end.min((page + 1) * PAGE);
                self.code_stores.push((from as u64, (to - from) as u32));
            }
        }
        true
    }

    /// Sets A and D bits in a page-table entry for the page-table walker. Cached translations stay,
    /// because the update takes away no permission.
    pub(crate) fn write_table(&mut self, offset: u64, entry: u64) {
        let changed = self.tables_changed;
        self.write_for(Accessor::Walker, offset, &entry.to_le_bytes());
        self.tables_changed = changed;
    }

    /// Whether the range is in RAM and one of its pages has this flag.
    fn has_watchpoint(&self, offset: u64, len: usize, flag: u8) -> bool {
        if self.watchpoints.points().is_empty() || self.get(offset, len).is_none() || len == 0 {
            return false;
        }
        let start = offset as usize;
        let flags = &self.flags[start / PAGE..=(start + len - 1) / PAGE];
        flags.iter().any(|flags| flags & flag != 0)
    }

    /// Replaces all watchpoints. The caller must drop cached translations.
    pub(crate) fn set_watchpoints(&mut self, points: Vec<Watchpoint>) {
        self.flag_pages(|flags, _| *flags &= !(flag::WATCHED | flag::LOADS_WATCHED));
        self.watchpoints.set(points);
        self.flag_pages(|flags, point| {
            *flags |= flag::WATCHED;
            if point.kind != WatchKind::Write {
                *flags |= flag::LOADS_WATCHED;
            }
        });
    }

    /// Applies `change` to the flags of each page that has a watchpoint.
    fn flag_pages(&mut self, change: impl Fn(&mut u8, &Watchpoint)) {
        let size = u128::from(self.size());
        for point in self
            .watchpoints
            .points()
            .iter()
            .filter(|point| point.len > 0)
        {
            let from = point.address.checked_sub(RAM_BASE).unwrap_or(0);
            let end = u128::from(point.address.get()) + u128::from(point.len);
            let end = end.saturating_sub(u128::from(RAM_BASE.get())).min(size) as usize;
            let pages = from as usize / PAGE..end.div_ceil(PAGE);
            for flags in self.flags.get_mut(pages).unwrap_or_default() {
                change(flags, point);
            }
        }
    }

    /// Checks a hart's load of `len` bytes at `offset` against the watchpoints.
    pub(crate) fn check_load(&mut self, offset: u64, len: usize) {
        if self.has_watchpoint(offset, len, flag::LOADS_WATCHED) {
            let start = offset as usize;
            let bytes = &self.bytes[start..start + len];
            let address = RAM_BASE + offset;
            self.watchpoints
                .check(Access::Read, address, Some(bytes), bytes);
        }
    }

    /// Checks a hart's access to a device register or the boot ROM against the watchpoints.
    pub(crate) fn check_device_access(&mut self, access: Access, address: PhysAddr, value: &[u8]) {
        self.watchpoints.check(access, address, None, value);
    }

    /// Sets the accessor of the following stores.
    pub(crate) fn set_accessor(&mut self, by: Accessor) {
        self.watchpoints.set_accessor(by);
    }

    /// Whether there are watchpoint hits.
    pub(crate) fn has_watch_hits(&self) -> bool {
        self.watchpoints.has_hits()
    }

    /// Takes the watchpoint hits since the last call, and ascribes them to `hart` at `pc`.
    pub(crate) fn take_watch_hits(&mut self, hart: u8, pc: u64) -> impl Iterator<Item = WatchHit> {
        self.watchpoints.take_hits(hart, pc)
    }

    /// Drops the watchpoint hits.
    pub(crate) fn clear_watch_hits(&mut self) {
        self.watchpoints.clear_hits();
    }

    /// Records that decoded blocks come from the page of `offset`. Returns true if the caller must
    /// drop cached store translations to it.
    pub(crate) fn mark_code(&mut self, offset: u64) -> bool {
        self.mark(offset, flag::CODE)
    }

    fn mark(&mut self, offset: u64, flag: u8) -> bool {
        let flags = &mut self.flags[offset as usize / PAGE];
        let stored = *flags & flag::STORED != 0;
        *flags = *flags & !flag::STORED | flag;
        stored
    }

    /// Records that no decoded block comes from the page of `offset`.
    pub(crate) fn unmark_code(&mut self, offset: u64) {
        self.flags[offset as usize / PAGE] &= !flag::CODE;
    }

    /// Records that a device handles stores to the page of `offset`. A reset does not change that.
    pub(crate) fn mark_device(&mut self, offset: u64) {
        if let Some(flags) = self.flags.get_mut(offset as usize / PAGE) {
            *flags |= flag::DEVICE;
        }
    }

    /// Records that a cached translation depends on the page of `offset`. Returns true if the
    /// caller must drop cached store translations to it.
    pub(crate) fn mark_table(&mut self, offset: u64) -> bool {
        let page = offset as usize / PAGE;
        if self.flags[page] & flag::TABLE == 0 {
            self.tables.push(page as u32);
        }
        self.mark(offset, flag::TABLE)
    }

    /// Whether a store has changed code or page tables that caches depend on.
    pub(crate) fn caches_stale(&self) -> bool {
        self.tables_changed || !self.code_stores.is_empty()
    }

    /// Takes the stores to code pages since the last call: (offset, length).
    pub(crate) fn take_code_stores(&mut self) -> Vec<(u64, u32)> {
        std::mem::take(&mut self.code_stores)
    }

    /// Whether page tables have changed since the last call. If so, the `TABLE` flags are cleared.
    pub(crate) fn take_tables_changed(&mut self) -> bool {
        let changed = std::mem::take(&mut self.tables_changed);
        if changed {
            self.unmark_tables();
        }
        changed
    }

    /// Clears the `TABLE` flags. No cached translation may be left.
    pub(crate) fn unmark_tables(&mut self) {
        for page in self.tables.drain(..) {
            self.flags[page as usize] &= !flag::TABLE;
        }
    }

    /// The hash of each page, as of the last [`Ram::digest`].
    pub(crate) fn hashes(&self) -> &[u128] {
        &self.hashes
    }

    /// The digest of all bytes: a sum over pages of a keyed hash. Only pages that were stored to
    /// since the last call are hashed again. It clears the dirty flags, so the caller must drop
    /// cached store translations.
    pub fn digest(&mut self) -> u128 {
        for (page, flags) in self.flags.iter_mut().enumerate() {
            if *flags & flag::DIRTY == 0 {
                continue;
            }
            *flags &= !flag::DIRTY;
            let bytes = &self.bytes[page * PAGE..(page + 1) * PAGE];
            let hash = page_hash(page, bytes);
            self.sum = self.sum.wrapping_sub(self.hashes[page]).wrapping_add(hash);
            self.hashes[page] = hash;
        }
        self.sum
    }
}

/// A type whose value of zero bytes is the number zero.
trait Number: Copy {}
impl Number for u8 {}
impl Number for u128 {}

/// A vector of `len` zeroes, whose memory the host provides when it is first stored to. `None` if
/// the host refuses the address space.
#[allow(
    unsafe_code,
    reason = "a vector of zeroes either aborts without memory, or is filled at once"
)]
fn zeroes<T: Number>(len: usize) -> Option<Vec<T>> {
    let layout = Layout::array::<T>(len).ok()?;
    if layout.size() == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the layout has a size. If the pointer is not null, it has that layout, its bytes are
    // zero, and so are `len` valid numbers. Nobody else has it.
    unsafe {
        let bytes = alloc_zeroed(layout).cast::<T>();
        (!bytes.is_null()).then(|| Vec::from_raw_parts(bytes, len, len))
    }
}

/// The hash of a page. It is zero for a page of zeroes, so that untouched RAM need not be read.
fn page_hash(page: usize, bytes: &[u8]) -> u128 {
    if bytes.iter().all(|&b| b == 0) {
        0
    } else {
        xxh3_128_with_seed(bytes, page as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_host_has_is_an_error() {
        for size in [1 << 60, u64::MAX] {
            assert_eq!(Ram::new(size).unwrap_err(), OutOfMemory { size });
        }
    }

    #[test]
    fn digest_depends_on_bytes_alone() {
        let mut a = Ram::new(8 * PAGE as u64).unwrap();
        let empty = a.digest();
        assert!(a.write(PAGE as u64 - 2, &[1, 2, 3, 4]));
        let written = a.digest();
        assert_ne!(empty, written);
        assert!(a.write(PAGE as u64 - 2, &[0; 4]));
        assert_eq!(a.digest(), empty);
        let mut b = Ram::new(8 * PAGE as u64).unwrap();
        for (i, byte) in [1, 2, 3, 4].into_iter().enumerate() {
            b.digest();
            assert!(b.write(PAGE as u64 - 2 + i as u64, &[byte]));
        }
        assert_eq!(b.digest(), written);
    }

    #[test]
    fn writes_outside_do_nothing() {
        let mut ram = Ram::new(PAGE as u64).unwrap();
        assert!(!ram.write(PAGE as u64 - 1, &[1, 2]));
        assert!(!ram.write(u64::MAX, &[1]));
        assert_eq!(ram.digest(), 0);
    }

    #[test]
    fn watched_pages_report_their_stores() {
        let mut ram = Ram::new(4 * PAGE as u64).unwrap();
        ram.mark_code(0);
        ram.mark_table(PAGE as u64);
        assert!(ram.write(PAGE as u64, &[1]));
        assert!(!ram.caches_stale(), "an entry that was not valid");
        assert!(ram.write(2 * PAGE as u64, &[1]));
        assert!(!ram.caches_stale());
        assert!(ram.write(PAGE as u64 - 1, &[1, 2]));
        assert_eq!(ram.take_code_stores(), [(PAGE as u64 - 1, 1)]);
        assert!(ram.take_tables_changed());
        assert!(!ram.caches_stale());
    }
}
