//! Address translation: Sv39, Sv48 and Sv57 (privileged specification 1.12, sections 4.3 to 4.6).
//!
//! One page-table walker finds the physical address, without side effects. An access of the guest
//! then sets A and D bits and makes cached translations depend on the page tables. A debugger's
//! look-up does not.

use super::csr::mstatus;
use super::pmp::Access;
use super::trap::cause;
use super::{Core, Hart, Mode, Trap};
use crate::bus::RAM_BASE;
use crate::ram::Ram;
use crate::units::PhysAddr;

/// Bits of a page-table entry.
mod pte {
    pub(super) const V: u64 = 1;
    pub(super) const R: u64 = 1 << 1;
    pub(super) const W: u64 = 1 << 2;
    pub(super) const X: u64 = 1 << 3;
    pub(super) const U: u64 = 1 << 4;
    pub(super) const A: u64 = 1 << 6;
    pub(super) const D: u64 = 1 << 7;
    /// N, PBMT and reserved bits. Svnapot and Svpbmt are not implemented.
    pub(super) const RESERVED: u64 = !0 << 54;
}

/// Most levels of page tables (Sv57).
const MAX_LEVELS: usize = 5;

/// The purpose of a translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An access of the guest, with a check of permissions.
    Guest(Access),
    /// A debugger's look-up, without a check of permissions.
    Look,
}

/// The result of a translation.
pub(super) struct Physical {
    /// Physical address.
    pub(super) address: u64,
    /// The translation holds for the whole page, so it may be cached.
    pub(super) cacheable: bool,
}

/// The result of a page-table walk.
struct Leaf {
    /// Physical address.
    address: u64,
    /// Physical addresses of the entries, by level. Only those from `level` up are valid.
    entries: [u64; MAX_LEVELS],
    level: usize,
    levels: usize,
    /// The new value of the leaf entry, if the access sets A or D in it.
    marked: Option<u64>,
}

/// The page fault of an access to `va`.
pub(super) fn page_fault(access: Access, va: u64) -> Trap {
    let cause = match access {
        Access::Fetch => cause::FETCH_PAGE,
        Access::Load => cause::LOAD_PAGE,
        Access::Store => cause::STORE_PAGE,
    };
    Trap::Exception { cause, tval: va }
}

/// The access fault of an access to `va`.
pub(super) fn access_fault(access: Access, va: u64) -> Trap {
    let cause = match access {
        Access::Fetch => cause::FETCH_ACCESS,
        Access::Load => cause::LOAD_ACCESS,
        Access::Store => cause::STORE_ACCESS,
    };
    Trap::Exception { cause, tval: va }
}

/// Number of page-table levels for accesses of `hart` in `mode`; 0: no translation.
fn levels(hart: &Hart, mode: Mode) -> usize {
    match hart.csrs.satp >> 60 {
        _ if mode == Mode::Machine => 0,
        8 => 3,
        9 => 4,
        10 => MAX_LEVELS,
        _ => 0,
    }
}

/// Translates `va` for `hart` in `mode` without a check of permissions and without side effects. It
/// does not use the TLB. `None`: not mapped.
pub(crate) fn look(hart: &Hart, ram: &Ram, va: u64, mode: Mode) -> Option<u64> {
    match levels(hart, mode) {
        0 => Some(va),
        levels => {
            let walker = Walker { hart, ram, mode };
            let leaf = walker.walk(va, Purpose::Look, levels);
            leaf.ok().map(|leaf| leaf.address)
        }
    }
}

