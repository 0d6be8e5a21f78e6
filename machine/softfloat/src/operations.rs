//! The public operations, defined once for both formats.

/// Defines the public functions of a format: bits of type `$bits`, format `$format`, and the fast
/// path in `$fast`.
macro_rules! operations {
    ($bits:ty, $format:ty, $fast:ident) => {
        use crate::fast::$fast as fast;
        use crate::{Flags, Round, arith, compare, convert};

        /// RISC-V's canonical NaN, the only NaN that an arithmetic operation returns.
        pub const NAN: $bits = <$format as crate::format::Format>::NAN as $bits;

        /// a + b (`fadd`).
        #[inline]
        pub fn add(a: $bits, b: $bits, rm: Round, flags: &mut Flags) -> $bits {
            match fast::add(a, b, rm, *flags) {
                Some(sum) => sum,
                None => arith::add::<$format>(a.into(), b.into(), rm, flags) as $bits,
            }
        }

        /// a - b (`fsub`).
        #[inline]
        pub fn sub(a: $bits, b: $bits, rm: Round, flags: &mut Flags) -> $bits {
            match fast::sub(a, b, rm, *flags) {
                Some(difference) => difference,
                None => arith::sub::<$format>(a.into(), b.into(), rm, flags) as $bits,
            }
        }

        /// a x b (`fmul`).
        #[inline]
        pub fn mul(a: $bits, b: $bits, rm: Round, flags: &mut Flags) -> $bits {
            match fast::mul(a, b, rm, *flags) {
                Some(product) => product,
                None => arith::mul::<$format>(a.into(), b.into(), rm, flags) as $bits,
            }
        }

        /// a / b (`fdiv`).
        #[inline]
        pub fn div(a: $bits, b: $bits, rm: Round, flags: &mut Flags) -> $bits {
            match fast::div(a, b, rm, *flags) {
                Some(quotient) => quotient,
                None => arith::div::<$format>(a.into(), b.into(), rm, flags) as $bits,
            }
        }

        /// The square root of a (`fsqrt`).
        #[inline]
        pub fn sqrt(a: $bits, rm: Round, flags: &mut Flags) -> $bits {
            match fast::sqrt(a, rm, *flags) {
                Some(root) => root,
                None => arith::sqrt::<$format>(a.into(), rm, flags) as $bits,
            }
        }

        /// a x b + c with one rounding (`fmadd`; the three related instructions negate a or c or
        /// both first). Infinity x 0 is invalid even if c is a quiet NaN.
        #[inline]
        pub fn fma(a: $bits, b: $bits, c: $bits, rm: Round, flags: &mut Flags) -> $bits {
            match fast::fma(a, b, c, rm, *flags) {
                Some(sum) => sum,
                None => arith::fma::<$format>(a.into(), b.into(), c.into(), rm, flags) as $bits,
            }
        }

        /// The smaller operand (`fmin`, IEEE 754-2019 minimumNumber). -0 is below +0. If one
        /// operand is a NaN the result is the other one; if both are, it is the canonical NaN. A
        /// signalling NaN is invalid.
        #[inline]
        pub fn min(a: $bits, b: $bits, flags: &mut Flags) -> $bits {
            compare::min::<$format>(a.into(), b.into(), flags) as $bits
        }

        /// The larger operand (`fmax`, IEEE 754-2019 maximumNumber), with the rules of [`min`].
        #[inline]
        pub fn max(a: $bits, b: $bits, flags: &mut Flags) -> $bits {
            compare::max::<$format>(a.into(), b.into(), flags) as $bits
        }

        /// a = b (`feq`). False with a NaN; only a signalling NaN is invalid.
        #[inline]
        pub fn eq(a: $bits, b: $bits, flags: &mut Flags) -> bool {
            compare::eq::<$format>(a.into(), b.into(), flags)
        }

        /// a < b (`flt`). False and invalid with any NaN.
        #[inline]
        pub fn lt(a: $bits, b: $bits, flags: &mut Flags) -> bool {
            compare::lt::<$format>(a.into(), b.into(), flags)
        }

        /// a <= b (`fle`). False and invalid with any NaN.
        #[inline]
        pub fn le(a: $bits, b: $bits, flags: &mut Flags) -> bool {
            compare::le::<$format>(a.into(), b.into(), flags)
        }

        /// The mask of `fclass`: bit 0 negative infinity, 1 negative normal, 2 negative subnormal,
        /// 3 -0, 4 +0, 5 positive subnormal, 6 positive normal, 7 positive infinity, 8 signalling
        /// NaN, 9 quiet NaN.
        #[inline]
        pub fn classify(a: $bits) -> u16 {
            compare::classify::<$format>(a.into())
        }

        /// a with the sign of b (`fsgnj`). NaNs are not treated specially.
        #[inline]
        pub fn sgnj(a: $bits, b: $bits) -> $bits {
            compare::sgnj::<$format>(a.into(), b.into()) as $bits
        }

        /// a with the opposite of b's sign (`fsgnjn`). NaNs are not treated specially.
        #[inline]
        pub fn sgnjn(a: $bits, b: $bits) -> $bits {
            compare::sgnjn::<$format>(a.into(), b.into()) as $bits
        }

        /// a with the exclusive or of both signs (`fsgnjx`). NaNs are not treated specially.
        #[inline]
        pub fn sgnjx(a: $bits, b: $bits) -> $bits {
            compare::sgnjx::<$format>(a.into(), b.into()) as $bits
        }

        /// Converts to a signed 32-bit integer (`fcvt.w`). A value out of range saturates, and a
        /// NaN gives the largest integer; both are invalid.
        #[inline]
        pub fn to_i32(a: $bits, rm: Round, flags: &mut Flags) -> i32 {
            let (min, max) = (i32::MIN.into(), i32::MAX.into());
            convert::to_int::<$format>(a.into(), rm, min, max, flags) as i32
        }

        /// Converts to an unsigned 32-bit integer (`fcvt.wu`), with the rules of [`to_i32`]. The
        /// caller sign-extends it for a 64-bit register.
        #[inline]
        pub fn to_u32(a: $bits, rm: Round, flags: &mut Flags) -> u32 {
            convert::to_int::<$format>(a.into(), rm, 0, u32::MAX.into(), flags) as u32
        }

        /// Converts to a signed 64-bit integer (`fcvt.l`), with the rules of [`to_i32`].
        #[inline]
        pub fn to_i64(a: $bits, rm: Round, flags: &mut Flags) -> i64 {
            let (min, max) = (i64::MIN.into(), i64::MAX.into());
            convert::to_int::<$format>(a.into(), rm, min, max, flags) as i64
        }

        /// Converts to an unsigned 64-bit integer (`fcvt.lu`), with the rules of [`to_i32`].
        #[inline]
        pub fn to_u64(a: $bits, rm: Round, flags: &mut Flags) -> u64 {
            convert::to_int::<$format>(a.into(), rm, 0, u64::MAX.into(), flags) as u64
        }

        /// Converts from a signed 32-bit integer (`fcvt` from `w`).
        #[inline]
        pub fn from_i32(n: i32, rm: Round, flags: &mut Flags) -> $bits {
            from_i64(n.into(), rm, flags)
        }

        /// Converts from an unsigned 32-bit integer (`fcvt` from `wu`).
        #[inline]
        pub fn from_u32(n: u32, rm: Round, flags: &mut Flags) -> $bits {
            from_u64(n.into(), rm, flags)
        }

        /// Converts from a signed 64-bit integer (`fcvt` from `l`).
        #[inline]
        pub fn from_i64(n: i64, rm: Round, flags: &mut Flags) -> $bits {
            convert::from_int::<$format>(n < 0, n.unsigned_abs(), rm, flags) as $bits
        }

        /// Converts from an unsigned 64-bit integer (`fcvt` from `lu`).
        #[inline]
        pub fn from_u64(n: u64, rm: Round, flags: &mut Flags) -> $bits {
            convert::from_int::<$format>(false, n, rm, flags) as $bits
        }
    };
}

pub(crate) use operations;
