//! Breakpoints: a hart stops before it executes the instruction at a virtual address.
//!
//! A page with a breakpoint is not cached for fetches, so its code is interpreted, block by block
//! up to the next breakpoint. Other pages run at full speed.

use crate::units::VirtAddr;
use std::collections::BTreeSet;

const PAGE: u64 = 4096;

/// An address space, identified by `satp` without the ASID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressSpace(u64);

impl AddressSpace {
    /// The address space that a value of `satp` selects by its mode and its root page table. The
    /// ASID is left out, because a guest may change it while the address space stays the same.
    pub const fn of_satp(satp: u64) -> Self {
        Self(satp & !(0xffff << 44))
    }
}

/// A stop before any hart executes the instruction at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Breakpoint {
    /// Virtual address of the first byte of the instruction.
    pub address: VirtAddr,
    /// Match only in this address space, and never in M-mode. `None`: match in all, and in M-mode
    /// too.
    pub space: Option<AddressSpace>,
}

/// All breakpoints of a machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breakpoints(pub(super) BTreeSet<Breakpoint>);

impl Breakpoints {
    /// Whether a breakpoint matches an instruction at `va` executed in `space`.
    pub(crate) fn at(&self, va: u64, space: Option<AddressSpace>) -> bool {
        self.between(va, va, space)
    }

    /// Whether a breakpoint that matches in `space` is on the page of `va`.
    pub(crate) fn on_page(&self, va: u64, space: Option<AddressSpace>) -> bool {
        !self.0.is_empty() && self.between(va & !(PAGE - 1), va | (PAGE - 1), space)
    }

    fn between(&self, first: u64, last: u64, space: Option<AddressSpace>) -> bool {
        let from = Breakpoint {
            address: VirtAddr::new(first),
            space: None,
        };
        let mut points = self
            .0
            .range(from..)
            .take_while(|at| at.address.get() <= last);
        points.any(|at| at.space.is_none() || at.space == space)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breakpoints_are_found_by_address_page_and_space() {
        let [one, other] = [1, 2].map(|root| AddressSpace::of_satp(8 << 60 | root));
        assert_eq!(one, AddressSpace::of_satp(8 << 60 | 77 << 44 | 1), "ASID");
        let mut points = Breakpoints::default();
        assert!(!points.on_page(0, None));
        for (address, space) in [(0x1ffe, Some(one)), (0x3000, None), (u64::MAX - 1, None)] {
            let address = VirtAddr::new(address);
            points.0.insert(Breakpoint { address, space });
        }
        assert!(points.at(0x1ffe, Some(one)));
        assert!(!points.at(0x1ffe, Some(other)));
        assert!(!points.at(0x1ffe, None), "machine mode");
        assert!(!points.at(0x1ffc, Some(one)));
        assert!(points.on_page(0x1000, Some(one)));
        assert!(!points.on_page(0x1000, Some(other)));
        assert!(!points.on_page(0x2fff, Some(one)));
        for space in [None, Some(one), Some(other)] {
            assert!(points.at(0x3000, space));
            assert!(points.on_page(0x3fff, space));
            assert!(points.on_page(u64::MAX, space));
        }
    }
}
