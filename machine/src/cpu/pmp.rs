//! PMP (physical memory protection): 16 entries, granularity of 4 bytes (privileged specification
//! 1.12, section 3.7).

use super::Mode;
use serde::{Deserialize, Serialize};

/// Number of entries.
const ENTRIES: usize = 16;

const READ: u8 = 1;
const WRITE: u8 = 2;
const EXECUTE: u8 = 4;
const LOCKED: u8 = 0x80;

/// The kind of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Instruction fetch.
    Fetch,
    /// Load.
    Load,
    /// Store or AMO.
    Store,
}

/// The PMP registers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pmp {
    cfg: [u8; ENTRIES],
    addr: [u64; ENTRIES],
}

/// The result of a PMP check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The access is permitted.
    pub allowed: bool,
    /// The result holds for the whole 4 KiB page.
    pub whole_page: bool,
}

impl Pmp {
    /// `pmpcfg` of eight entries. `index` is 0 or 1.
    pub(super) fn read_cfg(&self, index: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.cfg[index * 8..index * 8 + 8]);
        u64::from_le_bytes(bytes)
    }

    pub(super) fn write_cfg(&mut self, index: usize, value: u64) {
        for (cfg, mut byte) in self.cfg[index * 8..].iter_mut().zip(value.to_le_bytes()) {
            if *cfg & LOCKED == 0 {
                byte &= 0x9f;
                // The combination of W and not R is reserved.
                if byte & (READ | WRITE) == WRITE {
                    byte &= !WRITE;
                }
                *cfg = byte;
            }
        }
    }

    pub(super) fn read_addr(&self, index: usize) -> u64 {
        self.addr[index]
    }

    pub(super) fn write_addr(&mut self, index: usize, value: u64) {
        let next_locks = self
            .cfg
            .get(index + 1)
            .is_some_and(|next| next & LOCKED != 0 && next >> 3 & 3 == 1);
        if self.cfg[index] & LOCKED == 0 && !next_locks {
            self.addr[index] = value & ((1 << 54) - 1);
        }
    }

    /// The range of entry `index`: first byte, and the byte after the last; `None` if the entry is
    /// off.
    fn range(&self, index: usize) -> Option<(u128, u128)> {
        let addr = u128::from(self.addr[index]);
        match self.cfg[index] >> 3 & 3 {
            1 => {
                let low = if index == 0 {
                    0
                } else {
                    u128::from(self.addr[index - 1])
                };
                Some((low << 2, addr << 2))
            }
            2 => Some((addr << 2, (addr << 2) + 4)),
            3 => {
                let ones = self.addr[index].trailing_ones();
                let base = (addr >> ones) << ones << 2;
                Some((base, base + (8u128 << ones)))
            }
            _ => None,
        }
    }

    /// Checks an access of `len` bytes at physical `address`. The first entry that matches any byte
    /// decides, and it must match all of them.
    pub fn check(&self, mode: Mode, access: Access, address: u64, len: u64) -> Verdict {
        let first = u128::from(address);
        let end = first + u128::from(len);
        let page = u128::from(address & !0xfff);
        let page_end = page + 0x1000;
        let mut whole_page = true;
        for index in 0..ENTRIES {
            let Some((low, high)) = self.range(index) else {
                continue;
            };
            if high <= page || page_end <= low {
                continue;
            }
            if low > page || high < page_end {
                whole_page = false;
            }
            if high <= first || end <= low {
                continue;
            }
            let cfg = self.cfg[index];
            let wanted = match access {
                Access::Fetch => EXECUTE,
                Access::Load => READ,
                Access::Store => WRITE,
            };
            let granted = mode == Mode::Machine && cfg & LOCKED == 0 || cfg & wanted != 0;
            return Verdict {
                allowed: low <= first && end <= high && granted,
                whole_page,
            };
        }
        // Without a match M-mode is permitted. The other modes are not if any entry is on.
        Verdict {
            allowed: mode == Mode::Machine,
            whole_page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_denies_all_but_machine_mode() {
        let pmp = Pmp::default();
        assert!(pmp.check(Mode::Machine, Access::Store, 0, 8).allowed);
        assert!(!pmp.check(Mode::Supervisor, Access::Load, 0, 8).allowed);
    }

    #[test]
    fn first_match_decides_and_must_cover() {
        let mut pmp = Pmp::default();
        pmp.write_addr(0, 0x8000_1000 >> 2 | 0x1f); // NAPOT, 256 bytes
        pmp.write_addr(1, u64::MAX);
        pmp.write_cfg(0, 0x1f << 8 | 0x19); // 1: all, RWX; 0: R
        let user = |access, at, len| pmp.check(Mode::User, access, at, len);
        assert!(user(Access::Load, 0x8000_1000, 8).allowed);
        assert!(!user(Access::Store, 0x8000_1000, 8).allowed);
        assert!(user(Access::Store, 0x8000_1100, 8).allowed);
        assert!(!user(Access::Load, 0x8000_10fc, 8).allowed);
        assert!(!user(Access::Load, 0x8000_1100, 8).whole_page);
        assert!(user(Access::Load, 0x8000_2000, 8).whole_page);
        assert!(
            pmp.check(Mode::Machine, Access::Store, 0x8000_1000, 8)
                .allowed
        );
    }

    #[test]
    fn locks_hold_and_bind_machine_mode() {
        let mut pmp = Pmp::default();
        pmp.write_addr(0, 0x100);
        pmp.write_addr(1, 0x200);
        pmp.write_cfg(0, 0x88 << 8); // 1: TOR, locked, no rights
        pmp.write_addr(0, 0);
        pmp.write_addr(1, 0);
        pmp.write_cfg(0, 0);
        assert_eq!(
            (pmp.read_addr(0), pmp.read_addr(1), pmp.read_cfg(0)),
            (0x100, 0x200, 0x8800)
        );
        assert!(!pmp.check(Mode::Machine, Access::Load, 0x400, 4).allowed);
        assert!(pmp.check(Mode::Machine, Access::Load, 0x3fc, 4).allowed);
    }
}
