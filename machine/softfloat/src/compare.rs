//! Comparison, minimum and maximum, classification and sign injection (IEEE 754-2019, 5.6, 5.7,
//! 5.11, 9.6; RISC-V unprivileged ISA, "F" extension).

use core::cmp::Ordering;

use crate::Flags;
use crate::format::{Format, is_nan, is_signalling};

/// The order of two numbers, with -0 below +0.
#[inline]
fn total_order<F: Format>(a: u64, b: u64) -> Ordering {
    // Sign and magnitude to two's complement, -0 to -1.
    let key = |x: u64| {
        let magnitude = (x & !F::SIGN) as i64;
        if x & F::SIGN != 0 {
            !magnitude
        } else {
            magnitude
        }
    };
    key(a).cmp(&key(b))
}

/// The order of two operands with -0 equal to +0; `None` if either is a NaN.
#[inline]
fn order<F: Format>(a: u64, b: u64) -> Option<Ordering> {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return None;
    }
    if (a | b) & !F::SIGN == 0 {
        return Some(Ordering::Equal);
    }
    Some(total_order::<F>(a, b))
}

#[inline]
fn raise_for_signalling<F: Format>(a: u64, b: u64, flags: &mut Flags) {
    if is_signalling::<F>(a) || is_signalling::<F>(b) {
        flags.insert(Flags::INVALID);
    }
}

/// a = b. Quiet: only a signalling NaN is invalid.
#[inline]
pub(crate) fn eq<F: Format>(a: u64, b: u64, flags: &mut Flags) -> bool {
    raise_for_signalling::<F>(a, b, flags);
    order::<F>(a, b) == Some(Ordering::Equal)
}

/// a < b. Signalling: any NaN is invalid.
#[inline]
pub(crate) fn lt<F: Format>(a: u64, b: u64, flags: &mut Flags) -> bool {
    match order::<F>(a, b) {
        Some(order) => order.is_lt(),
        None => {
            flags.insert(Flags::INVALID);
            false
        }
    }
}

/// a <= b. Signalling: any NaN is invalid.
#[inline]
pub(crate) fn le<F: Format>(a: u64, b: u64, flags: &mut Flags) -> bool {
    match order::<F>(a, b) {
        Some(order) => order.is_le(),
        None => {
            flags.insert(Flags::INVALID);
            false
        }
    }
}

/// The operand that comes first in `wanted` order; the other one if one is a NaN, the canonical NaN
/// if both are.
#[inline]
fn choose<F: Format>(a: u64, b: u64, wanted: Ordering, flags: &mut Flags) -> u64 {
    raise_for_signalling::<F>(a, b, flags);
    match (is_nan::<F>(a), is_nan::<F>(b)) {
        (false, false) if total_order::<F>(a, b) == wanted => a,
        (false, false) | (true, false) => b,
        (false, true) => a,
        (true, true) => F::NAN,
    }
}

/// minimumNumber.
#[inline]
pub(crate) fn min<F: Format>(a: u64, b: u64, flags: &mut Flags) -> u64 {
    choose::<F>(a, b, Ordering::Less, flags)
}

/// maximumNumber.
#[inline]
pub(crate) fn max<F: Format>(a: u64, b: u64, flags: &mut Flags) -> u64 {
    choose::<F>(a, b, Ordering::Greater, flags)
}

/// The mask of the `fclass` instructions: one of ten bits.
#[inline]
pub(crate) fn classify<F: Format>(a: u64) -> u16 {
    let negative = a & F::SIGN != 0;
    let magnitude = a & !F::SIGN;
    let bit = if magnitude > F::INFINITY {
        if magnitude & F::QUIET == 0 { 8 } else { 9 }
    } else {
        // From the middle outwards: zero, subnormal, normal, infinite.
        let step = match magnitude {
            0 => 0,
            m if m <= F::FRAC_MASK => 1,
            m if m < F::INFINITY => 2,
            _ => 3,
        };
        if negative { 3 - step } else { 4 + step }
    };
    1 << bit
}

/// a with the sign of b.
#[inline]
pub(crate) fn sgnj<F: Format>(a: u64, b: u64) -> u64 {
    (a & !F::SIGN) | (b & F::SIGN)
}

/// a with the opposite of the sign of b.
#[inline]
pub(crate) fn sgnjn<F: Format>(a: u64, b: u64) -> u64 {
    (a & !F::SIGN) | (!b & F::SIGN)
}

/// a with its sign multiplied by that of b.
#[inline]
pub(crate) fn sgnjx<F: Format>(a: u64, b: u64) -> u64 {
    a ^ (b & F::SIGN)
}
