//! Conversions to and from integers and between formats (IEEE 754-2019, 5.4.1, 5.4.2, 5.8; RISC-V
//! unprivileged ISA, "F" extension, table "Domains of float-to-integer conversions").

use crate::format::{Finite, Format, Value, sign_bit, unpack};
use crate::round::{round_pack, rounds_up, shift_sticky};
use crate::{Flags, Round};

/// Rounds to an integer in `min..=max` (with `min <= 0`). Out of range the result saturates, and a
/// NaN gives `max`. Both raise NV and no other flag.
#[inline]
pub(crate) fn to_int<F: Format>(
    a: u64,
    rm: Round,
    min: i128,
    max: i128,
    flags: &mut Flags,
) -> i128 {
    let x = match unpack::<F>(a) {
        Value::Zero { .. } => return 0,
        Value::Finite(x) if x.exp < 64 => x,
        Value::Finite(Finite { sign, .. }) | Value::Infinite { sign } => {
            flags.insert(Flags::INVALID);
            return if sign { min } else { max };
        }
        Value::Nan { .. } => {
            flags.insert(Flags::INVALID);
            return max;
        }
    };
    // Integer part, and the fraction left-aligned so that one half is 2^63.
    let (whole, fraction) = match x.exp {
        63 => (x.sig, 0),
        0..=62 => (x.sig >> (63 - x.exp), x.sig << (x.exp + 1)),
        _ => (0, shift_sticky(x.sig, (x.exp + 1).unsigned_abs())),
    };
    let up = rounds_up(rm, x.sign, whole & 1 != 0, fraction, 1 << 63);
    let magnitude = i128::from(whole) + i128::from(up);
    let rounded = if x.sign { -magnitude } else { magnitude };
    if rounded < min || rounded > max {
        flags.insert(Flags::INVALID);
        return rounded.clamp(min, max);
    }
    if fraction != 0 {
        flags.insert(Flags::INEXACT);
    }
    rounded
}

/// The number (-1)^sign x magnitude; zero is +0.
#[inline]
pub(crate) fn from_int<F: Format>(sign: bool, magnitude: u64, rm: Round, flags: &mut Flags) -> u64 {
    if magnitude == 0 {
        return 0;
    }
    let zeros = magnitude.leading_zeros();
    let x = Finite {
        sign,
        exp: 63 - zeros as i32,
        sig: magnitude << zeros,
    };
    round_pack::<F>(x, rm, flags)
}

/// The same number in another format. NaNs become canonical.
#[inline]
pub(crate) fn to_format<F: Format, G: Format>(a: u64, rm: Round, flags: &mut Flags) -> u64 {
    match unpack::<F>(a) {
        Value::Finite(x) => round_pack::<G>(x, rm, flags),
        Value::Zero { sign } => sign_bit::<G>(sign),
        Value::Infinite { sign } => sign_bit::<G>(sign) | G::INFINITY,
        Value::Nan { signalling } => {
            if signalling {
                flags.insert(Flags::INVALID);
            }
            G::NAN
        }
    }
}
