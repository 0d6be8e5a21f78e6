//! Address translation: Sv39, Sv48 and Sv57 (Privileged specification 1.12, sections 4.3 to 4.6).

use super::csr::mstatus;
use super::pmp::Access;
use super::trap::cause;
use super::{Core, Mode, Trap};
use crate::bus::RAM_BASE;

/// Bits of a page-table entry.
mod pte {
    pub(super) const V: u64 = 1;
    pub(super) const R: u64 = 1 << 1;
    pub(super) const W: u64 = 1 << 2;
    pub(super) const X: u64 = 1 << 3;
    pub(super) const U: u64 = 1 << 4;
    pub(super) const A: u64 = 1 << 6;
    pub(super) const D: u64 = 1 << 7;
    /// N, PBMT and reserved bits: none of these extensions is here.
    pub(super) const RESERVED: u64 = !0 << 54;
}

/// Levels of page tables there can be (Sv57).
const MAX_LEVELS: usize = 5;

/// Where an access goes.
pub(super) struct Physical {
    /// Physical address.
    pub(super) address: u64,
    /// The translation holds for the whole page, so it may be cached.
    pub(super) cacheable: bool,
}

/// The page fault of an access.
pub(super) fn page_fault(access: Access, va: u64) -> Trap {
    let cause = match access {
        Access::Fetch => cause::FETCH_PAGE,
        Access::Load => cause::LOAD_PAGE,
        Access::Store => cause::STORE_PAGE,
    };
    Trap::Exception { cause, tval: va }
}

/// The access fault of an access.
pub(super) fn access_fault(access: Access, va: u64) -> Trap {
    let cause = match access {
        Access::Fetch => cause::FETCH_ACCESS,
        Access::Load => cause::LOAD_ACCESS,
        Access::Store => cause::STORE_ACCESS,
    };
    Trap::Exception { cause, tval: va }
}

impl Core<'_> {
    /// Translates `va` for an access of `len` bytes within one page, and checks its rights.
    pub(super) fn translate(
        &mut self,
        va: u64,
        len: u64,
        access: Access,
        mode: Mode,
    ) -> Result<Physical, Trap> {
        let levels = match self.hart.csrs.satp >> 60 {
            _ if mode == Mode::Machine => 0,
            8 => 3,
            9 => 4,
            10 => MAX_LEVELS,
            _ => 0,
        };
        let address = if levels == 0 {
            va
        } else {
            self.walk(va, access, mode, levels)?
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

    fn walk(&mut self, va: u64, access: Access, mode: Mode, levels: usize) -> Result<u64, Trap> {
        let bits = 12 + 9 * levels as u32;
        let canonical = (va << (64 - bits)) as i64 >> (64 - bits);
        if canonical as u64 != va {
            return Err(page_fault(access, va));
        }
        let mut table = (self.hart.csrs.satp & ((1 << 44) - 1)) << 12;
        let mut seen = [0; MAX_LEVELS];
        for level in (0..levels).rev() {
            let address = table + (va >> (12 + 9 * level) & 0x1ff) * 8;
            let entry = self.read_entry(address, va, access)?;
            seen[level] = address;
            if entry & pte::V == 0
                || entry & (pte::R | pte::W) == pte::W
                || entry & pte::RESERVED != 0
            {
                return Err(page_fault(access, va));
            }
            let target = (entry >> 10 & ((1 << 44) - 1)) << 12;
            if entry & (pte::R | pte::X) == 0 {
                // A pointer to the next level; A, D and U are reserved in it.
                if entry & (pte::A | pte::D | pte::U) != 0 {
                    return Err(page_fault(access, va));
                }
                table = target;
                continue;
            }
            let within = (1u64 << (12 + 9 * level)) - 1;
            if target & within != 0 || !self.permits(entry, access, mode) {
                return Err(page_fault(access, va));
            }
            self.mark_used(entry, address, va, access)?;
            for address in &seen[level..levels] {
                let offset = address - RAM_BASE;
                if self.bus.ram.watch_table(offset) {
                    self.tlbs.protect(offset);
                }
            }
            return Ok(target | va & within);
        }
        Err(page_fault(access, va))
    }

    fn permits(&self, entry: u64, access: Access, mode: Mode) -> bool {
        let status = self.hart.csrs.mstatus;
        let user_page = entry & pte::U != 0;
        let in_reach = match mode {
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

    /// Sets A, and D for a store, or faults where software must (Svade).
    fn mark_used(&mut self, entry: u64, at: u64, va: u64, access: Access) -> Result<(), Trap> {
        let wanted = if access == Access::Store {
            pte::A | pte::D
        } else {
            pte::A
        };
        if entry & wanted == wanted {
            return Ok(());
        }
        if !self.hart.csrs.hardware_ad() {
            return Err(page_fault(access, va));
        }
        if !self
            .hart
            .csrs
            .pmp
            .check(Mode::Supervisor, Access::Store, at, 8)
            .allowed
        {
            return Err(access_fault(access, va));
        }
        self.bus.ram.write_table(at - RAM_BASE, entry | wanted);
        self.leave |= self.bus.ram.caches_stale();
        Ok(())
    }

    fn read_entry(&mut self, address: u64, va: u64, access: Access) -> Result<u64, Trap> {
        let allowed = self
            .hart
            .csrs
            .pmp
            .check(Mode::Supervisor, Access::Load, address, 8)
            .allowed;
        let bytes = address
            .checked_sub(RAM_BASE)
            .and_then(|offset| self.bus.ram.get(offset, 8));
        match bytes.and_then(|bytes| bytes.first_chunk::<8>()) {
            Some(bytes) if allowed => Ok(u64::from_le_bytes(*bytes)),
            _ => Err(access_fault(access, va)),
        }
    }
}
