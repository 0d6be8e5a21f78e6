//! Results from the host's FPU, where they are the same to the bit and no flag can be missed.
//!
//! Rust's `+ - * /` and `sqrt` on `f32` and `f64` are IEEE 754 with ties to even on x86-64 (SSE2)
//! and AArch64. The host's flags are out of reach, so the answer is taken only if
//!
//! 1. the mode is `NearestEven`, the host's;
//! 2. the accumulated flags hold NX already, so that it does not matter whether this result is
//!    exact (programs with real arithmetic set it early and rarely clear it);
//! 3. the result's exponent field is neither 0, 1 nor all ones. This alone excludes all other
//!    flags, and every result with a special rule of its own:
//!    - NV: the result would be a NaN. So would it for a NaN operand.
//!    - DZ and OF: in this mode the result would be infinite.
//!    - UF: a tiny result is at most the smallest normal number after rounding, which has field 1.
//!      Fields 0 and 1 are left to the software.
//!
//! Operands need no test: a subnormal one is as exact as any other, and a NaN or infinite one makes
//! a result that condition 3 refuses (infinite, NaN or, for a finite number over infinity, zero).
//!
//! `mul_add` is asked only where it is one instruction: on AArch64, and on x86-64 if the build has
//! the FMA feature (`-C target-feature=+fma` or a `target-cpu` with it). Otherwise it is a call
//! into the C library, and the software is as fast.

use crate::{Flags, Round};

/// Whether conditions 1 and 2 hold on this host.
#[inline]
fn may_ask_host(rm: Round, flags: Flags) -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
        && rm == Round::NearestEven
        && flags.contains(Flags::INEXACT)
}

/// Whether `mul_add` is an instruction of this host.
pub(crate) const HOST_FMA: bool = cfg!(any(
    target_arch = "aarch64",
    all(target_arch = "x86_64", target_feature = "fma")
));

macro_rules! host {
    ($module:ident, $float:ty, $bits:ty, $frac_bits:literal) => {
        /// The operations on this format; `None` means that the software must answer.
        pub(crate) mod $module {
            use super::{HOST_FMA, may_ask_host};
            use crate::{Flags, Round};

            /// Condition 3: the result, if its exponent field is from 2 to all ones less one.
            #[inline]
            fn accept(result: $float) -> Option<$bits> {
                const ONE: $bits = 1 << $frac_bits;
                const ALL_ONES: $bits = <$float>::INFINITY.to_bits();
                let bits = result.to_bits();
                let magnitude = bits & (<$bits>::MAX >> 1);
                (2 * ONE..ALL_ONES).contains(&magnitude).then_some(bits)
            }

            #[inline]
            pub(crate) fn add(a: $bits, b: $bits, rm: Round, flags: Flags) -> Option<$bits> {
                may_ask_host(rm, flags)
                    .then(|| accept(<$float>::from_bits(a) + <$float>::from_bits(b)))?
            }

            #[inline]
            pub(crate) fn sub(a: $bits, b: $bits, rm: Round, flags: Flags) -> Option<$bits> {
                may_ask_host(rm, flags)
                    .then(|| accept(<$float>::from_bits(a) - <$float>::from_bits(b)))?
            }

            #[inline]
            pub(crate) fn mul(a: $bits, b: $bits, rm: Round, flags: Flags) -> Option<$bits> {
                may_ask_host(rm, flags)
                    .then(|| accept(<$float>::from_bits(a) * <$float>::from_bits(b)))?
            }

            #[inline]
            pub(crate) fn div(a: $bits, b: $bits, rm: Round, flags: Flags) -> Option<$bits> {
                may_ask_host(rm, flags)
                    .then(|| accept(<$float>::from_bits(a) / <$float>::from_bits(b)))?
            }

            #[inline]
            pub(crate) fn sqrt(a: $bits, rm: Round, flags: Flags) -> Option<$bits> {
                may_ask_host(rm, flags).then(|| accept(<$float>::from_bits(a).sqrt()))?
            }

            #[inline]
            pub(crate) fn fma(
                a: $bits,
                b: $bits,
                c: $bits,
                rm: Round,
                flags: Flags,
            ) -> Option<$bits> {
                let [a, b, c] = [a, b, c].map(<$float>::from_bits);
                (HOST_FMA && may_ask_host(rm, flags)).then(|| accept(a.mul_add(b, c)))?
            }
        }
    };
}

host!(binary32, f32, u32, 23);
host!(binary64, f64, u64, 52);
