//! Compares bits and flags of binary32 and binary64, in every mode, with big-integer arithmetic.
//!
//! The reference rounds by definition. The bit patterns of non-negative numbers are in the order of
//! their values. So bisection finds the two neighbours of an exact result, which is then compared
//! with them and with their midpoint.

mod common;

use std::cmp::Ordering;

use common::{DOUBLE, Rng, SINGLE, Widths, repeat};
use num_bigint::{BigInt, BigUint, Sign};
use softfloat::{Flags, Round};

/// A positive exact number in units of a format's smallest subnormal.
enum Exact {
    Ratio(BigUint, BigUint),
    Root(BigUint, BigUint),
}

impl Exact {
    /// Compares 2 x self with c.
    fn cmp_half(&self, c: &BigUint) -> Ordering {
        match self {
            Exact::Ratio(n, d) => (n * 2u32).cmp(&(c * d)),
            Exact::Root(n, d) => (n * 4u32).cmp(&(c * c * d)),
        }
    }

    fn doubled(&self) -> Exact {
        match self {
            Exact::Ratio(n, d) => Exact::Ratio(n * 2u32, d.clone()),
            Exact::Root(n, d) => Exact::Root(n * 4u32, d.clone()),
        }
    }
}

/// The binary logarithm of the number of units in 1.
fn scale(w: Widths) -> u32 {
    (1 << (w.exp - 1)) - 2 + w.frac
}

/// The units of a non-negative number with these bits. For infinity they are 2^(emax + 1).
fn units(w: Widths, bits: u64) -> BigUint {
    let (field, frac) = (bits >> w.frac, bits & ((1 << w.frac) - 1));
    match field {
        0 => BigUint::from(frac),
        _ => BigUint::from(frac | 1 << w.frac) << (field - 1),
    }
}

fn signed(w: Widths, bits: u64) -> BigInt {
    let sign = if bits & w.sign() != 0 {
        Sign::Minus
    } else {
        Sign::Plus
    };
    BigInt::from_biguint(sign, units(w, bits & !w.sign()))
}

/// The bits of the number to which `x` is rounded (infinity for 2^(emax + 1) and above), and
/// whether it equals `x`. `hint` only shortens the search.
fn nearest(w: Widths, negative: bool, x: &Exact, rm: Round, hint: u64) -> (u64, bool) {
    let at_most = |bits: u64| x.cmp_half(&(units(w, bits) * 2u32)).is_ge();
    let (mut low, mut high) = (0, w.infinity());
    for near in [hint.saturating_sub(1), hint, hint + 1] {
        match near {
            n if n >= w.infinity() => {}
            n if at_most(n) => low = low.max(n),
            n => high = high.min(n),
        }
    }
    if at_most(w.infinity()) {
        return (w.infinity(), false);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if at_most(middle) {
            low = middle
        } else {
            high = middle
        }
    }
    if x.cmp_half(&(units(w, low) * 2u32)).is_eq() {
        return (low, true);
    }
    let even = if low % 2 == 0 { low } else { high };
    let rounded = match (rm, x.cmp_half(&(units(w, low) + units(w, high)))) {
        (Round::TowardZero, _) => low,
        (Round::Down, _) => {
            if negative {
                high
            } else {
                low
            }
        }
        (Round::Up, _) => {
            if negative {
                low
            } else {
                high
            }
        }
        (_, Ordering::Less) => low,
        (_, Ordering::Greater) => high,
        (Round::NearestEven, Ordering::Equal) => even,
        (Round::NearestMaxMagnitude, Ordering::Equal) => high,
    };
    (rounded, false)
}

