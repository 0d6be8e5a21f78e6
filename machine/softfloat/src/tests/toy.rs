//! Tests every operation on every operand of formats of 6 and 8 bits, in every mode, against exact
//! rational arithmetic. binary32 and binary64 use the same generic code.

use super::toy_operations::{Outcome, integer};
use super::toy_reference::{Table, Toy};
use super::{Rng, long};
use crate::format::Format;
use crate::{Flags, Round, arith, compare, convert};

struct Tiny<const EXP: u32, const FRAC: u32, const WIDE: bool = false>;
impl<const EXP: u32, const FRAC: u32, const WIDE: bool> Format for Tiny<EXP, FRAC, WIDE> {
    const EXP_BITS: u32 = EXP;
    const FRAC_BITS: u32 = FRAC;
    const WIDE: bool = WIDE;
}

macro_rules! for_formats {
    ($($check:ident),* $(,)?) => {$(
        #[test]
        fn $check() {
            checks::$check::<Tiny<3, 2>>();
            checks::$check::<Tiny<4, 3>>();
            checks::$check::<Tiny<5, 2>>();
            checks::$check::<Tiny<3, 4>>();
            // As for binary64: quotient and root in 128 bits.
            checks::$check::<Tiny<4, 3, true>>();
        }
    )*};
}

for_formats!(
    sums,
    products,
    quotients,
    roots,
    fused,
    integers,
    formats,
    comparisons,
    classes
);

fn run(op: impl FnOnce(&mut Flags) -> u64) -> Outcome {
    let mut flags = Flags::NONE;
    (op(&mut flags), flags)
}

mod checks {
    use super::*;

    /// Calls `check` with every pair of operands, in every mode.
    fn pairs(table: &Table, mut check: impl FnMut(u64, u64, Toy, Toy, Round)) {
        for (a, &x) in table.values.iter().enumerate() {
            for (b, &y) in table.values.iter().enumerate() {
                for rm in Round::ALL {
                    check(a as u64, b as u64, x, y, rm);
                }
            }
        }
    }

    pub(super) fn sums<F: Format>() {
        let table = Table::new::<F>();
        pairs(&table, |a, b, x, y, rm| {
            let got = run(|f| arith::add::<F>(a, b, rm, f));
            assert_eq!(got, table.add(x, y, rm), "{a:#x} + {b:#x} {rm:?}");
            // a - b is a + (-b).
            let negated = table.values[(b ^ table.sign) as usize];
            let got = run(|f| arith::sub::<F>(a, b, rm, f));
            assert_eq!(got, table.add(x, negated, rm), "{a:#x} - {b:#x} {rm:?}");
        });
    }

    pub(super) fn products<F: Format>() {
        let table = Table::new::<F>();
        pairs(&table, |a, b, x, y, rm| {
            let got = run(|f| arith::mul::<F>(a, b, rm, f));
            assert_eq!(got, table.fma(x, y, None, rm), "{a:#x} * {b:#x} {rm:?}");
        });
    }

    pub(super) fn quotients<F: Format>() {
        let table = Table::new::<F>();
        pairs(&table, |a, b, x, y, rm| {
            let got = run(|f| arith::div::<F>(a, b, rm, f));
            assert_eq!(got, table.div(x, y, rm), "{a:#x} / {b:#x} {rm:?}");
        });
    }

    pub(super) fn roots<F: Format>() {
        let table = Table::new::<F>();
        for (a, &x) in table.values.iter().enumerate() {
            for rm in Round::ALL {
                let got = run(|f| arith::sqrt::<F>(a as u64, rm, f));
                assert_eq!(got, table.sqrt(x, rm), "sqrt {a:#x} {rm:?}");
            }
        }
    }

