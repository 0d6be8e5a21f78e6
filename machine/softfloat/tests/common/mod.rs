//! Operands at and near special cases, for both formats.
#![allow(dead_code, reason = "each test file uses its part")]

/// The widths of a format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widths {
    /// Width of the exponent field.
    pub(crate) exp: u32,
    /// Width of the fraction field.
    pub(crate) frac: u32,
}

/// binary32.
pub(crate) const SINGLE: Widths = Widths { exp: 8, frac: 23 };
/// binary64.
pub(crate) const DOUBLE: Widths = Widths { exp: 11, frac: 52 };

/// A random generator (xorshift64*, Vigna 2016). The seed must not be 0.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
}

/// The number of repetitions: a hundred times `n` if `RR_LONG_TESTS` is set.
pub(crate) fn repeat(n: u64) -> u64 {
    if std::env::var_os("RR_LONG_TESTS").is_some() {
        n * 100
    } else {
        n
    }
}

impl Widths {
    /// The sign bit.
    pub(crate) fn sign(self) -> u64 {
        1 << (self.exp + self.frac)
    }

    /// Plus infinity.
    pub(crate) fn infinity(self) -> u64 {
        ((1 << self.exp) - 1) << self.frac
    }

    /// The canonical NaN.
    pub(crate) fn nan(self) -> u64 {
        self.infinity() | 1 << (self.frac - 1)
    }

    /// The positive numbers next to every boundary, infinity, and both kinds of NaN; each also
    /// negated.
    pub(crate) fn specials(self) -> Vec<u64> {
        let one = ((1u64 << (self.exp - 1)) - 1) << self.frac;
        let inf = self.infinity();
        let ulp = 1u64 << self.frac;
        let mut list = vec![
            0,
            1,
            2,
            3,
            ulp / 2,
            ulp - 2,
            ulp - 1,
            ulp,
            ulp + 1,
            2 * ulp - 1,
        ];
        list.extend([
            2 * ulp,
            2 * ulp + 1,
            one - ulp,
            one - 2,
            one - 1,
            one,
            one + 1,
            one + 2,
        ]);
        list.extend([one + ulp / 2, one + ulp - 1, one + ulp, one + 2 * ulp]);
        list.extend([
            one + (self.frac as u64) * ulp,
            one + (self.frac as u64 + 1) * ulp,
        ]);
        list.extend([
            inf - 2 * ulp,
            inf - ulp - 1,
            inf - ulp,
            inf - ulp / 2,
            inf - 2,
            inf - 1,
        ]);
        list.extend([
            inf,
            inf + 1,
            self.nan() - 1,
            self.nan(),
            self.nan() + 1,
            inf + ulp - 1,
        ]);
        for n in [31u64, 32, 63, 64] {
            let power = one + n * ulp;
            list.extend([power - ulp - 1, power - 2, power - 1, power, power + 1]);
        }
        let negated = list.clone().into_iter().map(|x| x | self.sign());
        list.extend(negated);
        list
    }

    /// A random operand: special, uniform, near a boundary, near `other`'s exponent, subnormal, or
    /// a small integer. Its fraction often has few bits set or few bits clear.
    pub(crate) fn operand(self, rng: &mut Rng, other: u64) -> u64 {
        let max_field = (1u64 << self.exp) - 1;
        let frac_mask = (1u64 << self.frac) - 1;
        let bias = max_field / 2;
        let near = |x: u64, rng: &mut Rng, by: u64| {
            x.saturating_add_signed(rng.below(2 * by + 1) as i64 - by as i64)
                .min(max_field)
        };
        let field = match rng.below(9) {
            0 => {
                let specials = self.specials();
                return specials[rng.below(specials.len() as u64) as usize];
            }
            1 => 0,
            2 => rng.below(4),
            3 => max_field - rng.below(3),
            4 => near(other >> self.frac & max_field, rng, 3),
            5 => near(
                other >> self.frac & max_field,
                rng,
                u64::from(self.frac) + 4,
            ),
            6 => near(bias, rng, 70),
            // The product with `other` is near the underflow threshold.
            7 => near(bias.saturating_sub(other >> self.frac & max_field), rng, 30),
            _ => rng.below(max_field + 1),
        };
        let bits = u64::from(self.frac);
        let frac = match rng.below(5) {
            0 => rng.next() << (bits - rng.below(bits)),
            1 => frac_mask << rng.below(bits),
            2 => (1 << rng.below(bits)) ^ (1 << rng.below(bits)),
            3 => (1 << rng.below(bits)) - 1,
            _ => rng.next(),
        };
        rng.below(2) << (self.exp + self.frac) | field << self.frac | (frac & frac_mask)
    }
}
