//! Known results: the tables of the RISC-V unprivileged specification ("F" and "D" extensions) and
//! the special cases of IEEE 754-2019, clauses 6 and 7.

use softfloat::{Flags, Round};

const NONE: Flags = Flags::NONE;
const NX: Flags = Flags::INEXACT;
const NV: Flags = Flags::INVALID;
const DZ: Flags = Flags::DIVIDE_BY_ZERO;
const RNE: Round = Round::NearestEven;
const RTZ: Round = Round::TowardZero;
const RDN: Round = Round::Down;
const RUP: Round = Round::Up;
const RMM: Round = Round::NearestMaxMagnitude;

const NAN32: u32 = 0x7fc0_0000;
const NAN64: u64 = 0x7ff8_0000_0000_0000;
const SNAN32: u32 = 0x7f80_0001;
const SNAN64: u64 = 0x7ff0_0000_0000_0001;
/// A quiet NaN with a sign and a payload. Only sign injection may return it.
const PAYLOAD32: u32 = 0xffc1_2345;
const PAYLOAD64: u64 = 0xfff8_1234_5678_9abc;
const SIGN32: u32 = 1 << 31;
const SIGN64: u64 = 1 << 63;

fn run<T>(op: impl FnOnce(&mut Flags) -> T) -> (T, Flags) {
    let mut flags = NONE;
    (op(&mut flags), flags)
}

fn s(x: f32) -> u32 {
    x.to_bits()
}

fn d(x: f64) -> u64 {
    x.to_bits()
}

/// "Accrued exception flag encoding" and "Rounding mode encoding".
#[test]
fn encodings() {
    let flags = [
        Flags::INEXACT,
        Flags::UNDERFLOW,
        Flags::OVERFLOW,
        Flags::DIVIDE_BY_ZERO,
        Flags::INVALID,
    ];
    assert_eq!(flags.map(Flags::bits), [1, 2, 4, 8, 16]);
    assert_eq!(Flags::from_bits(0xff), Flags::ALL);
    assert_eq!(NX | NV, Flags::from_bits(0x11));
    assert!((NX | NV).contains(NV) && !NX.contains(NX | NV));
    for (bits, rm) in Round::ALL.into_iter().enumerate() {
        assert_eq!(
            (Round::from_bits(bits as u8), rm.bits()),
            (Some(rm), bits as u8)
        );
    }
    assert!((5..=255).all(|bits| Round::from_bits(bits).is_none()));
    assert_eq!((softfloat::f32::NAN, softfloat::f64::NAN), (NAN32, NAN64));
}

/// "Format of result of FCLASS instruction".
#[test]
fn fclass() {
    let single = [
        s(f32::NEG_INFINITY),
        s(-1.0),
        SIGN32 | 1,
        SIGN32,
        0,
        0x007f_ffff,
        0x0080_0000,
        s(f32::INFINITY),
        SNAN32,
        NAN32,
    ];
    let double = [
        d(f64::NEG_INFINITY),
        d(-1.0),
        SIGN64 | 1,
        SIGN64,
        0,
        0x000f_ffff_ffff_ffff,
        0x0010_0000_0000_0000,
        d(f64::INFINITY),
        SNAN64,
        NAN64,
    ];
    for bit in 0..10 {
        assert_eq!(softfloat::f32::classify(single[bit]), 1 << bit);
        assert_eq!(softfloat::f64::classify(double[bit]), 1 << bit);
    }
    assert_eq!(softfloat::f32::classify(PAYLOAD32), 1 << 9);
    assert_eq!(softfloat::f64::classify(SNAN64 | SIGN64), 1 << 8);
}

