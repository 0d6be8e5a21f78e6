//! Addition, subtraction, multiplication, division, square root and fused multiply-add in exact
//! integer arithmetic (IEEE 754-2019, 5.4.1, 6.1 to 6.3, 7.2, 7.3).

use crate::format::{Finite, Format, Value, sign_bit, unpack};
use crate::round::{fold, round_pack, shift_sticky, shift_sticky_wide};
use crate::{Flags, Round};

/// The result if an operand is a NaN. It is invalid if one is `signalling`.
#[inline]
fn nan<F: Format>(signalling: bool, flags: &mut Flags) -> u64 {
    if signalling {
        flags.insert(Flags::INVALID);
    }
    F::NAN
}

/// The result of an invalid operation.
#[inline]
fn invalid<F: Format>(flags: &mut Flags) -> u64 {
    nan::<F>(true, flags)
}

#[inline]
fn is_signalling(v: Value) -> bool {
    matches!(v, Value::Nan { signalling: true })
}

#[inline]
fn zero<F: Format>(sign: bool) -> u64 {
    sign_bit::<F>(sign)
}

#[inline]
fn infinity<F: Format>(sign: bool) -> u64 {
    sign_bit::<F>(sign) | F::INFINITY
}

/// The sign of the sum of two zeros, and of an exact sum of zero from operands with unlike signs
/// (IEEE 754-2019, 6.3).
#[inline]
fn zero_sum_sign(a: bool, b: bool, rm: Round) -> bool {
    if a == b { a } else { rm == Round::Down }
}

/// a + b.
#[inline]
pub(crate) fn add<F: Format>(a: u64, b: u64, rm: Round, flags: &mut Flags) -> u64 {
    use Value::{Finite, Infinite, Nan, Zero};
    match (unpack::<F>(a), unpack::<F>(b)) {
        (Finite(x), Finite(y)) => add_finite::<F>(x, y, rm, flags),
        (x @ Nan { .. }, y) | (x, y @ Nan { .. }) => {
            nan::<F>(is_signalling(x) || is_signalling(y), flags)
        }
        (Infinite { sign: s }, Infinite { sign: t }) if s != t => invalid::<F>(flags),
        (Infinite { sign }, _) | (_, Infinite { sign }) => infinity::<F>(sign),
        (Zero { sign: s }, Zero { sign: t }) => zero::<F>(zero_sum_sign(s, t, rm)),
        (Zero { .. }, Finite(_)) => b,
        (Finite(_), Zero { .. }) => a,
    }
}

/// a - b. A NaN in b keeps its meaning whatever its sign.
#[inline]
pub(crate) fn sub<F: Format>(a: u64, b: u64, rm: Round, flags: &mut Flags) -> u64 {
    add::<F>(a, b ^ F::SIGN, rm, flags)
}

#[inline]
fn add_finite<F: Format>(x: Finite, y: Finite, rm: Round, flags: &mut Flags) -> u64 {
    // `big` is the larger in magnitude.
    let (big, small) = if (x.exp, x.sig) >= (y.exp, y.sig) {
        (x, y)
    } else {
        (y, x)
    };
    // One bit of room for the carry; the low bits are zero, so nothing is lost. If `small` loses
    // bits below, it is shifted by more than 10 and the difference cancels at most one bit: the
    // sticky bit stays below the rounding bit.
    let high = big.sig >> 1;
    let low = shift_sticky(small.sig >> 1, big.exp.abs_diff(small.exp));
    let sig = if big.sign == small.sign {
        high + low
    } else {
        high - low
    };
    if sig == 0 {
        return zero::<F>(zero_sum_sign(big.sign, small.sign, rm));
    }
    let zeros = sig.leading_zeros();
    let exp = big.exp + 1 - zeros as i32;
    round_pack::<F>(
        Finite {
            sign: big.sign,
            exp,
            sig: sig << zeros,
        },
        rm,
        flags,
    )
}