/// Bits and flags of an exact result.
fn round(w: Widths, negative: bool, x: &Exact, rm: Round, hint: u64) -> (u64, Flags) {
    let sign = if negative { w.sign() } else { 0 };
    let (rounded, exact) = nearest(w, negative, x, rm, hint & !w.sign());
    if rounded == w.infinity() {
        let away = match rm {
            Round::NearestEven | Round::NearestMaxMagnitude => true,
            Round::TowardZero => false,
            Round::Down => negative,
            Round::Up => !negative,
        };
        let flags = Flags::OVERFLOW | Flags::INEXACT;
        return (sign | if away { rounded } else { rounded - 1 }, flags);
    }
    if exact {
        return (sign | rounded, Flags::NONE);
    }
    let smallest_normal = 1 << w.frac;
    let mut flags = Flags::INEXACT;
    // Tiny after rounding with an unbounded exponent. Twice a number in the binade below the normal
    // numbers has full precision, so it is rounded as the number would be.
    if x.cmp_half(&(units(w, smallest_normal) * 2u32)).is_lt() {
        let (doubled, _) = nearest(w, negative, &x.doubled(), rm, 2 * rounded);
        if doubled < 2 * smallest_normal {
            flags |= Flags::UNDERFLOW;
        }
    }
    (sign | rounded, flags)
}

/// A signed result n / d. A zero has the sign `zero`.
fn ratio(w: Widths, n: BigInt, d: BigUint, zero: bool, rm: Round, hint: u64) -> (u64, Flags) {
    match n.sign() {
        Sign::NoSign => (if zero { w.sign() } else { 0 }, Flags::NONE),
        sign => round(
            w,
            sign == Sign::Minus,
            &Exact::Ratio(n.into_parts().1, d),
            rm,
            hint,
        ),
    }
}

macro_rules! against_exact {
    ($name:ident, $bits:ty, $float:ident, $widths:expr) => {
        #[test]
        fn $name() {
            let w: Widths = $widths;
            let mut rng = Rng(0xe8ac7);
            let one = || BigUint::from(1u32);
            let negative = |x: u64| x & w.sign() != 0;
            let zero_sum = |s: bool, t: bool, rm| if s == t { s } else { rm == Round::Down };
            for _ in 0..repeat(15_000) {
                let a = w.operand(&mut rng, 0);
                let b = w.operand(&mut rng, a);
                // Only finite numbers: `known` tests the others, and toy formats test them
                // exhaustively.
                if [a, b].iter().any(|x| x & w.infinity() == w.infinity()) {
                    continue;
                }
                let (x, y) = (signed(w, a), signed(w, b));
                let one_ulp_of_product = one() << scale(w);
                for rm in Round::ALL {
                    let run = |op: &dyn Fn(&mut Flags) -> $bits| {
                        let mut flags = Flags::NONE;
                        (u64::from(op(&mut flags)), flags)
                    };
                    let what = format!("{a:#x} {b:#x} {rm:?}");
                    let (p, q) = (a as $bits, b as $bits);

                    let got = run(&|f| softfloat::$float::add(p, q, rm, f));
                    let zero = zero_sum(negative(a), negative(b), rm);
                    let want = ratio(w, &x + &y, one(), zero, rm, got.0);
                    assert_eq!(got, want, "+ {what}");

                    let got = run(&|f| softfloat::$float::sub(p, q, rm, f));
                    let zero = zero_sum(negative(a), !negative(b), rm);
                    let want = ratio(w, &x - &y, one(), zero, rm, got.0);
                    assert_eq!(got, want, "- {what}");

                    let got = run(&|f| softfloat::$float::mul(p, q, rm, f));
                    let product = &x * &y;
                    let sign = negative(a ^ b);
                    let unit = one_ulp_of_product.clone();
                    let want = ratio(w, product.clone(), unit.clone(), sign, rm, got.0);
                    assert_eq!(got, want, "* {what}");

                    if y != BigInt::ZERO {
                        let got = run(&|f| softfloat::$float::div(p, q, rm, f));
                        let scaled: BigUint = x.magnitude() << scale(w);
                        let sign_of = if sign { Sign::Minus } else { Sign::Plus };
                        let scaled = BigInt::from_biguint(sign_of, scaled);
                        let want = ratio(w, scaled, y.magnitude().clone(), sign, rm, got.0);
                        assert_eq!(got, want, "/ {what}");
                    }

                    if x.sign() == Sign::Plus {
                        let got = run(&|f| softfloat::$float::sqrt(p, rm, f));
                        let square = Exact::Root(x.magnitude() << scale(w), one());
                        assert_eq!(got, round(w, false, &square, rm, got.0), "sqrt {what}");
                    }

                    // An addend near the product, so that they cancel or barely overlap; or an
                    // arbitrary one.
                    let near = softfloat::$float::mul(p, q, rm, &mut Flags::NONE.clone());
                    let near = u64::from(near);
                    let c = match rng.below(4) {
                        0 => near ^ w.sign(),
                        1 => (near ^ w.sign()).wrapping_add_signed(rng.below(9) as i64 - 4),
                        2 => w.operand(&mut rng, near),
                        _ => w.operand(&mut rng, a),
                    } & (w.sign() | (w.sign() - 1));
                    if c & w.infinity() != w.infinity() {
                        let got = run(&|f| softfloat::$float::fma(p, q, c as $bits, rm, f));
                        let sum = product + (signed(w, c) << scale(w));
                        let zero = zero_sum(sign, negative(c), rm);
                        let want = ratio(w, sum, unit, zero, rm, got.0);
                        assert_eq!(got, want, "fma {what} {c:#x}");
                    }
                }
            }
        }
    };
}

