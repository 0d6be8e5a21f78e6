//! Cached translations: from a page of virtual addresses to an offset in RAM.
//!
//! Translated code reads these tables and believes them: a hit is accessed without another check.
//! So the only way in is [`Tlb::fill`], which refuses what is not a whole page inside RAM, and the
//! code is only entered with RAM that is at least as large.

/// Entries of each set; a power of two.
pub(crate) const ENTRIES: usize = 256;
/// Sets for each kind of access.
const SETS: usize = 4;
/// Bits of an address that a lookup compares: its page, and those that are zero where it is
/// aligned. Bit 11 is never among them, so no address matches this.
const NONE: u64 = 1 << 11;
const PAGE: u64 = 4096;

/// One page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Entry {
    /// Virtual address of the page.
    pub(crate) tag: u64,
    /// Added to a virtual address in the page it gives the offset in RAM.
    pub(crate) addend: u64,
}

/// The pages of one space, for one kind of access; direct-mapped.
pub(crate) type Set = [Entry; ENTRIES];

/// Which set an access uses: privilege mode, and whatever else decides what may be accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space(u8);

impl Space {
    /// Space number `index` of four; the number is taken modulo 4.
    pub const fn new(index: u8) -> Self {
        Self(index % SETS as u8)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0) % SETS
    }
}

/// Kinds of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Instruction fetch.
    Fetch,
    /// Load.
    Load,
    /// Store that needs no book-keeping.
    Store,
}

/// The translation cache of a hart.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Tlb {
    pub(crate) load: [Set; SETS],
    pub(crate) store: [Set; SETS],
    pub(crate) fetch: [Set; SETS],
    /// Size of RAM in bytes.
    limit: u64,
}

impl Tlb {
    /// An empty cache, for RAM of `limit` bytes.
    pub fn new(limit: u64) -> Box<Self> {
        let none = Entry {
            tag: NONE,
            addend: 0,
        };
        let sets = [[none; ENTRIES]; SETS];
        Box::new(Self {
            load: sets,
            store: sets,
            fetch: sets,
            limit,
        })
    }

    /// Size of the RAM that the offsets are in, in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The RAM offset of `va`, if its page is cached for loads and `va` is aligned to `size`.
    #[inline(always)]
    pub fn load(&self, space: Space, va: u64, size: u64) -> Option<usize> {
        lookup(&self.load[space.index()], va, size)
    }

    /// As [`Tlb::load`], for stores.
    #[inline(always)]
    pub fn store(&self, space: Space, va: u64, size: u64) -> Option<usize> {
        lookup(&self.store[space.index()], va, size)
    }

    /// As [`Tlb::load`], for instructions.
    #[inline(always)]
    pub fn fetch(&self, space: Space, va: u64) -> Option<usize> {
        lookup(&self.fetch[space.index()], va, 2)
    }

    /// Caches that the page of `va` is at the RAM page of `offset`. Where that is not wholly inside
    /// RAM nothing is cached.
    pub fn fill(&mut self, kind: Kind, space: Space, va: u64, offset: u64) {
        let page = offset & !(PAGE - 1);
        if page.checked_add(PAGE).is_none_or(|end| end > self.limit) {
            return;
        }
        let sets = match kind {
            Kind::Fetch => &mut self.fetch,
            Kind::Load => &mut self.load,
            Kind::Store => &mut self.store,
        };
        let tag = va & !(PAGE - 1);
        sets[space.index()][index(va)] = Entry {
            tag,
            addend: page.wrapping_sub(tag),
        };
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        for set in self.fetch.iter_mut().chain(&mut self.load) {
            forget(set);
        }
        self.flush_stores();
    }

    /// Forgets what stores may take the fast path to.
    pub fn flush_stores(&mut self) {
        self.store.iter_mut().for_each(forget);
    }

    /// Stores to the RAM page of `offset` must take the slow path from now on.
    pub fn protect(&mut self, offset: u64) {
        let page = offset & !(PAGE - 1);
        for entry in self.store.as_flattened_mut() {
            if entry.tag.wrapping_add(entry.addend) == page {
                entry.tag = NONE;
            }
        }
    }
}

fn forget(set: &mut Set) {
    for entry in set {
        entry.tag = NONE;
    }
}

#[inline(always)]
fn index(va: u64) -> usize {
    (va / PAGE) as usize % ENTRIES
}

#[inline(always)]
fn lookup(set: &Set, va: u64, size: u64) -> Option<usize> {
    let entry = set[index(va)];
    if entry.tag == va & (!(PAGE - 1) | (size - 1)) {
        Some(va.wrapping_add(entry.addend) as usize)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: Space = Space::new(2);

    #[test]
    fn an_empty_cache_has_no_address() {
        let tlb = Tlb::new(1 << 20);
        for va in (0..64).chain([0x800, 0xfff, 0x1000, u64::MAX]) {
            for size in [1, 2, 4, 8] {
                assert_eq!(tlb.load(SPACE, va, size), None, "{va:#x}, {size} bytes");
                assert_eq!(tlb.store(SPACE, va, size), None);
            }
            assert_eq!(tlb.fetch(SPACE, va), None);
        }
    }

    #[test]
    fn what_is_not_inside_ram_is_not_cached() {
        let mut tlb = Tlb::new(0x2800);
        for offset in [0x2000, 0x27ff, 0x3000, u64::MAX] {
            tlb.fill(Kind::Store, SPACE, 0x5000, offset);
            assert_eq!(tlb.store(SPACE, 0x5000, 1), None, "{offset:#x}");
        }
        tlb.fill(Kind::Store, SPACE, 0xffff_ffff_ffff_f123, 0x1fff);
        assert_eq!(tlb.store(SPACE, u64::MAX, 1), Some(0x1fff));
        assert_eq!(tlb.store(SPACE, u64::MAX, 2), None, "not aligned");
        assert_eq!(tlb.store(Space::new(1), u64::MAX, 1), None);
        assert_eq!(tlb.load(SPACE, u64::MAX, 1), None);
        tlb.protect(0x1000);
        assert_eq!(tlb.store(SPACE, u64::MAX, 1), None);
    }
}
