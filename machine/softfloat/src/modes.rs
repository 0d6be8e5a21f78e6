//! The two fields of `fcsr`: the rounding mode and the accrued exception flags.

use core::ops::{BitOr, BitOrAssign};

/// A rounding mode, numbered as in the `frm` and `rm` fields (RISC-V unprivileged ISA, "F"
/// extension, table "Rounding mode encoding").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Round {
    /// RNE: to nearest, ties to even.
    #[default]
    NearestEven = 0,
    /// RTZ: towards zero.
    TowardZero = 1,
    /// RDN: towards minus infinity.
    Down = 2,
    /// RUP: towards plus infinity.
    Up = 3,
    /// RMM: to nearest, ties away from zero.
    NearestMaxMagnitude = 4,
}

impl Round {
    /// All modes, in the order of their numbers.
    pub const ALL: [Round; 5] = [
        Round::NearestEven,
        Round::TowardZero,
        Round::Down,
        Round::Up,
        Round::NearestMaxMagnitude,
    ];

    /// The mode with this number. `None` for the reserved 5 and 6, for larger numbers, and for 7
    /// (dynamic), which the caller must replace by `frm`.
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Round> {
        match bits {
            0 => Some(Round::NearestEven),
            1 => Some(Round::TowardZero),
            2 => Some(Round::Down),
            3 => Some(Round::Up),
            4 => Some(Round::NearestMaxMagnitude),
            _ => None,
        }
    }

    /// The mode's number, 0 to 4.
    #[inline]
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

/// A set of accrued exceptions, with the bits of `fflags` (RISC-V unprivileged ISA, "F" extension,
/// table "Accrued exception flag encoding").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// NX: the rounded result differs from the exact one.
    pub const INEXACT: Flags = Flags(1);
    /// UF: the result is tiny (after rounding) and inexact.
    pub const UNDERFLOW: Flags = Flags(2);
    /// OF: the rounded result is beyond the largest finite number.
    pub const OVERFLOW: Flags = Flags(4);
    /// DZ: a finite non-zero number was divided by zero.
    pub const DIVIDE_BY_ZERO: Flags = Flags(8);
    /// NV: the operation has no useful result, or an operand is a signalling NaN.
    pub const INVALID: Flags = Flags(16);
    /// All five flags.
    pub const ALL: Flags = Flags(31);

    /// The flags with these `fflags` bits; bits 5 to 7 are dropped.
    #[inline]
    pub const fn from_bits(bits: u8) -> Flags {
        Flags(bits & Flags::ALL.0)
    }

    /// The `fflags` bits, 0 to 31.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every flag of `other` is set.
    #[inline]
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the flags of `other`.
    #[inline]
    pub const fn insert(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

impl BitOr for Flags {
    type Output = Flags;
    #[inline]
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    #[inline]
    fn bitor_assign(&mut self, other: Flags) {
        self.insert(other);
    }
}
