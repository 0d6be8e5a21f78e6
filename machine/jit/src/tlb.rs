//! The TLB: it maps a page of virtual addresses to an offset in RAM.
//!
//! Translated code trusts its entries: a hit is accessed without another check. Therefore only
//! [`Tlb::fill`] adds entries. It rejects a page that is not completely in RAM. Code is entered
//! only with RAM that is at least as large.

/// Number of entries in each set, a power of two.
pub(crate) const ENTRIES: usize = 256;
/// Number of sets for each kind of access.
const SETS: usize = 4;
/// A tag that no address matches. A look-up compares the page of an address and the low bits that
/// alignment makes zero. Bit 11 is never compared as non-zero.
const NONE: u64 = 1 << 11;
const PAGE: u64 = 4096;

/// An entry: one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Entry {
    /// Virtual address of the page.
    pub(crate) tag: u64,
    /// RAM offset minus virtual address (wrapping).
    pub(crate) addend: u64,
}

/// The entries of one space for one kind of access. It is direct-mapped.
pub(crate) type Set = [Entry; ENTRIES];

/// The set that an access uses. It stands for the privilege mode and everything else that decides
/// about permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space(u8);

impl Space {
    /// Space number `index` modulo 4.
    pub const fn new(index: u8) -> Self {
        Self(index % SETS as u8)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0) % SETS
    }
}

/// The kind of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An instruction fetch.
    Fetch,
    /// A load.
    Load,
    /// A store that needs no bookkeeping.
    Store,
}

/// The TLB of a hart.
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
    /// An empty TLB for RAM of `limit` bytes.
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

    /// Size of RAM in bytes, which all offsets are below.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The RAM offset of `va` if its page is cached for loads and `va` is aligned to `size` bytes.
    #[inline(always)]
    pub fn load(&self, space: Space, va: u64, size: u64) -> Option<usize> {
        lookup(&self.load[space.index()], va, size)
    }

    /// Does [`Tlb::load`] for stores.
    #[inline(always)]
    pub fn store(&self, space: Space, va: u64, size: u64) -> Option<usize> {
        lookup(&self.store[space.index()], va, size)
    }

    /// Does [`Tlb::load`] for fetches.
    #[inline(always)]
    pub fn fetch(&self, space: Space, va: u64) -> Option<usize> {
        lookup(&self.fetch[space.index()], va, 2)
    }

    /// Caches that the page of `va` maps to the RAM page of `offset`. Nothing is cached if that
    /// page is not completely in RAM.
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

    /// Drops all entries.
    pub fn flush(&mut self) {
        for set in self.fetch.iter_mut().chain(&mut self.load) {
            forget(set);
        }
        self.flush_stores();
    }

    /// Drops all entries for stores.
    pub fn flush_stores(&mut self) {
        self.store.iter_mut().for_each(forget);
    }

    /// Drops the entries for stores to the RAM page of `offset`, so that these take the slow path.
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
    fn pages_outside_ram_are_not_cached() {
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
