//! Cached translations: from a page of virtual addresses to an offset in RAM.
//!
//! A pure cache: the pages of the tables it was filled from are watched, and a store to one of them
//! empties it, so a guest cannot tell it from no cache at all. That is what makes a run the same
//! from whatever snapshot it goes on.

use super::Mode;
use super::pmp::Access;

/// Entries of each set; a power of two.
const ENTRIES: usize = 256;
/// Sets: U, S, S with SUM, M.
const SETS: usize = 4;
/// No page has this address.
const NONE: u64 = 1;

/// One set for one kind of access.
#[derive(Debug, Clone)]
struct Set {
    tags: [u64; ENTRIES],
    offsets: [usize; ENTRIES],
}

impl Set {
    fn new() -> Self {
        Self {
            tags: [NONE; ENTRIES],
            offsets: [0; ENTRIES],
        }
    }
}

/// Which set an access uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space(usize);

impl Space {
    /// The set for accesses in `mode`; `sum` matters in supervisor mode alone.
    pub(crate) fn new(mode: Mode, sum: bool) -> Self {
        Self(match mode {
            Mode::User => 0,
            Mode::Supervisor => 1 + usize::from(sum),
            Mode::Machine => 3,
        })
    }
}

/// The translation cache of a hart.
#[derive(Debug, Clone)]
pub(crate) struct Tlb {
    fetch: [Set; SETS],
    load: [Set; SETS],
    store: [Set; SETS],
}

impl Tlb {
    /// An empty cache.
    pub(crate) fn new() -> Box<Self> {
        let sets = || std::array::from_fn(|_| Set::new());
        Box::new(Self {
            fetch: sets(),
            load: sets(),
            store: sets(),
        })
    }

    /// The RAM offset of `va`, if its page is cached for loads and `va` is aligned to `size`.
    #[inline(always)]
    pub(crate) fn load(&self, space: Space, va: u64, size: u64) -> Option<usize> {
        lookup(&self.load[space.0 & 3], va, size)
    }

    /// As [`Tlb::load`], for stores.
    #[inline(always)]
    pub(crate) fn store(&self, space: Space, va: u64, size: u64) -> Option<usize> {
        lookup(&self.store[space.0 & 3], va, size)
    }

    /// As [`Tlb::load`], for instructions.
    #[inline(always)]
    pub(crate) fn fetch(&self, space: Space, va: u64) -> Option<usize> {
        lookup(&self.fetch[space.0 & 3], va, 2)
    }

    /// Caches that the page of `va` is at the RAM page of `offset`.
    pub(crate) fn fill(&mut self, access: Access, space: Space, va: u64, offset: u64) {
        let sets = match access {
            Access::Fetch => &mut self.fetch,
            Access::Load => &mut self.load,
            Access::Store => &mut self.store,
        };
        let set = &mut sets[space.0 & 3];
        let index = (va >> 12) as usize % ENTRIES;
        set.tags[index] = va & !0xfff;
        set.offsets[index] = offset as usize & !0xfff;
    }

    /// Forgets everything.
    pub(crate) fn flush(&mut self) {
        for set in self.fetch.iter_mut().chain(&mut self.load) {
            set.tags.fill(NONE);
        }
        self.flush_stores();
    }

    /// Forgets what stores may take the fast path to.
    pub(crate) fn flush_stores(&mut self) {
        for set in &mut self.store {
            set.tags.fill(NONE);
        }
    }

    /// Stores to the RAM page of `offset` must take the slow path from now on.
    pub(crate) fn protect(&mut self, offset: u64) {
        let page = offset as usize & !0xfff;
        for set in &mut self.store {
            for (tag, &cached) in set.tags.iter_mut().zip(&set.offsets) {
                if cached == page {
                    *tag = NONE;
                }
            }
        }
    }
}

/// The translation caches of all harts, seen from the one that executes: a page that one hart's cache
/// depends on, or that code comes from, is watched in the stores of all.
pub(crate) struct Tlbs<'a> {
    /// Of the hart that executes.
    pub(crate) own: &'a mut Tlb,
    /// Of the harts with lower numbers, and of those with higher ones.
    others: [&'a mut [Box<Tlb>]; 2],
}

impl<'a> Tlbs<'a> {
    /// The caches `all`, seen from hart `own`; `None` where there is no such hart.
    pub(crate) fn new(all: &'a mut [Box<Tlb>], own: usize) -> Option<Self> {
        let (lower, rest) = all.split_at_mut_checked(own)?;
        let (own, higher) = rest.split_first_mut()?;
        Some(Self {
            own,
            others: [lower, higher],
        })
    }

    fn others(&mut self) -> impl Iterator<Item = &mut Tlb> {
        self.others
            .iter_mut()
            .flat_map(|part| part.iter_mut())
            .map(Box::as_mut)
    }

    /// [`Tlb::protect`] for every hart.
    pub(crate) fn protect(&mut self, offset: u64) {
        self.own.protect(offset);
        self.others().for_each(|tlb| tlb.protect(offset));
    }

    /// [`Tlb::flush`] for every hart.
    pub(crate) fn flush(&mut self) {
        self.own.flush();
        self.others().for_each(Tlb::flush);
    }

    /// Whether there is one hart alone.
    pub(crate) fn alone(&self) -> bool {
        self.others.iter().all(|part| part.is_empty())
    }
}

#[inline(always)]
fn lookup(set: &Set, va: u64, size: u64) -> Option<usize> {
    let index = (va >> 12) as usize % ENTRIES;
    if set.tags[index] == va & (!0xfff | (size - 1)) {
        Some(set.offsets[index] | (va & 0xfff) as usize)
    } else {
        None
    }
}
