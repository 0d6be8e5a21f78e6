//! The CLINT (core-local interruptor): software interrupts and the timer of each hart.
//!
//! The register layout follows the SiFive U54 manual, chapter "CLINT", and the RISC-V ACLINT
//! specification, sections 2 (MTIMER) and 3 (MSWI). `mtime` is a function of virtual time, so the
//! timer needs no input from outside.

use serde::{Deserialize, Serialize};

use super::{AccessError, Context, Device};

/// Length of a tick of `mtime` in nanoseconds of virtual time (10 MHz).
pub const TICK_NS: u64 = 100;

/// Offsets of the registers.
mod reg {
    /// `msip`, 4 bytes per hart.
    pub(super) const MSIP: u64 = 0;
    /// `mtimecmp`, 8 bytes per hart.
    pub(super) const MTIMECMP: u64 = 0x4000;
    /// `mtime`, 8 bytes. The `mtimecmp` registers end here.
    pub(super) const MTIME: u64 = 0xbff8;
    /// The offset after `mtime`.
    pub(super) const END: u64 = 0xc000;
}

/// The CLINT of the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clint {
    /// Bit 0 of `msip`, one entry per hart.
    pub(crate) msip: Vec<bool>,
    /// `mtimecmp` in ticks, one entry per hart.
    pub(crate) mtimecmp: Vec<u64>,
    /// Ticks by which `mtime` is ahead of virtual time, modulo 2^64. A write to `mtime` sets it.
    pub(crate) mtime_delta: u64,
}

/// The register at an offset.
enum Target {
    Msip(usize),
    /// `mtimecmp` of a hart. True for an access that starts at the high half.
    Mtimecmp(usize, bool),
    Mtime(bool),
}

impl Clint {
    /// A CLINT for `harts` harts in its power-on state.
    #[must_use]
    pub fn new(harts: usize) -> Self {
        Self {
            msip: vec![false; harts],
            mtimecmp: vec![u64::MAX; harts],
            mtime_delta: 0,
        }
    }

    /// Whether the software interrupt of `hart` (`mip.MSIP`) is pending.
    #[must_use]
    pub fn msip(&self, hart: usize) -> bool {
        self.msip.get(hart).copied().unwrap_or(false)
    }

    /// Whether the timer interrupt of `hart` (`mip.MTIP`) is pending at virtual time `now_ns`.
    #[must_use]
    pub fn mtip(&self, hart: usize, now_ns: u64) -> bool {
        self.mtimecmp
            .get(hart)
            .is_some_and(|&cmp| self.mtime(now_ns) >= cmp)
    }

    /// `mtime` in ticks of [`TICK_NS`] at virtual time `now_ns`; also what `rdtime` reads.
    #[must_use]
    pub fn mtime(&self, now_ns: u64) -> u64 {
        (now_ns / TICK_NS).wrapping_add(self.mtime_delta)
    }

    /// The virtual time (ns) at which the timer interrupt of `hart` becomes pending. It is in the
    /// past if the interrupt is pending; `None` if it is beyond the end of virtual time.
    #[must_use]
    pub fn timer_deadline(&self, hart: usize) -> Option<u64> {
        self.ns_of_mtime(*self.mtimecmp.get(hart)?)
    }

    /// The virtual time (ns) at which `mtime` reaches `ticks`, for `stimecmp` of Sstc. It is 0 if
    /// `mtime` started above `ticks`; `None` if it is beyond the end of virtual time (u64
    /// nanoseconds).
    #[must_use]
    pub fn ns_of_mtime(&self, ticks: u64) -> Option<u64> {
        // As a signed number: the delta is negative if the guest has set `mtime` back.
        let delta = i128::from(self.mtime_delta.cast_signed());
        let raw = (i128::from(ticks) - delta).max(0);
        u64::try_from(raw * i128::from(TICK_NS)).ok()
    }

    fn target(&self, offset: u64, size: u8) -> Result<Target, AccessError> {
        let harts = self.msip.len();
        let index = |from: u64, width: u64| {
            let index = usize::try_from((offset - from) / width).unwrap_or(usize::MAX);
            if index < harts {
                Ok(index)
            } else {
                Err(AccessError::InvalidRegister)
            }
        };
        let (target, wide) = match offset {
            reg::MSIP..reg::MTIMECMP => (Target::Msip(index(reg::MSIP, 4)?), false),
            reg::MTIMECMP..reg::MTIME => {
                let high = offset & 4 != 0;
                (Target::Mtimecmp(index(reg::MTIMECMP, 8)?, high), !high)
            }
            reg::MTIME..reg::END => {
                let high = offset & 4 != 0;
                (Target::Mtime(high), !high)
            }
            _ => return Err(AccessError::InvalidRegister),
        };
        match size {
            _ if !offset.is_multiple_of(4) => Err(AccessError::InvalidRegister),
            4 => Ok(target),
            8 if wide => Ok(target),
            _ => Err(AccessError::InvalidAccessSize),
        }
    }
}

/// The 4 or 8 bytes of `register` that an access reads, from its low or its high half on.
fn part_of(register: u64, high: bool, size: u8) -> u64 {
    match (high, size) {
        (_, 8) => register,
        (true, _) => register >> 32,
        (false, _) => register & 0xffff_ffff,
    }
}