impl Core<'_> {
    /// Translates `va` for an access of `len` bytes within one page, and checks its permissions.
    pub(super) fn translate(
        &mut self,
        va: u64,
        len: u64,
        access: Access,
        mode: Mode,
    ) -> Result<Physical, Trap> {
        let address = match levels(self.hart, mode) {
            0 => va,
            levels => {
                let walker = Walker {
                    hart: self.hart,
                    ram: &self.bus.ram,
                    mode,
                };
                let leaf = walker.walk(va, Purpose::Guest(access), levels)?;
                self.use_leaf(&leaf);
                leaf.address
            }
        };
        let verdict = self.hart.csrs.pmp.check(mode, access, address, len);
        if !verdict.allowed {
            return Err(access_fault(access, va));
        }
        Ok(Physical {
            address,
            cacheable: verdict.whole_page,
        })
    }

    /// Whether a fetch by the hart from `va` would succeed. It has no side effects.
    pub(super) fn fetchable(&self, va: u64) -> bool {
        let (hart, ram, mode) = (&*self.hart, &self.bus.ram, self.hart.mode);
        let walker = Walker { hart, ram, mode };
        let address = match levels(hart, mode) {
            0 => Some(va),
            levels => {
                let leaf = walker.walk(va, Purpose::Guest(Access::Fetch), levels);
                leaf.ok().map(|leaf| leaf.address)
            }
        };
        address.is_some_and(|address| {
            let verdict = hart.csrs.pmp.check(mode, Access::Fetch, address, 2);
            verdict.allowed && self.bus.memory(PhysAddr::new(address), 2).is_some()
        })
    }

    /// Sets A and D bits, and makes cached translations depend on the page tables.
    fn use_leaf(&mut self, leaf: &Leaf) {
        if let Some(entry) = leaf.marked {
            let offset = leaf.entries[leaf.level] - RAM_BASE.get();
            self.bus.ram.write_table(offset, entry);
            self.leave |= self.bus.ram.caches_stale() || self.bus.ram.has_watch_hits();
        }
        for address in &leaf.entries[leaf.level..leaf.levels] {
            let offset = address - RAM_BASE.get();
            if self.bus.ram.mark_table(offset) {
                self.tlbs.protect(offset);
            }
        }
    }
}

/// A page-table walker. It only reads.
struct Walker<'a> {
    hart: &'a Hart,
    ram: &'a Ram,
    mode: Mode,
}

