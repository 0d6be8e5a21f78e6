//! Binary interchange formats (IEEE 754-2019, 3.4), and unpacking.

/// A binary format of at most 64 bits. Its bits are right-aligned in a `u64`, with zeroes above.
pub(crate) trait Format {
    /// Width of the exponent field, 2 to 11.
    const EXP_BITS: u32;
    /// Width of the fraction field, 1 to 52.
    const FRAC_BITS: u32;

    /// Whether quotient and root need 128 bits. 64 bits suffice for a fraction of up to 29 bits.
    const WIDE: bool = Self::FRAC_BITS > 29;

    /// The bias of the exponent field.
    const BIAS: i32 = (1 << (Self::EXP_BITS - 1)) - 1;
    /// The exponent field of infinities and NaNs.
    const MAX_FIELD: u64 = (1 << Self::EXP_BITS) - 1;
    /// The fraction field, all ones.
    const FRAC_MASK: u64 = (1 << Self::FRAC_BITS) - 1;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::EXP_BITS + Self::FRAC_BITS);
    /// Plus infinity.
    const INFINITY: u64 = Self::MAX_FIELD << Self::FRAC_BITS;
    /// The fraction bit that is set in a quiet NaN and clear in a signalling one.
    const QUIET: u64 = 1 << (Self::FRAC_BITS - 1);
    /// RISC-V's canonical NaN, the only NaN that arithmetic returns.
    const NAN: u64 = Self::INFINITY | Self::QUIET;
}

/// binary32.
pub(crate) struct Binary32;
impl Format for Binary32 {
    const EXP_BITS: u32 = 8;
    const FRAC_BITS: u32 = 23;
}

/// binary64.
pub(crate) struct Binary64;
impl Format for Binary64 {
    const EXP_BITS: u32 = 11;
    const FRAC_BITS: u32 = 52;
}

/// A finite number other than zero: (-1)^sign x sig / 2^63 x 2^exp.
#[derive(Clone, Copy)]
pub(crate) struct Finite {
    pub(crate) sign: bool,
    pub(crate) exp: i32,
    /// The significand, left-aligned: bit 63 is set, also for a number that is subnormal in its
    /// format. After `unpack` at least the low 11 bits are zero.
    pub(crate) sig: u64,
}

/// The value of a bit pattern.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    Zero { sign: bool },
    Finite(Finite),
    Infinite { sign: bool },
    Nan { signalling: bool },
}

#[inline]
pub(crate) fn unpack<F: Format>(bits: u64) -> Value {
    let sign = bits & F::SIGN != 0;
    let field = (bits >> F::FRAC_BITS) & F::MAX_FIELD;
    let frac = bits & F::FRAC_MASK;
    if field == F::MAX_FIELD {
        return if frac == 0 {
            Value::Infinite { sign }
        } else {
            Value::Nan {
                signalling: frac & F::QUIET == 0,
            }
        };
    }
    if field != 0 {
        let sig = 1 << 63 | frac << (63 - F::FRAC_BITS);
        return Value::Finite(Finite {
            sign,
            exp: field as i32 - F::BIAS,
            sig,
        });
    }
    if frac == 0 {
        return Value::Zero { sign };
    }
    // Subnormal: the unit of the fraction is 2^(1 - BIAS - FRAC_BITS).
    let zeros = frac.leading_zeros();
    let exp = 1 - F::BIAS + (63 - F::FRAC_BITS as i32) - zeros as i32;
    Value::Finite(Finite {
        sign,
        exp,
        sig: frac << zeros,
    })
}

#[inline]
pub(crate) fn sign_bit<F: Format>(sign: bool) -> u64 {
    if sign { F::SIGN } else { 0 }
}

#[inline]
pub(crate) fn is_nan<F: Format>(bits: u64) -> bool {
    bits & !F::SIGN > F::INFINITY
}

#[inline]
pub(crate) fn is_signalling<F: Format>(bits: u64) -> bool {
    is_nan::<F>(bits) && bits & F::QUIET == 0
}
