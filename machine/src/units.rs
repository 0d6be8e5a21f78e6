//! Types for the numbers of the machine, so that a confusion of two of them does not compile.
//!
//! They are used in signatures, public fields and stored values. The interpreter, the JIT and the
//! TLBs compute with plain integers, and convert at their entry points. Each type is encoded as its
//! plain number.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// An icount: the number of instructions executed by all harts since power-on, including those that
/// raised an exception.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Icount(u64);

impl Icount {
    /// Power-on.
    pub const ZERO: Self = Self(0);
    /// The largest icount. No run reaches it.
    pub const MAX: Self = Self(u64::MAX);

    /// The icount after this number of instructions.
    #[must_use]
    pub const fn new(instructions: u64) -> Self {
        Self(instructions)
    }

    /// The number of instructions.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// This number of instructions later, at most [`Icount::MAX`].
    #[must_use]
    pub const fn saturating_add(self, instructions: u64) -> Self {
        Self(self.0.saturating_add(instructions))
    }

    /// This number of instructions earlier, at least [`Icount::ZERO`].
    #[must_use]
    pub const fn saturating_sub(self, instructions: u64) -> Self {
        Self(self.0.saturating_sub(instructions))
    }

    /// Instructions between the two, whichever is earlier.
    #[must_use]
    pub const fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// Number of instructions from `earlier` to this icount; 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// This number of instructions later.
impl Add<u64> for Icount {
    type Output = Self;

    fn add(self, instructions: u64) -> Self {
        Self(self.0 + instructions)
    }
}

impl AddAssign<u64> for Icount {
    fn add_assign(&mut self, instructions: u64) {
        *self = *self + instructions;
    }
}

/// Number of instructions from the right icount to the left one, which must not be earlier.
impl Sub for Icount {
    type Output = u64;

    fn sub(self, earlier: Self) -> u64 {
        self.0 - earlier.0
    }
}

/// Formats it in decimal.
impl fmt::Display for Icount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A digest of the machine's whole state. Equal states have equal digests on every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(u128);

impl Digest {
    /// The digest with this value.
    #[must_use]
    pub const fn new(value: u128) -> Self {
        Self(value)
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

/// Formats it as 32 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A virtual address: an address before translation by a hart's page tables.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct VirtAddr(u64);

/// A physical address: an address on the bus, of RAM, of the boot ROM or of a device.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PhysAddr(u64);

/// Operations that both kinds of address have. There is no conversion between the kinds here:
/// [`Machine::physical`](crate::Machine::physical) translates.
macro_rules! address {
    ($address:ident) => {
        impl $address {
            /// The address with this value.
            #[must_use]
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The value.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The address this number of bytes higher, modulo 2^64.
            #[must_use]
            pub const fn wrapping_add(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }

            /// The address this number of bytes higher, at most the last address.
            #[must_use]
            pub const fn saturating_add(self, bytes: u64) -> Self {
                Self(self.0.saturating_add(bytes))
            }

            /// The address this number of bytes lower, at least 0.
            #[must_use]
            pub const fn saturating_sub(self, bytes: u64) -> Self {
                Self(self.0.saturating_sub(bytes))
            }

            /// The address rounded down to a multiple of `alignment`, which must be a power of two.
            #[must_use]
            pub const fn align_down(self, alignment: u64) -> Self {
                Self(self.0 & !(alignment - 1))
            }

            /// Number of bytes from `base` to this address, modulo 2^64.
            #[must_use]
            pub const fn wrapping_sub(self, base: Self) -> u64 {
                self.0.wrapping_sub(base.0)
            }

            /// Number of bytes from `base` to this address; `None` if it is below `base`.
            #[must_use]
            pub const fn checked_sub(self, base: Self) -> Option<u64> {
                self.0.checked_sub(base.0)
            }
        }

        /// The address this number of bytes higher.
        impl Add<u64> for $address {
            type Output = Self;

            fn add(self, bytes: u64) -> Self {
                Self(self.0 + bytes)
            }
        }

        /// Number of bytes from the right address to the left one, which must not be lower.
        impl Sub for $address {
            type Output = u64;

            fn sub(self, base: Self) -> u64 {
                self.0 - base.0
            }
        }

        /// Formats it in hexadecimal with the prefix `0x`.
        impl fmt::Display for $address {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        /// Formats the number in hexadecimal.
        impl fmt::LowerHex for $address {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    };
}

address!(VirtAddr);
address!(PhysAddr);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_encoded_as_bare_numbers() {
        let bare = (1_u64 << 40, 2_u64, 3_u64, 4_u128 << 90);
        let typed = (
            Icount::new(bare.0),
            VirtAddr::new(bare.1),
            PhysAddr::new(bare.2),
            Digest::new(bare.3),
        );
        let bytes = postcard::to_stdvec(&typed).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&bare).unwrap());
        assert_eq!(postcard::from_bytes(&bytes), Ok(typed));
    }

    #[test]
    fn they_are_shown_as_they_were_as_bare_numbers() {
        assert_eq!(format!("{:>4}", Icount::new(17)), "  17");
        assert_eq!(Digest::new(0xab).to_string(), format!("{:032x}", 0xab));
        assert_eq!(VirtAddr::new(0x8000).to_string(), "0x8000");
        assert_eq!(format!("{:#010x}", PhysAddr::new(0x8000)), "0x00008000");
        assert_eq!(format!("{:6x}", PhysAddr::new(0x8000)), "  8000");
    }

    #[test]
    fn what_saturates_says_so() {
        let (early, late) = (Icount::new(5), Icount::new(8));
        assert_eq!(
            (late - early, late.since(early), early.since(late)),
            (3, 3, 0)
        );
        assert_eq!(Icount::MAX.saturating_add(1), Icount::MAX);
        assert_eq!(early.saturating_sub(6), Icount::ZERO);
        let top = PhysAddr::new(u64::MAX);
        assert_eq!(top.wrapping_add(2), PhysAddr::new(1));
        assert_eq!(top.saturating_add(2), top);
        assert_eq!(PhysAddr::new(1).checked_sub(top), None);
    }
}