    /// All triples of the 6-bit format, and a sample for the others; all of them in a long run.
    pub(super) fn fused<F: Format>() {
        let table = Table::new::<F>();
        let count = table.values.len() as u64;
        let check = |a: u64, b: u64, c: u64| {
            let (x, y, z) = (
                table.values[a as usize],
                table.values[b as usize],
                table.values[c as usize],
            );
            for rm in Round::ALL {
                let got = run(|f| arith::fma::<F>(a, b, c, rm, f));
                let want = table.fma(x, y, Some(z), rm);
                assert_eq!(got, want, "{a:#x} * {b:#x} + {c:#x} {rm:?}");
            }
        };
        if count == 64 || long() {
            for a in 0..count {
                for b in 0..count {
                    (0..count).for_each(|c| check(a, b, c));
                }
            }
        } else {
            let mut rng = Rng(0x5eed);
            for _ in 0..300_000 {
                check(rng.below(count), rng.below(count), rng.below(count));
            }
        }
    }

    pub(super) fn integers<F: Format>() {
        let table = Table::new::<F>();
        let ranges = [
            (0, 15),
            (-8, 7),
            (-128, 127),
            (0, 255),
            (i64::MIN.into(), i64::MAX.into()),
        ];
        for (a, &x) in table.values.iter().enumerate() {
            for (rm, (min, max)) in Round::ALL
                .into_iter()
                .flat_map(|rm| ranges.map(|r| (rm, r)))
            {
                let mut flags = Flags::NONE;
                let got = convert::to_int::<F>(a as u64, rm, min, max, &mut flags);
                let want = to_int(&table, x, rm, min, max);
                assert_eq!((got, flags), want, "{a:#x} to {min}..={max} {rm:?}");
            }
        }
        let mut rng = Rng(0x1234);
        let wide = (0..20_000).map(|_| rng.next() >> rng.below(64));
        for n in (0..1000).chain(wide) {
            for (rm, negative) in Round::ALL
                .into_iter()
                .flat_map(|rm| [(rm, false), (rm, true)])
            {
                let got = run(|f| convert::from_int::<F>(negative, n, rm, f));
                let exact = integer(negative, u128::from(n) << table.scale);
                assert_eq!(
                    got,
                    table.ratio(exact, 1, false, rm),
                    "from {negative} {n} {rm:?}"
                );
            }
        }
    }

    /// Rounds to an integer by definition: the neighbours, and twice the fraction against 1.
    fn to_int(table: &Table, x: Toy, rm: Round, min: i128, max: i128) -> (i128, Flags) {
        let (negative, units) = match x {
            Toy::Number { negative, units } => (negative, units),
            Toy::Infinity { negative: true } => return (min, Flags::INVALID),
            _ => return (max, Flags::INVALID),
        };
        let one = 1i128 << table.scale;
        let value = integer(negative, units);
        let floor = value.div_euclid(one);
        let twice = 2 * value.rem_euclid(one);
        let exact = twice == 0;
        let ceil = if exact { floor } else { floor + 1 };
        let outward = if negative { floor } else { ceil };
        let rounded = match rm {
            Round::Down => floor,
            Round::Up => ceil,
            Round::TowardZero => {
                if negative {
                    ceil
                } else {
                    floor
                }
            }
            _ if twice < one => floor,
            _ if twice > one => ceil,
            Round::NearestEven => {
                if floor % 2 == 0 {
                    floor
                } else {
                    ceil
                }
            }
            Round::NearestMaxMagnitude => outward,
        };
        match rounded {
            r if r < min => (min, Flags::INVALID),
            r if r > max => (max, Flags::INVALID),
            r if exact => (r, Flags::NONE),
            r => (r, Flags::INEXACT),
        }
    }

    /// Conversions from this format to each of the others.
    pub(super) fn formats<F: Format>() {
        to_format::<F, Tiny<3, 2>>();
        to_format::<F, Tiny<4, 3>>();
        to_format::<F, Tiny<5, 2>>();
        to_format::<F, Tiny<3, 4>>();
    }