/// "Domains of float-to-integer conversions and behavior for invalid inputs".
#[test]
fn float_to_integer_domains() {
    use softfloat::{f32 as f, f64 as g};
    let (inf32, inf64) = (f32::INFINITY, f64::INFINITY);
    for rm in Round::ALL {
        for x in [-inf32, -3e9, -9.3e18, -3e38] {
            assert_eq!(run(|fl| f::to_i32(s(x), rm, fl)), (i32::MIN, NV), "{x}");
            assert_eq!(run(|fl| f::to_u32(s(x), rm, fl)), (0, NV), "{x}");
            assert_eq!(run(|fl| f::to_u64(s(x), rm, fl)), (0, NV), "{x}");
        }
        for x in [-inf32, -9.3e18, -3e38] {
            assert_eq!(run(|fl| f::to_i64(s(x), rm, fl)), (i64::MIN, NV), "{x}");
            assert_eq!(
                run(|fl| g::to_i64(d(x.into()), rm, fl)),
                (i64::MIN, NV),
                "{x}"
            );
        }
        for x in [s(inf32), s(2e19), s(3e38), NAN32, SNAN32, PAYLOAD32] {
            assert_eq!(run(|fl| f::to_i32(x, rm, fl)), (i32::MAX, NV), "{x:#x}");
            assert_eq!(run(|fl| f::to_u32(x, rm, fl)), (u32::MAX, NV), "{x:#x}");
            assert_eq!(run(|fl| f::to_i64(x, rm, fl)), (i64::MAX, NV), "{x:#x}");
            assert_eq!(run(|fl| f::to_u64(x, rm, fl)), (u64::MAX, NV), "{x:#x}");
        }
        for x in [d(inf64), d(2e19), d(3e300), NAN64, SNAN64, PAYLOAD64] {
            assert_eq!(run(|fl| g::to_i32(x, rm, fl)), (i32::MAX, NV), "{x:#x}");
            assert_eq!(run(|fl| g::to_u32(x, rm, fl)), (u32::MAX, NV), "{x:#x}");
            assert_eq!(run(|fl| g::to_i64(x, rm, fl)), (i64::MAX, NV), "{x:#x}");
            assert_eq!(run(|fl| g::to_u64(x, rm, fl)), (u64::MAX, NV), "{x:#x}");
        }
        // The limits of the range are valid.
        assert_eq!(
            run(|fl| g::to_i32(d(-2147483648.0), rm, fl)),
            (i32::MIN, NONE)
        );
        assert_eq!(
            run(|fl| g::to_i32(d(2147483647.0), rm, fl)),
            (i32::MAX, NONE)
        );
        assert_eq!(
            run(|fl| g::to_u32(d(4294967295.0), rm, fl)),
            (u32::MAX, NONE)
        );
        assert_eq!(
            run(|fl| g::to_i64(d(-9223372036854775808.0), rm, fl)),
            (i64::MIN, NONE)
        );
        assert_eq!(
            run(|fl| g::to_i64(d(9223372036854775808.0), rm, fl)),
            (i64::MAX, NV)
        );
        assert_eq!(
            run(|fl| g::to_u64(d(9223372036854775808.0), rm, fl)),
            (1 << 63, NONE)
        );
        assert_eq!(
            run(|fl| g::to_u64(d(18446744073709549568.0), rm, fl)),
            (u64::MAX - 2047, NONE)
        );
        assert_eq!(
            run(|fl| g::to_u64(d(18446744073709551616.0), rm, fl)),
            (u64::MAX, NV)
        );
        assert_eq!(run(|fl| g::to_u32(d(-0.0), rm, fl)), (0, NONE));
    }
}

/// The value is rounded to an integer before the range check.
#[test]
fn float_to_integer_rounding() {
    use softfloat::f64 as g;
    let modes = [RNE, RTZ, RDN, RUP, RMM];
    let cases: [(f64, [i32; 5]); 8] = [
        (0.5, [0, 0, 0, 1, 1]),
        (1.5, [2, 1, 1, 2, 2]),
        (2.5, [2, 2, 2, 3, 3]),
        (-0.5, [0, 0, -1, 0, -1]),
        (-1.5, [-2, -1, -2, -1, -2]),
        (-2.5, [-2, -2, -3, -2, -3]),
        (1e-300, [0, 0, 0, 1, 0]),
        (-0.75, [-1, 0, -1, 0, -1]),
    ];
    for (x, want) in cases {
        for (rm, want) in modes.into_iter().zip(want) {
            assert_eq!(run(|f| g::to_i32(d(x), rm, f)), (want, NX), "{x} {rm:?}");
            // A negative result is out of the unsigned range, unless it rounds to 0.
            let unsigned = if want < 0 { (0, NV) } else { (want as u32, NX) };
            assert_eq!(run(|f| g::to_u32(d(x), rm, f)), unsigned, "{x} {rm:?}");
        }
    }
    // 2^31 - 0.5 and its negative counterpart.
    let limit = d(2147483647.5);
    let want = [
        (i32::MAX, NV),
        (i32::MAX, NX),
        (i32::MAX, NX),
        (i32::MAX, NV),
        (i32::MAX, NV),
    ];
    assert_eq!(modes.map(|rm| run(|f| g::to_i32(limit, rm, f))), want);
    let limit = d(-2147483648.5);
    let want = [
        (i32::MIN, NX),
        (i32::MIN, NX),
        (i32::MIN, NV),
        (i32::MIN, NX),
        (i32::MIN, NV),
    ];
    assert_eq!(modes.map(|rm| run(|f| g::to_i32(limit, rm, f))), want);
}