/// a x b.
#[inline]
pub(crate) fn mul<F: Format>(a: u64, b: u64, rm: Round, flags: &mut Flags) -> u64 {
    use Value::{Finite, Infinite, Nan, Zero};
    let sign = (a ^ b) & F::SIGN != 0;
    match (unpack::<F>(a), unpack::<F>(b)) {
        (Finite(x), Finite(y)) => {
            let (exp, sig) = multiply(x, y);
            round_pack::<F>(
                crate::format::Finite {
                    sign,
                    exp,
                    sig: fold(sig),
                },
                rm,
                flags,
            )
        }
        (x @ Nan { .. }, y) | (x, y @ Nan { .. }) => {
            nan::<F>(is_signalling(x) || is_signalling(y), flags)
        }
        (Infinite { .. }, Zero { .. }) | (Zero { .. }, Infinite { .. }) => invalid::<F>(flags),
        (Infinite { .. }, _) | (_, Infinite { .. }) => infinity::<F>(sign),
        (Zero { .. }, _) | (_, Zero { .. }) => zero::<F>(sign),
    }
}

/// The exact product: its exponent, and its significand left-aligned in 128 bits, of which at least
/// the low 21 are zero.
#[inline]
fn multiply(x: Finite, y: Finite) -> (i32, u128) {
    let product = u128::from(x.sig) * u128::from(y.sig);
    let zeros = product.leading_zeros(); // 0 or 1
    (x.exp + y.exp + 1 - zeros as i32, product << zeros)
}

/// a / b.
#[inline]
pub(crate) fn div<F: Format>(a: u64, b: u64, rm: Round, flags: &mut Flags) -> u64 {
    use Value::{Finite, Infinite, Nan, Zero};
    let sign = (a ^ b) & F::SIGN != 0;
    match (unpack::<F>(a), unpack::<F>(b)) {
        (Finite(x), Finite(y)) => round_pack::<F>(divide::<F>(x, y), rm, flags),
        (x @ Nan { .. }, y) | (x, y @ Nan { .. }) => {
            nan::<F>(is_signalling(x) || is_signalling(y), flags)
        }
        (Infinite { .. }, Infinite { .. }) | (Zero { .. }, Zero { .. }) => invalid::<F>(flags),
        (Infinite { .. }, _) => infinity::<F>(sign),
        (_, Infinite { .. }) | (Zero { .. }, _) => zero::<F>(sign),
        (Finite(_), Zero { .. }) => {
            flags.insert(Flags::DIVIDE_BY_ZERO);
            infinity::<F>(sign)
        }
    }
}

#[inline]
fn divide<F: Format>(x: Finite, y: Finite) -> Finite {
    let sign = x.sign != y.sign;
    // The quotient lies in (1/2, 2); `borrow` brings it to [1, 2).
    let borrow = i32::from(x.sig < y.sig);
    let exp = x.exp - y.exp - borrow;
    let sig = if !F::WIDE {
        // A divisor of FRAC_BITS + 1 bits gives 63 - FRAC_BITS bits of quotient or more from a
        // 64-bit division: the result's, and at least two below them.
        let divisor = y.sig >> (63 - F::FRAC_BITS);
        let quotient = x.sig / divisor;
        let sticky = u64::from(quotient * divisor != x.sig);
        quotient << quotient.leading_zeros() | sticky
    } else {
        let dividend = u128::from(x.sig) << (63 + borrow);
        let divisor = u128::from(y.sig);
        let quotient = dividend / divisor; // 64 bits, the top one set
        quotient as u64 | u64::from(quotient * divisor != dividend)
    };
    Finite { sign, exp, sig }
}

/// The square root of a.
#[inline]
pub(crate) fn sqrt<F: Format>(a: u64, rm: Round, flags: &mut Flags) -> u64 {
    match unpack::<F>(a) {
        Value::Finite(x) if !x.sign => round_pack::<F>(square_root::<F>(x), rm, flags),
        Value::Nan { signalling } => nan::<F>(signalling, flags),
        Value::Zero { .. } | Value::Infinite { sign: false } => a,
        Value::Finite(_) | Value::Infinite { .. } => invalid::<F>(flags),
    }
}

