//! Virtual time: a function of the icount and of the warps so far.

use crate::units::Icount;
use serde::{Deserialize, Serialize};

/// The virtual clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// One instruction takes 2^shift nanoseconds (QEMU's `-icount shift=`), 0 to 10.
    shift: u8,
    /// Nanoseconds that passed while the machine was idle, without instructions.
    warped: u64,
}

impl Clock {
    /// The largest shift, as in QEMU: an instruction takes 1024 ns.
    pub const MAX_SHIFT: u8 = 10;

    /// A clock at zero. A shift above [`Clock::MAX_SHIFT`] is taken as [`Clock::MAX_SHIFT`].
    pub fn new(shift: u8) -> Self {
        Self {
            shift: shift.min(Self::MAX_SHIFT),
            warped: 0,
        }
    }

    /// Whether an instruction takes the same time on both clocks.
    pub(crate) fn has_same_shift(&self, other: &Self) -> bool {
        self.shift == other.shift
    }

    /// Virtual time in nanoseconds since power-on, after `icount` instructions.
    pub fn now(&self, icount: Icount) -> u64 {
        (icount.get() << self.shift).saturating_add(self.warped)
    }

    /// The first icount at which [`Clock::now`] is at least `ns`, if no further warp happens.
    pub fn icount_at(&self, ns: u64) -> Icount {
        let ns = ns.saturating_sub(self.warped);
        let whole = Icount::new(ns >> self.shift);
        whole + u64::from(ns & ((1 << self.shift) - 1) != 0)
    }

    /// Advances virtual time by `ns` nanoseconds without an instruction.
    pub fn warp(&mut self, ns: u64) {
        self.warped = self.warped.saturating_add(ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icount_at_is_the_first_that_reaches() {
        for shift in [0, 1, 3, 10] {
            let mut clock = Clock::new(shift);
            clock.warp(12_345);
            for ns in [0, 1, 7, 8, 9, 12_345, 12_346, 99_999] {
                let at = clock.icount_at(ns);
                assert!(clock.now(at) >= ns);
                assert!(at == Icount::ZERO || clock.now(at.saturating_sub(1)) < ns);
            }
        }
    }
}