/// The value of `register` after a write of 4 or 8 bytes.
fn with_part(register: u64, high: bool, size: u8, value: u64) -> u64 {
    let low32 = value & 0xffff_ffff;
    match (high, size) {
        (_, 8) => value,
        (true, _) => (register & 0xffff_ffff) | low32 << 32,
        (false, _) => (register & !0xffff_ffff) | low32,
    }
}

impl Device for Clint {
    fn read(&mut self, offset: u64, size: u8, cx: &mut Context<'_>) -> Result<u64, AccessError> {
        Ok(match self.target(offset, size)? {
            Target::Msip(hart) => u64::from(self.msip(hart)),
            Target::Mtimecmp(hart, high) => part_of(
                self.mtimecmp.get(hart).copied().unwrap_or(u64::MAX),
                high,
                size,
            ),
            Target::Mtime(high) => part_of(self.mtime(cx.now), high, size),
        })
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), AccessError> {
        match self.target(offset, size)? {
            Target::Msip(hart) => {
                if let Some(msip) = self.msip.get_mut(hart) {
                    *msip = value & 1 != 0;
                }
            }
            Target::Mtimecmp(hart, high) => {
                if let Some(cmp) = self.mtimecmp.get_mut(hart) {
                    *cmp = with_part(*cmp, high, size, value);
                }
            }
            Target::Mtime(high) => {
                let wanted = with_part(self.mtime(cx.now), high, size, value);
                self.mtime_delta = wanted.wrapping_sub(cx.now / TICK_NS);
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        *self = Self::new(self.msip.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Bench, exercise, steps};
    use super::*;

    #[test]
    fn software_interrupt_is_bit_0_per_hart() {
        let mut bench = Bench::new(Clint::new(2));
        bench.w32(4, 0xffff_ffff);
        assert!(!bench.dev.msip(0) && bench.dev.msip(1) && !bench.dev.msip(2));
        assert_eq!(bench.r32(4), 1);
        bench.w32(4, 0xffff_fffe);
        assert!(!bench.dev.msip(1));
        assert_eq!(bench.read(8, 4), Err(AccessError::InvalidRegister));
        assert_eq!(bench.read(0, 8), Err(AccessError::InvalidAccessSize));
        assert_eq!(bench.read(0, 1), Err(AccessError::InvalidAccessSize));
    }

    #[test]
    fn timer_fires_exactly_at_its_deadline() {
        let mut bench = Bench::new(Clint::new(1));
        assert_eq!(bench.dev.timer_deadline(0), None, "reset value never comes");
        bench.write(0x4000, 8, 50).unwrap();
        assert_eq!(bench.dev.timer_deadline(0), Some(5000));
        assert!(!bench.dev.mtip(0, 4999) && bench.dev.mtip(0, 5000));
        assert!(!bench.dev.mtip(1, u64::MAX), "no such hart");
    }

    #[test]
    fn halves_and_whole_of_mtimecmp() {
        let mut bench = Bench::new(Clint::new(2));
        bench.w32(0x4008, 0x1111_2222);
        bench.w32(0x400c, 0x3333_4444);
        assert_eq!(bench.read(0x4008, 8), Ok(0x3333_4444_1111_2222));
        assert_eq!(bench.r32(0x400c), 0x3333_4444);
        assert_eq!(bench.read(0x4000, 8), Ok(u64::MAX));
        assert_eq!(bench.read(0x400c, 8), Err(AccessError::InvalidAccessSize));
        assert_eq!(bench.read(0x4010, 8), Err(AccessError::InvalidRegister));
        assert_eq!(bench.read(0x4002, 4), Err(AccessError::InvalidRegister));
    }

    #[test]
    fn mtime_follows_virtual_time_and_takes_writes() {
        let mut bench = Bench::new(Clint::new(1));
        bench.now = 12_345;
        assert_eq!(bench.read(0xbff8, 8), Ok(123));
        bench.write(0xbff8, 8, 0).unwrap();
        assert_eq!(bench.read(0xbff8, 8), Ok(0));
        bench.write(0x4000, 8, 10).unwrap();
        assert_eq!(bench.dev.timer_deadline(0), Some(13_300));
        assert!(!bench.dev.mtip(0, 13_299) && bench.dev.mtip(0, 13_300));
        bench.w32(0xbffc, 7);
        assert_eq!(bench.read(0xbff8, 8), Ok(7 << 32));
        assert_eq!(bench.r32(0xbffc), 7);
        assert_eq!(bench.dev.timer_deadline(0), Some(0), "already past");
        bench.dev.reset();
        assert_eq!(bench.dev, Clint::new(1));
    }

    proptest! {
        #[test]
        fn never_panics_and_has_no_hidden_state(steps in steps(0x1_0000), harts in 1..5usize) {
            exercise(Clint::new(harts), &steps);
        }

        #[test]
        fn deadline_is_the_first_moment_of_mtip(
            now in 0..1u64 << 40, mtime in 0..1u64 << 40, cmp in 0..1u64 << 41,
        ) {
            let mut bench = Bench::new(Clint::new(1));
            bench.now = now;
            bench.write(0xbff8, 8, mtime).unwrap();
            bench.write(0x4000, 8, cmp).unwrap();
            let due = bench.dev.timer_deadline(0).unwrap();
            if bench.dev.mtip(0, now) {
                prop_assert!(due <= now);
            } else {
                prop_assert!(due > now && !bench.dev.mtip(0, due - 1) && bench.dev.mtip(0, due));
            }
        }
    }
}
