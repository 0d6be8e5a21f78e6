//! Compares the fast path with the software: same bits and same flags for every operation that has
//! a fast path. The test fails if the fast path is never taken.

use super::{Rng, long};
use crate::format::{Binary32, Binary64};
use crate::{Flags, Round, arith, fast};

/// Operands near the limits of the fast path: boundary exponents, exponents close to another
/// operand's, few bits, and arbitrary bits.
fn operand(rng: &mut Rng, exp_bits: u32, frac_bits: u32, other: u64) -> u64 {
    let max_field = (1 << exp_bits) - 1;
    let frac_mask = (1 << frac_bits) - 1;
    let field = match rng.below(6) {
        0 => rng.below(4),
        1 => max_field - rng.below(4),
        2 => (other >> frac_bits & max_field).saturating_add_signed(rng.below(7) as i64 - 3),
        3 => max_field / 2 + rng.below(64) - 32,
        4 => max_field / 4 * rng.below(4) + rng.below(4),
        _ => rng.next(),
    };
    let frac = match rng.below(4) {
        0 => 0,
        1 => rng.next() << (frac_bits - rng.below(u64::from(frac_bits)) as u32),
        2 => (1 << rng.below(u64::from(frac_bits))) - 1,
        _ => rng.next(),
    };
    (rng.below(2) << exp_bits | (field & max_field)) << frac_bits | (frac & frac_mask)
}

macro_rules! both_ways {
    (
        $name:ident, $bits:ty, $exp_bits:literal, $frac_bits:literal,
        $format:ty, $fast:ident, $public:path
    ) => {
        #[test]
        fn $name() {
            use $public as public;
            let mut rng = Rng(0xfa57 + $exp_bits);
            let (mut taken, mut count) = ([0u32; 6], 0);
            let rounds = if long() { 200_000_000 } else { 1_500_000 };
            for _ in 0..rounds {
                let a = operand(&mut rng, $exp_bits, $frac_bits, 0) as $bits;
                let b = operand(&mut rng, $exp_bits, $frac_bits, a.into()) as $bits;
                let c = operand(&mut rng, $exp_bits, $frac_bits, b.into()) as $bits;
                let before = Flags::from_bits(rng.next() as u8);
                // In half of the cases the fast path may be used.
                let (rm, before) = if rng.below(2) == 0 {
                    (Round::NearestEven, before | Flags::INEXACT)
                } else {
                    (Round::ALL[rng.below(5) as usize], before)
                };
                let (x, y, z) = (u64::from(a), u64::from(b), u64::from(c));
                let mut check = |op: usize,
                                 fast: Option<$bits>,
                                 public: &dyn Fn(&mut Flags) -> $bits,
                                 slow: &dyn Fn(&mut Flags) -> u64| {
                    let (mut f, mut g) = (before, before);
                    let (got, want) = (public(&mut f), slow(&mut g) as $bits);
                    assert_eq!(
                        (got, f),
                        (want, g),
                        "op {op}: {a:#x} {b:#x} {c:#x} {rm:?} {before:?}"
                    );
                    if let Some(bits) = fast {
                        assert_eq!(
                            (bits, before),
                            (want, g),
                            "host, op {op}: {a:#x} {b:#x} {c:#x}"
                        );
                        taken[op] += 1;
                    }
                };
                check(
                    0,
                    fast::$fast::add(a, b, rm, before),
                    &|f| public::add(a, b, rm, f),
                    &|f| arith::add::<$format>(x, y, rm, f),
                );
                check(
                    1,
                    fast::$fast::sub(a, b, rm, before),
                    &|f| public::sub(a, b, rm, f),
                    &|f| arith::sub::<$format>(x, y, rm, f),
                );
                check(
                    2,
                    fast::$fast::mul(a, b, rm, before),
                    &|f| public::mul(a, b, rm, f),
                    &|f| arith::mul::<$format>(x, y, rm, f),
                );
                check(
                    3,
                    fast::$fast::div(a, b, rm, before),
                    &|f| public::div(a, b, rm, f),
                    &|f| arith::div::<$format>(x, y, rm, f),
                );
                check(
                    4,
                    fast::$fast::sqrt(a, rm, before),
                    &|f| public::sqrt(a, rm, f),
                    &|f| arith::sqrt::<$format>(x, rm, f),
                );
                check(
                    5,
                    fast::$fast::fma(a, b, c, rm, before),
                    &|f| public::fma(a, b, c, rm, f),
                    &|f| arith::fma::<$format>(x, y, z, rm, f),
                );
                count += 1;
            }
            let expected = if fast::HOST_FMA { 6 } else { 5 };
            if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
                let mut taken = taken.iter().take(expected);
                assert!(taken.all(|&n| n > count / 10), "{taken:?} of {count}");
            }
        }
    };
}

both_ways!(binary32, u32, 8, 23, Binary32, binary32, crate::f32);
both_ways!(binary64, u64, 11, 52, Binary64, binary64, crate::f64);

macro_rules! tiny_results_that_round_to_normal {
    ($name:ident, $float:ident, $frac_bits:literal) => {
        /// Results just below the smallest normal number, by half a unit. The host's bits are
        /// correct, but the result is tiny (after rounding), so the fast path must not be used.
        /// Random operands rarely give such results.
        #[test]
        fn $name() {
            let smallest = $float::MIN_POSITIVE;
            let want = (smallest.to_bits(), Flags::INEXACT | Flags::UNDERFLOW);
            for k in 0..=$frac_bits {
                // The factors, and dividend and divisor, are exact for these k.
                let a = (1.0 - $float::EPSILON / 2.0) * $float::powi(2.0, k);
                let b = smallest / $float::powi(2.0, k);
                let (mut f, mut g) = (Flags::INEXACT, Flags::INEXACT);
                let (x, y) = (a.to_bits(), b.to_bits());
                assert_eq!(
                    (crate::$float::mul(x, y, Round::NearestEven, &mut f), f),
                    want
                );
                let (x, y) = (
                    (a * (smallest * 4.0)).to_bits(),
                    (4.0 * $float::powi(2.0, k)).to_bits(),
                );
                assert_eq!(
                    (crate::$float::div(x, y, Round::NearestEven, &mut g), g),
                    want
                );
            }
        }
    };
}

tiny_results_that_round_to_normal!(tiny_binary32, f32, 23);
tiny_results_that_round_to_normal!(tiny_binary64, f64, 52);