#[test]
fn minimum_and_maximum_number() {
    use softfloat::f64 as g;
    let (one, two) = (d(1.0), d(2.0));
    let cases = [
        (one, two, one, two, NONE),
        (d(-1.0), one, d(-1.0), one, NONE),
        (SIGN64, 0, SIGN64, 0, NONE),
        (d(f64::NEG_INFINITY), one, d(f64::NEG_INFINITY), one, NONE),
        (NAN64, one, one, one, NONE),
        (PAYLOAD64, one, one, one, NONE),
        (SNAN64, one, one, one, NV),
        (PAYLOAD64, NAN64, NAN64, NAN64, NONE),
        (PAYLOAD64, SNAN64, NAN64, NAN64, NV),
    ];
    for (a, b, min, max, flags) in cases {
        for (a, b) in [(a, b), (b, a)] {
            assert_eq!(run(|f| g::min(a, b, f)), (min, flags), "{a:#x} {b:#x}");
            assert_eq!(run(|f| g::max(a, b, f)), (max, flags), "{a:#x} {b:#x}");
        }
    }
    assert_eq!(run(|f| softfloat::f32::min(SIGN32, 0, f)), (SIGN32, NONE));
    assert_eq!(
        run(|f| softfloat::f32::max(SNAN32, PAYLOAD32, f)),
        (NAN32, NV)
    );
}

#[test]
fn comparisons_with_nans() {
    use softfloat::f32 as f;
    let one = s(1.0);
    for (a, b) in [(NAN32, one), (one, PAYLOAD32), (NAN32, NAN32)] {
        assert_eq!(run(|fl| f::eq(a, b, fl)), (false, NONE));
        assert_eq!(run(|fl| f::lt(a, b, fl)), (false, NV));
        assert_eq!(run(|fl| f::le(a, b, fl)), (false, NV));
    }
    assert_eq!(run(|fl| f::eq(SNAN32, one, fl)), (false, NV));
    assert_eq!(run(|fl| f::eq(SIGN32, 0, fl)), (true, NONE));
    assert_eq!(run(|fl| f::le(0, SIGN32, fl)), (true, NONE));
    assert_eq!(run(|fl| f::lt(SIGN32, 0, fl)), (false, NONE));
}

/// Sign injection does not treat NaNs specially: payloads are preserved.
#[test]
fn sign_injection() {
    use softfloat::f32 as f;
    assert_eq!(f::sgnj(PAYLOAD32, 0), PAYLOAD32 & !SIGN32);
    assert_eq!(f::sgnjn(SNAN32, 0), SNAN32 | SIGN32);
    assert_eq!(f::sgnjx(PAYLOAD32, PAYLOAD32), PAYLOAD32 & !SIGN32);
}

