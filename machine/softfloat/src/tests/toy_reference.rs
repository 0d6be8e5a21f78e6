//! Rounding by its definition: an exact number is looked up in the sorted list of all numbers of
//! the format. It shares only the widths of the format with the code under test.

use std::cmp::Ordering;

use crate::format::Format;
use crate::{Flags, Round};

/// A non-negative exact number, in units of the format's smallest subnormal.
#[derive(Clone, Copy)]
pub(super) enum Exact {
    /// n / d.
    Ratio(u128, u128),
    /// The square root of n.
    Root(u128),
}

impl Exact {
    /// Compares with c / 8.
    fn cmp_eighths(self, c: u128) -> Ordering {
        match self {
            Exact::Ratio(n, d) => (n * 8).cmp(&(c * d)),
            Exact::Root(n) => (n * 64).cmp(&(c * c)),
        }
    }
}

/// The value of a bit pattern: a number of units of the smallest subnormal, or a special value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Toy {
    Number { negative: bool, units: u128 },
    Infinity { negative: bool },
    Quiet,
    Signalling,
}

/// Tables of a tiny format.
pub(super) struct Table {
    pub(super) values: Vec<Toy>,
    /// 2^scale units make 1.
    pub(super) scale: u32,
    pub(super) sign: u64,
    pub(super) infinity: u64,
    pub(super) nan: u64,
    /// The finite magnitudes by bit pattern, in eighths of the unit, followed by 2^(emax + 1).
    bounded: Vec<u128>,
    /// The numbers of full precision from half the smallest normal number up to it, as if the
    /// exponent had no bounds; in eighths of the unit.
    below_normal: Vec<u128>,
}

impl Table {
    pub(super) fn new<F: Format>() -> Table {
        let (e, f) = (F::EXP_BITS, F::FRAC_BITS);
        let fields = 1u64 << e;
        let units = |field: u64, frac: u64| match field {
            0 => u128::from(frac),
            _ => u128::from((1 << f) + frac) << (field - 1),
        };
        let mut values = Vec::new();
        for bits in 0..2u64 << (e + f) {
            let negative = bits >> (e + f) != 0;
            let (field, frac) = (bits >> f & (fields - 1), bits & ((1 << f) - 1));
            values.push(match (field == fields - 1, frac) {
                (false, _) => Toy::Number {
                    negative,
                    units: units(field, frac),
                },
                (true, 0) => Toy::Infinity { negative },
                (true, _) if frac >> (f - 1) != 0 => Toy::Quiet,
                (true, _) => Toy::Signalling,
            });
        }
        let bias = (1u32 << (e - 1)) - 1;
        Table {
            values,
            scale: bias - 1 + f,
            sign: 1 << (e + f),
            infinity: (fields - 1) << f,
            nan: (fields - 1) << f | 1 << (f - 1),
            bounded: (0..=(fields - 1) << f)
                .map(|b| units(b >> f, b & ((1 << f) - 1)) * 8)
                .collect(),
            below_normal: (1u128 << f..=2 << f).map(|sig| sig * 4).collect(),
        }
    }

    pub(super) fn signed(&self, negative: bool, magnitude: u64) -> u64 {
        if negative {
            self.sign | magnitude
        } else {
            magnitude
        }
    }

    /// The result of an operation whose exact outcome is (-1)^negative x `x`, with x > 0.
    pub(super) fn round(&self, negative: bool, x: Exact, rm: Round) -> (u64, Flags) {
        let infinite = self.bounded.len() - 1;
        let (index, exact) = nearest(&self.bounded, negative, x, rm);
        if index >= infinite {
            let to_infinity = match rm {
                Round::NearestEven | Round::NearestMaxMagnitude => true,
                Round::TowardZero => false,
                Round::Down => negative,
                Round::Up => !negative,
            };
            let magnitude = if to_infinity { infinite } else { infinite - 1 };
            return (
                self.signed(negative, magnitude as u64),
                Flags::OVERFLOW | Flags::INEXACT,
            );
        }
        let mut flags = Flags::NONE;
        if !exact {
            flags |= Flags::INEXACT;
            let last = self.below_normal.len() - 1;
            let tiny = x.cmp_eighths(self.below_normal[0]).is_lt()
                || (x.cmp_eighths(self.below_normal[last]).is_lt()
                    && nearest(&self.below_normal, negative, x, rm).0 < last);
            if tiny {
                flags |= Flags::UNDERFLOW;
            }
        }
        (self.signed(negative, index as u64), flags)
    }
}

/// The index of the list's number to which `x` is rounded, and whether it equals `x`. Numbers at
/// even indices have an even significand. Numbers beyond the end round to the last one.
fn nearest(list: &[u128], negative: bool, x: Exact, rm: Round) -> (usize, bool) {
    let above = list.partition_point(|&c| x.cmp_eighths(c).is_gt());
    if above == list.len() {
        return (above - 1, false);
    }
    if x.cmp_eighths(list[above]).is_eq() {
        return (above, true);
    }
    let below = above - 1;
    let even = if below % 2 == 0 { below } else { above };
    let chosen = match (rm, x.cmp_eighths((list[below] + list[above]) / 2)) {
        (Round::TowardZero, _) => below,
        (Round::Down, _) => {
            if negative {
                above
            } else {
                below
            }
        }
        (Round::Up, _) => {
            if negative {
                below
            } else {
                above
            }
        }
        (_, Ordering::Less) => below,
        (_, Ordering::Greater) => above,
        (Round::NearestEven, Ordering::Equal) => even,
        (Round::NearestMaxMagnitude, Ordering::Equal) => above,
    };
    (chosen, false)
}
