//! Random page tables for Sv39: permissions, sizes, and every fault that an entry can have.

use crate::asm::{Asm, Label};
use crate::layout::{
    DATA_PAGE_COUNT, DATA_PAGES, HOLE, MEMORY, PROGRAM, RET_PAGE, USER_ALIAS, WINDOW, WINDOW_PAGES,
};
use crate::random::Random;

/// The theme of a stream. Not everything can be tested together, because an implementation may
/// choose in some combinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// Atomic read-modify-writes. QEMU does the load before it checks whether it may store. So all
    /// pages have the accessed bit from the start, because a failing atomic may set it or not.
    /// There are no holes, because their access fault would come before a page fault.
    Atomics,
    /// Pages without a device. They are not combined with accesses to two pages, where either may
    /// fault first.
    Holes,
    /// No atomics and no holes, but all kinds of misaligned accesses.
    Plain,
}

impl Theme {
    pub(crate) fn of(seed: u64) -> Self {
        Random::new(!seed).pick(&[Self::Atomics, Self::Holes, Self::Plain])
    }
}

/// Bits of a page table entry (volume II, 4.3.1).
mod pte {
    pub(super) const V: u64 = 1;
    pub(super) const R: u64 = 1 << 1;
    pub(super) const W: u64 = 1 << 2;
    pub(super) const X: u64 = 1 << 3;
    pub(super) const U: u64 = 1 << 4;
    pub(super) const G: u64 = 1 << 5;
    pub(super) const A: u64 = 1 << 6;
    pub(super) const D: u64 = 1 << 7;
}

pub(crate) const PAGE: u64 = 4096;
pub(crate) const MEGAPAGE: u64 = 1 << 21;
pub(crate) const GIGAPAGE: u64 = 1 << 30;
/// The random entries of the second level: the first ones lead to the 4 KiB pages.
pub(crate) const MEGAPAGES: u64 = 12;
/// The random gigapages of the first level.
pub(crate) const GIGAPAGES: [u64; 4] = [3, 4, 5, 256];

/// Words of the three tables.
pub(crate) const WORDS: u64 = 3 * 512;

/// Emits the tables of a stream, at the next page.
pub(crate) fn emit(asm: &mut Asm, seed: u64, label: Label) {
    let mut random = Random::new(seed ^ 0x7461_626c_6573);
    let theme = Theme::of(seed);
    asm.align(PAGE as usize);
    asm.bind(label);
    let at = asm.pc();
    let pointer = |address: u64| address >> 12 << 10 | pte::V;

    let mut root = [0; 512];
    let all = pte::V | pte::R | pte::W | pte::X | pte::A | pte::D;
    root[(PROGRAM / GIGAPAGE) as usize] = PROGRAM >> 2 | all;
    root[((PROGRAM + USER_ALIAS) / GIGAPAGE) as usize] = PROGRAM >> 2 | all | pte::U;
    root[(WINDOW / GIGAPAGE) as usize] = pointer(at + PAGE);
    for index in GIGAPAGES {
        root[index as usize] = large(&mut random, theme, PROGRAM, GIGAPAGE);
    }
    let mut middle = [0; 512];
    middle[0] = pointer(at + 2 * PAGE);
    for entry in &mut middle[1..MEGAPAGES as usize] {
        *entry = match random.below(8) {
            // A pointer must not have the bits of a leaf.
            0 => pointer(at + 2 * PAGE) | random.pick(&[pte::U, pte::A, pte::D, 1 << 60]),
            1 => pointer(at + 2 * PAGE) | pte::G,
            _ => large(&mut random, theme, MEMORY, MEGAPAGE),
        };
    }
    let mut last = [0; 512];
    for (i, entry) in last.iter_mut().enumerate().take(WINDOW_PAGES as usize) {
        *entry = small(&mut random, theme, i as u64);
    }
    for table in [root, middle, last] {
        for entry in table {
            asm.double(entry);
        }
    }
}

/// Flags of a leaf: mostly valid, accessed and dirty; the others with equal chances.
fn flags(random: &mut Random, theme: Theme) -> u64 {
    let mut flags = u64::from(theme == Theme::Atomics) * pte::A;
    flags |= random.u64() & (pte::R | pte::W | pte::X | pte::U | pte::G | 3 << 8);
    for bit in [pte::V, pte::A, pte::D] {
        flags |= bit * u64::from(!random.one_in(4));
    }
    flags |= pte::V * u64::from(!random.one_in(4));
    if random.one_in(20) {
        // A reserved bit, or one of an extension that is absent.
        flags |= 1 << random.range(54, 63);
    }
    flags
}

/// True if page `i` of the window is for jumps.
fn is_code(page: u64) -> bool {
    page.is_multiple_of(4)
}

/// An entry for page `page` of the window.
pub(crate) fn small(random: &mut Random, theme: Theme, page: u64) -> u64 {
    let flags = flags(random, theme);
    let hole = theme == Theme::Holes && random.one_in(12);
    if is_code(page) {
        let address = if hole { HOLE } else { RET_PAGE };
        return address >> 2 | flags & !pte::W;
    }
    let address = if hole {
        HOLE
    } else {
        DATA_PAGES + PAGE * random.below(DATA_PAGE_COUNT)
    };
    address >> 2 | flags
}

/// An entry for a large page at `address`. One in eight has an address that is not aligned to its
/// size.
fn large(random: &mut Random, theme: Theme, address: u64, size: u64) -> u64 {
    let misaligned = if random.one_in(8) {
        PAGE << random.below(u64::from(size.trailing_zeros()) - 12)
    } else {
        0
    };
    let mut flags = flags(random, theme);
    if flags & (pte::R | pte::W | pte::X) == 0 {
        // Otherwise it would be a pointer to a table at any address.
        flags |= pte::R;
    }
    (address + misaligned) >> 2 | flags
}