/// IEEE 754-2019, 7.2 and 7.3, and RISC-V's canonical NaNs, in every mode.
#[test]
fn invalid_and_divide_by_zero() {
    use softfloat::f64 as g;
    let (inf, minus_inf, one) = (d(f64::INFINITY), d(f64::NEG_INFINITY), d(1.0));
    for rm in Round::ALL {
        assert_eq!(run(|f| g::add(inf, minus_inf, rm, f)), (NAN64, NV));
        assert_eq!(run(|f| g::sub(inf, inf, rm, f)), (NAN64, NV));
        assert_eq!(run(|f| g::mul(inf, SIGN64, rm, f)), (NAN64, NV));
        assert_eq!(run(|f| g::div(inf, minus_inf, rm, f)), (NAN64, NV));
        assert_eq!(run(|f| g::div(0, SIGN64, rm, f)), (NAN64, NV));
        assert_eq!(run(|f| g::div(one, SIGN64, rm, f)), (minus_inf, DZ));
        assert_eq!(run(|f| g::div(inf, 0, rm, f)), (inf, NONE));
        assert_eq!(run(|f| g::sqrt(d(-1.0), rm, f)), (NAN64, NV));
        assert_eq!(run(|f| g::sqrt(minus_inf, rm, f)), (NAN64, NV));
        assert_eq!(run(|f| g::sqrt(SIGN64, rm, f)), (SIGN64, NONE));
        for (nan, flags) in [(PAYLOAD64, NONE), (SNAN64, NV)] {
            assert_eq!(run(|f| g::add(nan, one, rm, f)), (NAN64, flags));
            assert_eq!(run(|f| g::sub(one, nan, rm, f)), (NAN64, flags));
            assert_eq!(run(|f| g::mul(nan, inf, rm, f)), (NAN64, flags));
            assert_eq!(run(|f| g::div(0, nan, rm, f)), (NAN64, flags));
            assert_eq!(run(|f| g::sqrt(nan, rm, f)), (NAN64, flags));
            assert_eq!(run(|f| g::fma(one, nan, one, rm, f)), (NAN64, flags));
            assert_eq!(run(|f| g::fma(inf, one, nan, rm, f)), (NAN64, flags));
            assert_eq!(run(|f| g::fma(inf, 0, nan, rm, f)), (NAN64, NV));
            assert_eq!(run(|f| g::fma(SIGN64, inf, nan, rm, f)), (NAN64, NV));
        }
        assert_eq!(run(|f| g::fma(inf, one, minus_inf, rm, f)), (NAN64, NV));
        assert_eq!(
            run(|f| g::fma(inf, d(-1.0), minus_inf, rm, f)),
            (minus_inf, NONE)
        );
        assert_eq!(
            run(|f| g::fma(one, one, minus_inf, rm, f)),
            (minus_inf, NONE)
        );
        assert_eq!(run(|f| g::fma(0, one, one, rm, f)), (one, NONE));
        assert_eq!(run(|f| g::narrow(PAYLOAD64, rm, f)), (NAN32, NONE));
        assert_eq!(run(|f| g::narrow(SNAN64, rm, f)), (NAN32, NV));
    }
    assert_eq!(run(|f| softfloat::f32::widen(PAYLOAD32, f)), (NAN64, NONE));
    assert_eq!(run(|f| softfloat::f32::widen(SNAN32, f)), (NAN64, NV));
    assert_eq!(
        run(|f| softfloat::f32::widen(SIGN32 | 1, f)),
        (d(-f64::from(f32::from_bits(1))), NONE)
    );
}

/// IEEE 754-2019, 6.3: the sign of an exact zero.
#[test]
fn signs_of_zero() {
    use softfloat::f32 as f;
    let (one, minus_one) = (s(1.0), s(-1.0));
    for rm in Round::ALL {
        let unlike = (if rm == RDN { SIGN32 } else { 0 }, NONE);
        assert_eq!(run(|fl| f::add(one, minus_one, rm, fl)), unlike);
        assert_eq!(run(|fl| f::sub(0, 0, rm, fl)), unlike);
        assert_eq!(run(|fl| f::fma(one, one, minus_one, rm, fl)), unlike);
        assert_eq!(run(|fl| f::fma(0, minus_one, 0, rm, fl)), unlike);
        assert_eq!(run(|fl| f::add(SIGN32, SIGN32, rm, fl)), (SIGN32, NONE));
        assert_eq!(
            run(|fl| f::fma(0, minus_one, SIGN32, rm, fl)),
            (SIGN32, NONE)
        );
    }
}

