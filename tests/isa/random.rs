//! The random numbers of the generator: splitmix64, so that a seed gives the same streams on every
//! host, and operands that are more useful than uniform ones.

#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn u32(&mut self) -> u32 {
        (self.u64() >> 32) as u32
    }

    /// A number less than `n`, which is not 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(n)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn range(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A value for a register, integer or floating-point.
    pub(crate) fn operand(&mut self) -> u64 {
        match self.below(10) {
            0 => self.u64(),
            1 => 1 << self.below(64),
            2 => u64::MAX << self.below(64),
            3 => self.range(-16, 16) as u64,
            4 => self.u32() as i32 as u64,
            5 | 6 => self.double(),
            7 | 8 => 0xffff_ffff_0000_0000 | u64::from(self.single()),
            // A small multiple of 1/4: sums and conversions are often exact, or just not exact.
            _ => (self.range(-4096, 4096) as f64 / 4.0).to_bits(),
        }
    }

    fn double(&mut self) -> u64 {
        let sign = self.u64() << 63;
        let fraction = self.fraction(52);
        let exponent = match self.below(8) {
            0 => 0,
            1 => 0x7ff,
            2 => 0x7fe,
            3 => 1,
            // Exponents near the overflow of conversions to integers.
            4 => 0x3ff + self.pick(&[31, 32, 63, 64]),
            // Exponents near overflow, underflow and the last bit of single precision.
            5 => self.pick(&[0x3ff + 127, 0x3ff + 128, 0x3ff - 126, 0x3ff - 127]),
            6 => 0x3ff - self.below(160),
            _ => 0x3ff + self.below(64),
        };
        sign | exponent << 52 | fraction
    }

    fn single(&mut self) -> u32 {
        let sign = self.u32() << 31;
        let fraction = self.fraction(23) as u32;
        let exponent = match self.below(6) {
            0 => 0,
            1 => 0xff,
            2 => 0xfe,
            3 => 1,
            4 => 0x7f + self.pick(&[31, 32, 63, 64]),
            _ => 0x7f - 24 + self.below(48) as u32,
        };
        sign | exponent << 23 | fraction
    }

    fn fraction(&mut self, bits: u32) -> u64 {
        let all = (1 << bits) - 1;
        match self.below(6) {
            0 => 0,
            1 => all,
            2 => 1,
            3 => 1 << (bits - 1),
            4 => all & all << self.below(u64::from(bits)),
            _ => self.u64() & all,
        }
    }
}
