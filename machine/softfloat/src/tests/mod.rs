//! Tests that use private functions: the generic code on tiny formats, exhaustively (`toy`), and
//! the fast path against the software (`both_ways`). Tests of the public functions are in `tests/`.

mod both_ways;
mod toy;
mod toy_operations;
mod toy_reference;

/// Whether `RR_LONG_TESTS` requests long runs.
fn long() -> bool {
    std::env::var_os("RR_LONG_TESTS").is_some()
}

/// A random generator for operands (xorshift64*, Vigna 2016). The seed must not be 0.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
}