/// IEEE 754-2019, 7.4 and 7.5: overflow by mode; tininess is detected after rounding.
#[test]
fn overflow_and_underflow() {
    use softfloat::f32 as f;
    let (of, uf) = (Flags::OVERFLOW | NX, Flags::UNDERFLOW | NX);
    let (max, inf, smallest) = (s(f32::MAX), s(f32::INFINITY), s(f32::MIN_POSITIVE));
    for (rm, up, down) in [
        (RNE, inf, inf),
        (RTZ, max, max),
        (RDN, max, inf),
        (RUP, inf, max),
        (RMM, inf, inf),
    ] {
        assert_eq!(run(|fl| f::add(max, max, rm, fl)), (up, of), "{rm:?}");
        assert_eq!(
            run(|fl| f::mul(max, s(-2.0), rm, fl)),
            (down | SIGN32, of),
            "{rm:?}"
        );
    }
    // A sum of less than half a unit above the largest number overflows only when rounding up.
    assert_eq!(run(|fl| f::add(max, s(1.0), RNE, fl)), (max, NX));
    assert_eq!(run(|fl| f::add(max, s(1.0), RUP, fl)), (inf, of));

    // Just below the smallest normal number, by 2^-24 and by 2^-25 of it. Both round to that
    // number, but the first would not with an unbounded exponent.
    let below = |x: f32| s(1.0 - x);
    assert_eq!(
        run(|fl| f::mul(smallest, below(f32::EPSILON / 2.0), RNE, fl)),
        (smallest, uf)
    );
    let (x, y) = (0x3f7f_fffe, 0x0080_0001); // (1 - 2^-23) (1 + 2^-23) = 1 - 2^-46
    assert_eq!(run(|fl| f::mul(x, y, RNE, fl)), (smallest, NX));
    assert_eq!(run(|fl| f::mul(x, y, RTZ, fl)), (smallest - 1, uf));
    // Exact subnormals raise nothing.
    assert_eq!(
        run(|fl| f::div(smallest, s(2.0), RNE, fl)),
        (smallest / 2, NONE)
    );
    assert_eq!(run(|fl| f::div(1, s(2.0), RUP, fl)), (1, uf));
    assert_eq!(run(|fl| f::div(1, s(2.0), RNE, fl)), (0, uf));
}

/// Flags accumulate: a set flag stays set.
#[test]
fn flags_accumulate() {
    let mut flags = DZ;
    softfloat::f32::add(s(1.0), s(2.0), RNE, &mut flags);
    assert_eq!(flags, DZ);
    softfloat::f32::div(s(1.0), s(3.0), RNE, &mut flags);
    assert_eq!(flags, DZ | NX);
}

proptest::proptest! {
    /// No bits cause a panic in any mode, and every NaN from arithmetic is canonical.
    #[test]
    fn any_bits(a: u64, b: u64, c: u64, mode in 0u8..5, before: u8) {
        use softfloat::{f32 as f, f64 as g};
        let rm = Round::from_bits(mode).unwrap_or_default();
        let before = Flags::from_bits(before);
        let flags = &mut before.clone();
        let wide = [
            g::add(a, b, rm, flags), g::sub(a, b, rm, flags), g::mul(a, b, rm, flags),
            g::div(a, b, rm, flags), g::sqrt(a, rm, flags), g::fma(a, b, c, rm, flags),
            g::min(a, b, flags), g::max(a, b, flags), f::widen(a as u32, flags),
        ];
        for x in wide {
            proptest::prop_assert!(!f64::from_bits(x).is_nan() || x == NAN64);
        }
        let (a, b, c) = (a as u32, b as u32, c as u32);
        let single = [
            f::add(a, b, rm, flags), f::sub(a, b, rm, flags), f::mul(a, b, rm, flags),
            f::div(a, b, rm, flags), f::sqrt(a, rm, flags), f::fma(a, b, c, rm, flags),
            f::min(a, b, flags), f::max(a, b, flags), g::narrow(wide[0], rm, flags),
        ];
        for x in single {
            proptest::prop_assert!(!f32::from_bits(x).is_nan() || x == NAN32);
        }
        proptest::prop_assert!(flags.contains(before));
    }
}
