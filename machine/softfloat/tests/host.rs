//! Compares results with the host's FPU for millions of operands, in the host's rounding mode.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

mod common;

use common::{DOUBLE, Rng, SINGLE, repeat};
use softfloat::{Flags, Round};

/// The host's result with canonical NaNs.
fn single(x: f32) -> u32 {
    if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() }
}

fn double(x: f64) -> u64 {
    if x.is_nan() {
        0x7ff8_0000_0000_0000
    } else {
        x.to_bits()
    }
}

macro_rules! against_host {
    ($name:ident, $bits:ty, $float:ident, $canonical:ident, $widths:expr) => {
        #[test]
        fn $name() {
            let check = |a: $bits, b: $bits| {
                let rm = Round::NearestEven;
                let (x, y) = ($float::from_bits(a), $float::from_bits(b));
                // With NX set the fast path is used, without it the software.
                for before in [Flags::NONE, Flags::INEXACT] {
                    let f = &mut before.clone();
                    assert_eq!(
                        softfloat::$float::add(a, b, rm, f),
                        $canonical(x + y),
                        "+ {a:#x} {b:#x} {before:?}"
                    );
                    assert_eq!(
                        softfloat::$float::sub(a, b, rm, f),
                        $canonical(x - y),
                        "- {a:#x} {b:#x} {before:?}"
                    );
                    assert_eq!(
                        softfloat::$float::mul(a, b, rm, f),
                        $canonical(x * y),
                        "* {a:#x} {b:#x} {before:?}"
                    );
                    assert_eq!(
                        softfloat::$float::div(a, b, rm, f),
                        $canonical(x / y),
                        "/ {a:#x} {b:#x} {before:?}"
                    );
                    assert_eq!(
                        softfloat::$float::sqrt(a, rm, f),
                        $canonical(x.sqrt()),
                        "{a:#x} {b:#x} {before:?}"
                    );
                    assert_eq!(
                        softfloat::$float::eq(a, b, f),
                        x == y,
                        "= {a:#x} {b:#x} {before:?}"
                    );
                    assert_eq!(
                        softfloat::$float::lt(a, b, f),
                        x < y,
                        "< {a:#x} {b:#x} {before:?}"
                    );
                    assert_eq!(
                        softfloat::$float::le(a, b, f),
                        x <= y,
                        "<= {a:#x} {b:#x} {before:?}"
                    );
                }
                // `as` saturates as RISC-V does, but converts a NaN to 0.
                let (f, rtz) = (&mut Flags::NONE.clone(), Round::TowardZero);
                if !x.is_nan() {
                    assert_eq!(softfloat::$float::to_i32(a, rtz, f), x as i32, "{a:#x}");
                    assert_eq!(softfloat::$float::to_u32(a, rtz, f), x as u32, "{a:#x}");
                    assert_eq!(softfloat::$float::to_i64(a, rtz, f), x as i64, "{a:#x}");
                    assert_eq!(softfloat::$float::to_u64(a, rtz, f), x as u64, "{a:#x}");
                }
            };
            let specials = $widths.specials();
            for &a in &specials {
                specials.iter().for_each(|&b| check(a as $bits, b as $bits));
            }
            let mut rng = Rng(0xb0a7);
            for _ in 0..repeat(1_000_000) {
                let a = $widths.operand(&mut rng, 0);
                let b = $widths.operand(&mut rng, a);
                check(a as $bits, b as $bits);
            }
        }
    };
}

against_host!(binary32, u32, f32, single, SINGLE);
against_host!(binary64, u64, f64, double, DOUBLE);

#[test]
fn integers_and_formats() {
    let (mut rng, rm) = (Rng(0x1e61), Round::NearestEven);
    let f = &mut Flags::NONE.clone();
    for _ in 0..repeat(1_000_000) {
        let n = rng.next() >> rng.below(64);
        let n = if rng.below(2) == 0 {
            n
        } else {
            n.wrapping_neg()
        };
        assert_eq!(
            softfloat::f32::from_u64(n, rm, f),
            (n as f32).to_bits(),
            "{n}"
        );
        assert_eq!(
            softfloat::f64::from_u64(n, rm, f),
            (n as f64).to_bits(),
            "{n}"
        );
        assert_eq!(
            softfloat::f32::from_i64(n as i64, rm, f),
            (n as i64 as f32).to_bits(),
            "{n}"
        );
        assert_eq!(
            softfloat::f64::from_i64(n as i64, rm, f),
            (n as i64 as f64).to_bits(),
            "{n}"
        );
        assert_eq!(
            softfloat::f32::from_u32(n as u32, rm, f),
            (n as u32 as f32).to_bits(),
            "{n}"
        );
        assert_eq!(
            softfloat::f64::from_u32(n as u32, rm, f),
            f64::from(n as u32).to_bits(),
            "{n}"
        );
        assert_eq!(
            softfloat::f32::from_i32(n as i32, rm, f),
            (n as i32 as f32).to_bits(),
            "{n}"
        );
        assert_eq!(
            softfloat::f64::from_i32(n as i32, rm, f),
            f64::from(n as i32).to_bits(),
            "{n}"
        );

        let (a, b) = (
            SINGLE.operand(&mut rng, 0) as u32,
            DOUBLE.operand(&mut rng, 0),
        );
        let widened = double(f64::from(f32::from_bits(a)));
        assert_eq!(softfloat::f32::widen(a, f), widened, "{a:#x}");
        let narrowed = single(f64::from_bits(b) as f32);
        assert_eq!(softfloat::f64::narrow(b, rm, f), narrowed, "{b:#x}");
        // Near binary32's thresholds.
        let b = (widened & !0x1fff_ffff) | (rng.next() & 0x3fff_ffff);
        let narrowed = single(f64::from_bits(b) as f32);
        assert_eq!(softfloat::f64::narrow(b, rm, f), narrowed, "{b:#x}");
    }
}