#[inline]
fn square_root<F: Format>(x: Finite) -> Finite {
    // With an odd exponent the radicand is taken twice, so that the exponent halves exactly.
    let odd = x.exp & 1;
    let exp = (x.exp - odd) / 2;
    let sig = if !F::WIDE {
        let radicand = x.sig >> (1 - odd);
        let root = radicand.isqrt(); // 32 bits, the top one set
        root << 32 | u64::from(root * root != radicand)
    } else {
        let radicand = u128::from(x.sig) << (63 + odd);
        let root = radicand.isqrt(); // 64 bits, the top one set
        root as u64 | u64::from(root * root != radicand)
    };
    Finite {
        sign: false,
        exp,
        sig,
    }
}

/// a x b + c with one rounding. Infinity x 0 is invalid even if c is a quiet NaN (RISC-V
/// unprivileged ISA, "F" extension, on the fused multiply-add instructions).
#[inline]
pub(crate) fn fma<F: Format>(a: u64, b: u64, c: u64, rm: Round, flags: &mut Flags) -> u64 {
    let sign = (a ^ b) & F::SIGN != 0;
    match (unpack::<F>(a), unpack::<F>(b), unpack::<F>(c)) {
        (Value::Finite(x), Value::Finite(y), Value::Finite(z)) => {
            let (exp, sig) = multiply(x, y);
            add_product::<F>(sign, exp, sig, z, rm, flags)
        }
        // The product alone decides: the sum with zero is exact.
        (Value::Finite(_), Value::Finite(_), Value::Zero { .. }) => mul::<F>(a, b, rm, flags),
        (x, y, z) => fma_special::<F>(x, y, z, c, sign, rm, flags),
    }
}

/// [`fma`] where an operand is a NaN or an infinity, or the product is zero.
#[cold]
fn fma_special<F: Format>(
    x: Value,
    y: Value,
    z: Value,
    c: u64,
    sign: bool,
    rm: Round,
    flags: &mut Flags,
) -> u64 {
    use Value::{Infinite, Nan, Zero};
    match (x, y, z) {
        (Infinite { .. }, Zero { .. }, _) | (Zero { .. }, Infinite { .. }, _) => {
            invalid::<F>(flags)
        }
        (Nan { .. }, _, _) | (_, Nan { .. }, _) | (_, _, Nan { .. }) => nan::<F>(
            is_signalling(x) || is_signalling(y) || is_signalling(z),
            flags,
        ),
        (Infinite { .. }, _, Infinite { sign: t }) | (_, Infinite { .. }, Infinite { sign: t })
            if t != sign =>
        {
            invalid::<F>(flags)
        }
        (Infinite { .. }, _, _) | (_, Infinite { .. }, _) => infinity::<F>(sign),
        // From here on the product is finite, and zero unless c is infinite.
        (_, _, Zero { sign: t }) => zero::<F>(zero_sum_sign(sign, t, rm)),
        _ => c,
    }
}

/// The sum of an exact product and a finite addend.
#[inline]
fn add_product<F: Format>(
    sign: bool,
    exp: i32,
    product: u128,
    z: Finite,
    rm: Round,
    flags: &mut Flags,
) -> u64 {
    let addend = u128::from(z.sig) << 64;
    let product_is_big = (exp, product) >= (z.exp, addend);
    let (big_sign, big_exp, big, small) = if product_is_big {
        (sign, exp, product, addend)
    } else {
        (z.sign, z.exp, addend, product)
    };
    // As in `add_finite`: one bit of room, and at least 20 zero bits at the end of both.
    let high = big >> 1;
    let low = shift_sticky_wide(small >> 1, exp.abs_diff(z.exp));
    let sig = if sign == z.sign {
        high + low
    } else {
        high - low
    };
    if sig == 0 {
        return zero::<F>(zero_sum_sign(sign, z.sign, rm));
    }
    let zeros = sig.leading_zeros();
    let exp = big_exp + 1 - zeros as i32;
    round_pack::<F>(
        Finite {
            sign: big_sign,
            exp,
            sig: fold(sig << zeros),
        },
        rm,
        flags,
    )
}