against_exact!(binary32, u32, f32, SINGLE);
against_exact!(binary64, u64, f64, DOUBLE);

/// Conversions from binary64 to binary32 and from integers to both, in every mode.
#[test]
fn conversions() {
    let mut rng = Rng(0xc0417);
    for _ in 0..repeat(40_000) {
        let n = rng.next() >> rng.below(64);
        // binary64 numbers in and around the range of binary32, often next to a binary32 number.
        let near =
            softfloat::f32::widen(SINGLE.operand(&mut rng, 0) as u32, &mut Flags::NONE.clone());
        let a = match rng.below(3) {
            0 => DOUBLE.operand(&mut rng, 0),
            1 => near.wrapping_add_signed(rng.below(5) as i64 - 2),
            _ => near ^ (rng.below(8) << 27),
        };
        for rm in Round::ALL {
            if a & DOUBLE.infinity() != DOUBLE.infinity() {
                let mut flags = Flags::NONE;
                let got = u64::from(softfloat::f64::narrow(a, rm, &mut flags));
                let exact = signed(DOUBLE, a) << scale(SINGLE);
                let unit = BigUint::from(1u32) << scale(DOUBLE);
                let want = ratio(SINGLE, exact, unit, a & DOUBLE.sign() != 0, rm, got);
                assert_eq!((got, flags), want, "{a:#x} {rm:?}");
            }
            let exact = |n: BigInt, w: Widths, hint| {
                ratio(w, n << scale(w), BigUint::from(1u32), false, rm, hint)
            };
            let mut flags = Flags::NONE;
            let got = u64::from(softfloat::f32::from_i64(n as i64, rm, &mut flags));
            assert_eq!(
                (got, flags),
                exact((n as i64).into(), SINGLE, got),
                "{n} {rm:?}"
            );
            let mut flags = Flags::NONE;
            let got = softfloat::f64::from_i64(n as i64, rm, &mut flags);
            assert_eq!(
                (got, flags),
                exact((n as i64).into(), DOUBLE, got),
                "{n} {rm:?}"
            );
            let mut flags = Flags::NONE;
            let got = softfloat::f64::from_u64(n, rm, &mut flags);
            assert_eq!((got, flags), exact(n.into(), DOUBLE, got), "{n} {rm:?}");
            let mut flags = Flags::NONE;
            let got = u64::from(softfloat::f32::from_i32(n as i32, rm, &mut flags));
            assert_eq!(
                (got, flags),
                exact((n as i32).into(), SINGLE, got),
                "{n} {rm:?}"
            );
        }
    }
}
