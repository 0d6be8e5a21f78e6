//! Rounding: the only code that rounds an exact result to a format and raises NX, UF and OF (IEEE
//! 754-2019, 4.3, 7.4 to 7.6).

use crate::format::{Finite, Format, sign_bit};
use crate::{Flags, Round};

/// Shifts `x` right. Bit 0 is sticky: it is set if any bit below it was. As long as bit 0 is below
/// the rounding bit, that tells below, at and above one half apart, and exact from inexact.
#[inline]
pub(crate) fn shift_sticky(x: u64, by: u32) -> u64 {
    match by {
        0 => x,
        1..=63 => x >> by | u64::from(x << (64 - by) != 0),
        _ => u64::from(x != 0),
    }
}

/// Does [`shift_sticky`] on 128 bits.
#[inline]
pub(crate) fn shift_sticky_wide(x: u128, by: u32) -> u128 {
    match by {
        0 => x,
        1..=127 => x >> by | u128::from(x << (128 - by) != 0),
        _ => u128::from(x != 0),
    }
}

/// The upper half of a 128-bit significand, with the lower half as sticky bit 0.
#[inline]
pub(crate) fn fold(x: u128) -> u64 {
    (x >> 64) as u64 | u64::from(x as u64 != 0)
}

/// Whether a magnitude is rounded up. `odd` is the last bit that is kept, `rest` the dropped bits,
/// and `half` one half of the last bit that is kept.
#[inline]
pub(crate) fn rounds_up(rm: Round, sign: bool, odd: bool, rest: u64, half: u64) -> bool {
    match rm {
        Round::NearestEven => rest > half || (rest == half && odd),
        Round::TowardZero => false,
        Round::Down => sign && rest != 0,
        Round::Up => !sign && rest != 0,
        Round::NearestMaxMagnitude => rest >= half,
    }
}

/// Rounds a left-aligned significand to `FRAC_BITS + 1` bits, right-aligned. Returns it and whether
/// it is inexact. It is 2^(FRAC_BITS + 1) if the rounding carries out.
#[inline]
fn round_significand<F: Format>(sig: u64, sign: bool, rm: Round) -> (u64, bool) {
    let drop = 63 - F::FRAC_BITS;
    let half = 1 << (drop - 1);
    let rest = sig & ((half << 1) - 1);
    let kept = sig >> drop;
    (
        kept + u64::from(rounds_up(rm, sign, kept & 1 != 0, rest, half)),
        rest != 0,
    )
}

/// Rounds a number to the format and packs it. Bit 0 of the significand may be sticky.
#[inline]
pub(crate) fn round_pack<F: Format>(x: Finite, rm: Round, flags: &mut Flags) -> u64 {
    let Finite { sign, exp, sig } = x;
    let field = exp + F::BIAS;
    if field <= 0 {
        return round_subnormal::<F>(x, rm, flags);
    }
    let (kept, inexact) = round_significand::<F>(sig, sign, rm);
    // The leading bit of `kept` adds 1 to the exponent field, and so does a carry. No operation's
    // exponent is large enough to leave the 64 bits: in binary64, the field is below 2^12 - 1.
    let magnitude = ((field as u64 - 1) << F::FRAC_BITS) + kept;
    if magnitude >= F::INFINITY {
        return overflow::<F>(sign, rm, flags);
    }
    if inexact {
        flags.insert(Flags::INEXACT);
    }
    sign_bit::<F>(sign) | magnitude
}

/// Does [`round_pack`] for a number below the smallest normal one.
#[cold]
fn round_subnormal<F: Format>(x: Finite, rm: Round, flags: &mut Flags) -> u64 {
    let Finite { sign, exp, sig } = x;
    let field = exp + F::BIAS;
    // Tininess after rounding: the number is tiny if it stays below the smallest normal number when
    // rounded with an unbounded exponent. Only a carry from the binade right below can prevent
    // that.
    let carries = || round_significand::<F>(sig, sign, rm).0 >> (F::FRAC_BITS + 1) != 0;
    let tiny = field < 0 || !carries();
    let (magnitude, inexact) =
        round_significand::<F>(shift_sticky(sig, (1 - field).unsigned_abs()), sign, rm);
    if inexact {
        flags.insert(Flags::INEXACT);
        if tiny {
            flags.insert(Flags::UNDERFLOW);
        }
    }
    sign_bit::<F>(sign) | magnitude
}

/// The result of an overflow (IEEE 754-2019, 7.4): infinity, or the largest finite number if the
/// mode rounds towards it.
#[cold]
fn overflow<F: Format>(sign: bool, rm: Round, flags: &mut Flags) -> u64 {
    flags.insert(Flags::OVERFLOW | Flags::INEXACT);
    let to_infinity = match rm {
        Round::NearestEven | Round::NearestMaxMagnitude => true,
        Round::TowardZero => false,
        Round::Down => sign,
        Round::Up => !sign,
    };
    sign_bit::<F>(sign)
        | if to_infinity {
            F::INFINITY
        } else {
            F::INFINITY - 1
        }
}
