//! The operations of a tiny format by their definitions in IEEE 754-2019: exact integers, explicit
//! special cases, and the rounding of `toy_reference`.

use super::toy_reference::{Exact, Table, Toy};
use crate::{Flags, Round};

/// Result bits and flags.
pub(super) type Outcome = (u64, Flags);

/// A signed number, for the reference's arithmetic.
pub(super) fn integer(negative: bool, units: u128) -> i128 {
    let n = units as i128;
    if negative { -n } else { n }
}

impl Table {
    fn special(&self, operands: &[Toy], quiet: bool) -> Option<Outcome> {
        let signalling = operands.contains(&Toy::Signalling) || quiet;
        if signalling {
            return Some((self.nan, Flags::INVALID));
        }
        operands
            .contains(&Toy::Quiet)
            .then_some((self.nan, Flags::NONE))
    }

    /// Rounds `n / d` units; an exact zero has the sign `zero_negative`.
    pub(super) fn ratio(&self, n: i128, d: u128, zero_negative: bool, rm: Round) -> Outcome {
        if n == 0 {
            return (self.signed(zero_negative, 0), Flags::NONE);
        }
        self.round(n < 0, Exact::Ratio(n.unsigned_abs(), d), rm)
    }

    pub(super) fn add(&self, a: Toy, b: Toy, rm: Round) -> Outcome {
        use Toy::{Infinity, Number};
        let opposite =
            matches!((a, b), (Infinity { negative: x }, Infinity { negative: y }) if x != y);
        if let Some(outcome) = self.special(&[a, b], opposite) {
            return outcome;
        }
        match (a, b) {
            (Infinity { negative }, _) | (_, Infinity { negative }) => {
                (self.signed(negative, self.infinity), Flags::NONE)
            }
            (
                Number {
                    negative: s,
                    units: m,
                },
                Number {
                    negative: t,
                    units: n,
                },
            ) => {
                // Equal signs give that sign to a zero. Otherwise it is +0, or -0 if the mode
                // rounds down.
                let zero = if s == t { s } else { rm == Round::Down };
                self.ratio(integer(s, m) + integer(t, n), 1, zero, rm)
            }
            _ => unreachable!(),
        }
    }

    /// a x b + c, or a x b without c.
    pub(super) fn fma(&self, a: Toy, b: Toy, c: Option<Toy>, rm: Round) -> Outcome {
        use Toy::{Infinity, Number};
        let negative = |v: Toy| match v {
            Number { negative, .. } | Infinity { negative } => negative,
            _ => false,
        };
        let sign = negative(a) != negative(b);
        let zero = |v: Toy| matches!(v, Number { units: 0, .. });
        let infinite = |v: Toy| matches!(v, Infinity { .. });
        let nan = |v: Toy| matches!(v, Toy::Quiet | Toy::Signalling);
        let undefined = (infinite(a) && zero(b)) || (zero(a) && infinite(b));
        let product_infinite = !nan(a) && !nan(b) && (infinite(a) || infinite(b));
        let against = product_infinite && c == Some(Infinity { negative: !sign });
        let operands = [
            a,
            b,
            c.unwrap_or(Number {
                negative: false,
                units: 0,
            }),
        ];
        if let Some(outcome) = self.special(&operands, undefined || against) {
            return outcome;
        }
        if product_infinite {
            return (self.signed(sign, self.infinity), Flags::NONE);
        }
        match (a, b, c) {
            (_, _, Some(Infinity { negative })) => {
                (self.signed(negative, self.infinity), Flags::NONE)
            }
            (Number { units: m, .. }, Number { units: n, .. }, None) => {
                self.ratio(integer(sign, m * n), 1 << self.scale, sign, rm)
            }
            (
                Number { units: m, .. },
                Number { units: n, .. },
                Some(Number {
                    negative: t,
                    units: o,
                }),
            ) => {
                let zero = if sign == t { sign } else { rm == Round::Down };
                let sum = integer(sign, m * n) + integer(t, o << self.scale);
                self.ratio(sum, 1 << self.scale, zero, rm)
            }
            _ => unreachable!(),
        }
    }

    pub(super) fn div(&self, a: Toy, b: Toy, rm: Round) -> Outcome {
        use Toy::{Infinity, Number};
        let zero = |v: Toy| matches!(v, Number { units: 0, .. });
        let infinite = |v: Toy| matches!(v, Infinity { .. });
        let undefined = (zero(a) && zero(b)) || (infinite(a) && infinite(b));
        if let Some(outcome) = self.special(&[a, b], undefined) {
            return outcome;
        }
        match (a, b) {
            (Infinity { negative: s }, Number { negative: t, .. }) => {
                (self.signed(s != t, self.infinity), Flags::NONE)
            }
            (Number { negative: s, .. }, Infinity { negative: t }) => {
                (self.signed(s != t, 0), Flags::NONE)
            }
            (
                Number { negative: s, .. },
                Number {
                    negative: t,
                    units: 0,
                },
            ) => (self.signed(s != t, self.infinity), Flags::DIVIDE_BY_ZERO),
            (
                Number {
                    negative: s,
                    units: m,
                },
                Number {
                    negative: t,
                    units: n,
                },
            ) => self.ratio(integer(s != t, m << self.scale), n, s != t, rm),
            _ => unreachable!(),
        }
    }

    pub(super) fn sqrt(&self, a: Toy, rm: Round) -> Outcome {
        use Toy::{Infinity, Number};
        let undefined = match a {
            Number { negative, units } => negative && units != 0,
            Infinity { negative } => negative,
            _ => false,
        };
        if let Some(outcome) = self.special(&[a], undefined) {
            return outcome;
        }
        match a {
            Number { negative, units: 0 } => (self.signed(negative, 0), Flags::NONE),
            Number { units, .. } => self.round(false, Exact::Root(units << self.scale), rm),
            _ => (self.infinity, Flags::NONE),
        }
    }
}
