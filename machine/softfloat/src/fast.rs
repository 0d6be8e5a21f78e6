//! The fast path: results of the host's FPU, where they are equal to the bit and no flag is lost.
//!
//! Rust's `+ - * /` and `sqrt` on `f32` and `f64` are IEEE 754 with ties to even on x86-64 (SSE2)
//! and AArch64. The host's flags are not accessible, so a result is used only if
//!
//! 1. the rounding mode is `NearestEven`, which is the host's;
//! 2. the accrued flags already contain NX, so that it does not matter whether this result is exact
//!    (numerical programs set it early and rarely clear it);
//! 3. the exponent field of the result is neither 0, 1 nor all ones. This excludes all other flags,
//!    and every result with a special rule:
//!    - NV: the result would be a NaN. A NaN operand gives a NaN too.
//!    - DZ and OF: the result would be infinite in this mode.
//!    - UF: a tiny result is at most the smallest normal number after rounding, with field 1.
//!
//! Operands need no check. A subnormal operand is exact like any other. A NaN or an infinity gives
//! a result that condition 3 rejects: infinite, NaN, or zero (a finite number over infinity).
//!
//! `mul_add` is used only where it is one instruction: on AArch64, and on x86-64 if the build has
//! the FMA feature (`-C target-feature=+fma` or a `target-cpu` with it). Otherwise it calls the C
//! library, which is no faster than the software.

use crate::{Flags, Round};

/// Whether conditions 1 and 2 hold on this host.
#[inline]
fn may_ask_host(rm: Round, flags: Flags) -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
        && rm == Round::NearestEven
        && flags.contains(Flags::INEXACT)
}

/// Whether the host has an instruction for `mul_add`.
pub(crate) const HOST_FMA: bool = cfg!(any(
    target_arch = "aarch64",
    all(target_arch = "x86_64", target_feature = "fma")
));

macro_rules! host {
    ($module:ident, $float:ty, $bits:ty, $frac_bits:literal) => {
        /// The operations of the fast path on this format. `None`: use the software.
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