impl Walker<'_> {
    /// Walks the page tables for `va`. For [`Purpose::Look`] a trap only means "not mapped".
    fn walk(&self, va: u64, purpose: Purpose, levels: usize) -> Result<Leaf, Trap> {
        let access = match purpose {
            Purpose::Guest(access) => access,
            Purpose::Look => Access::Load,
        };
        let bits = 12 + 9 * levels as u32;
        let canonical = (va << (64 - bits)) as i64 >> (64 - bits);
        if canonical as u64 != va {
            return Err(page_fault(access, va));
        }
        let mut table = (self.hart.csrs.satp & ((1 << 44) - 1)) << 12;
        let mut entries = [0; MAX_LEVELS];
        for level in (0..levels).rev() {
            let address = table + (va >> (12 + 9 * level) & 0x1ff) * 8;
            let entry = self
                .entry(address, purpose)
                .ok_or(access_fault(access, va))?;
            entries[level] = address;
            if entry & pte::V == 0
                || entry & (pte::R | pte::W) == pte::W
                || entry & pte::RESERVED != 0
            {
                return Err(page_fault(access, va));
            }
            let target = (entry >> 10 & ((1 << 44) - 1)) << 12;
            if entry & (pte::R | pte::X) == 0 {
                // A pointer to the next level. Its A, D and U bits are reserved.
                if entry & (pte::A | pte::D | pte::U) != 0 {
                    return Err(page_fault(access, va));
                }
                table = target;
                continue;
            }
            let within = (1u64 << (12 + 9 * level)) - 1;
            if target & within != 0 {
                return Err(page_fault(access, va));
            }
            let marked = match purpose {
                Purpose::Guest(access) => self.permit(entry, address, va, access)?,
                Purpose::Look => None,
            };
            return Ok(Leaf {
                address: target | va & within,
                entries,
                level,
                levels,
                marked,
            });
        }
        Err(page_fault(access, va))
    }

    /// Checks the permissions of the leaf `entry` at physical address `at`. Returns the new entry
    /// if the access sets A or D. If software must set them (Svade), that is a page fault.
    fn permit(&self, entry: u64, at: u64, va: u64, access: Access) -> Result<Option<u64>, Trap> {
        if !self.permits(entry, access) {
            return Err(page_fault(access, va));
        }
        let wanted = if access == Access::Store {
            pte::A | pte::D
        } else {
            pte::A
        };
        if entry & wanted == wanted {
            return Ok(None);
        }
        if !self.hart.csrs.hardware_ad() {
            return Err(page_fault(access, va));
        }
        if !self.may(Access::Store, at) {
            return Err(access_fault(access, va));
        }
        Ok(Some(entry | wanted))
    }

    fn permits(&self, entry: u64, access: Access) -> bool {
        let status = self.hart.csrs.mstatus;
        let user_page = entry & pte::U != 0;
        let in_reach = match self.mode {
            Mode::User => user_page,
            _ => !user_page || access != Access::Fetch && status & mstatus::SUM != 0,
        };
        let readable = entry & pte::R != 0 || status & mstatus::MXR != 0 && entry & pte::X != 0;
        in_reach
            && match access {
                Access::Fetch => entry & pte::X != 0,
                Access::Load => readable,
                Access::Store => entry & pte::W != 0,
            }
    }

    /// Whether PMP permits an access of the walker to the entry at `address`.
    fn may(&self, access: Access, address: u64) -> bool {
        let pmp = &self.hart.csrs.pmp;
        pmp.check(Mode::Supervisor, access, address, 8).allowed
    }

    /// The entry at a physical address; `None` if it is not in RAM or PMP forbids the read.
    fn entry(&self, address: u64, purpose: Purpose) -> Option<u64> {
        if purpose != Purpose::Look && !self.may(Access::Load, address) {
            return None;
        }
        let bytes = self.ram.get(address.checked_sub(RAM_BASE.get())?, 8)?;
        Some(u64::from_le_bytes(*bytes.first_chunk()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ram::PAGE;

    /// RAM with page-table entries at these offsets. The root table is at offset 0.
    fn ram(entries: &[(u64, u64)]) -> Ram {
        let mut ram = Ram::new(8 * PAGE as u64).unwrap();
        for &(at, entry) in entries {
            assert!(ram.write(at, &entry.to_le_bytes()));
        }
        ram
    }

    fn hart() -> Hart {
        let mut hart = Hart::new(0, 0);
        hart.csrs.satp = 8 << 60 | RAM_BASE.get() >> 12;
        hart
    }

    fn to(page: u64, bits: u64) -> u64 {
        ((RAM_BASE.get() >> 12) + page) << 10 | bits
    }

    const POINTER: u64 = pte::V;
    /// An execute-only page of U-mode with A and D clear. Only fetches from U-mode are permitted.
    const EXECUTE_ONLY: u64 = pte::V | pte::X | pte::U;

    #[test]
    fn a_look_up_needs_no_permission_and_sets_no_bits() {
        let mut ram = ram(&[
            (0, to(1, POINTER)),
            (0x1008, to(2, POINTER)),
            (0x2010, to(5, EXECUTE_ONLY)),
        ]);
        let before = ram.digest();
        let hart = hart();
        let va = 1 << 21 | 2 << 12 | 0x123;
        let there = Some(RAM_BASE.get() + 0x5123);
        assert_eq!(look(&hart, &ram, va, Mode::Supervisor), there);
        assert_eq!(look(&hart, &ram, va, Mode::User), there);
        assert_eq!(look(&hart, &ram, va, Mode::Machine), Some(va));
        assert_eq!(look(&hart, &ram, va + 0x1000, Mode::User), None);
        assert_eq!(ram.digest(), before);
        assert!(!ram.caches_stale());
    }

    #[test]
    fn tables_that_no_access_would_accept_lead_nowhere() {
        let hart = hart();
        let looked = |entries: &[_], va| look(&hart, &ram(entries), va, Mode::User);
        let large = |bits| [(0, to(1, POINTER)), (0x1000, to(0, bits))];
        let all = EXECUTE_ONLY | pte::R | pte::W;
        // A megapage (2 MiB) at the start of RAM.
        assert_eq!(looked(&large(all), 0x4321), Some(RAM_BASE.get() + 0x4321));
        assert_eq!(looked(&large(all), 1 << 39), None, "not canonical");
        for wrong in [
            all & !pte::V,
            all & !pte::R & !pte::X,
            all | 1 << 54,
            all | 1 << 61,
            all | 1 << 63,
            // A misaligned superpage.
            all | 1 << 10,
        ] {
            assert_eq!(looked(&large(wrong), 0x4321), None, "{wrong:#x}");
        }
        for reserved in [pte::A, pte::D, pte::U] {
            let entries = [(0, to(1, POINTER | reserved)), (0x1000, to(0, all))];
            assert_eq!(looked(&entries, 0x4321), None, "{reserved:#x}");
        }
        let outside = [(0, 0x1000 >> 2 | POINTER)];
        assert_eq!(looked(&outside, 0), None, "a table that is not in RAM");
        // Only pointers, at all levels.
        let endless = [(0, to(0, POINTER))];
        assert_eq!(looked(&endless, 0), None);
    }
}