    fn to_format<F: Format, G: Format>() {
        let (from, to) = (Table::new::<F>(), Table::new::<G>());
        for (a, &x) in from.values.iter().enumerate() {
            for rm in Round::ALL {
                let want = match x {
                    Toy::Number { negative, units } => {
                        let exact = integer(negative, units << to.scale);
                        to.ratio(exact, 1 << from.scale, negative, rm)
                    }
                    Toy::Infinity { negative } => (to.signed(negative, to.infinity), Flags::NONE),
                    Toy::Quiet => (to.nan, Flags::NONE),
                    Toy::Signalling => (to.nan, Flags::INVALID),
                };
                let got = run(|f| convert::to_format::<F, G>(a as u64, rm, f));
                assert_eq!(got, want, "{a:#x} to another format {rm:?}");
            }
        }
    }

    /// A host number with the same value and kind, for comparisons by the host.
    fn host(x: Toy) -> f64 {
        match x {
            Toy::Number { negative, units } => {
                if negative {
                    -(units as f64)
                } else {
                    units as f64
                }
            }
            Toy::Infinity { negative: true } => f64::NEG_INFINITY,
            Toy::Infinity { negative: false } => f64::INFINITY,
            Toy::Quiet | Toy::Signalling => f64::NAN,
        }
    }

    pub(super) fn comparisons<F: Format>() {
        let table = Table::new::<F>();
        let flag = |raise: bool| if raise { Flags::INVALID } else { Flags::NONE };
        pairs(&table, |a, b, x, y, _| {
            let (p, q) = (host(x), host(y));
            let signalling = flag(x == Toy::Signalling || y == Toy::Signalling);
            let any_nan = flag(p.is_nan() || q.is_nan());
            let eq = run(|f| compare::eq::<F>(a, b, f).into());
            assert_eq!(eq, ((p == q).into(), signalling), "{a:#x} = {b:#x}");
            let lt = run(|f| compare::lt::<F>(a, b, f).into());
            assert_eq!(lt, ((p < q).into(), any_nan), "{a:#x} < {b:#x}");
            let le = run(|f| compare::le::<F>(a, b, f).into());
            assert_eq!(le, ((p <= q).into(), any_nan), "{a:#x} <= {b:#x}");

            let (least, most) = match (p.is_nan(), q.is_nan()) {
                (true, true) => (table.nan, table.nan),
                (true, false) => (b, b),
                (false, true) => (a, a),
                // Zeros of unlike sign are the only different numbers that compare equal.
                _ if p == q && a != b => (a.max(b), a.min(b)),
                _ if p < q => (a, b),
                _ => (b, a),
            };
            let min = run(|f| compare::min::<F>(a, b, f));
            assert_eq!(min, (least, signalling), "min {a:#x} {b:#x}");
            let max = run(|f| compare::max::<F>(a, b, f));
            assert_eq!(max, (most, signalling), "max {a:#x} {b:#x}");

            let (s, t) = (a & table.sign != 0, b & table.sign != 0);
            let magnitude = a & !table.sign;
            assert_eq!(compare::sgnj::<F>(a, b), table.signed(t, magnitude));
            assert_eq!(compare::sgnjn::<F>(a, b), table.signed(!t, magnitude));
            assert_eq!(compare::sgnjx::<F>(a, b), table.signed(s != t, magnitude));
        });
    }

    pub(super) fn classes<F: Format>() {
        let table = Table::new::<F>();
        let smallest_normal = 1 << F::FRAC_BITS;
        for (a, &x) in table.values.iter().enumerate() {
            let bit = match x {
                Toy::Infinity { negative: true } => 0,
                Toy::Number {
                    negative: true,
                    units,
                } if units >= smallest_normal => 1,
                Toy::Number {
                    negative: true,
                    units,
                } if units > 0 => 2,
                Toy::Number { negative: true, .. } => 3,
                Toy::Number { units: 0, .. } => 4,
                Toy::Number { units, .. } if units < smallest_normal => 5,
                Toy::Number { .. } => 6,
                Toy::Infinity { .. } => 7,
                Toy::Signalling => 8,
                Toy::Quiet => 9,
            };
            assert_eq!(
                compare::classify::<F>(a as u64),
                1 << bit,
                "class of {a:#x}"
            );
        }
    }
}
