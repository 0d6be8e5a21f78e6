//! binary32: the F extension, on raw bits.

use crate::format::{Binary32, Binary64};

crate::operations::operations!(u32, Binary32, binary32);

/// Converts to binary64 (`fcvt.d.s`), which is always exact. A NaN becomes canonical. A signalling
/// NaN raises NV.
#[inline]
pub fn widen(a: u32, flags: &mut Flags) -> u64 {
    // The conversion is exact, so the rounding mode does not matter.
    convert::to_format::<Binary32, Binary64>(a.into(), Round::NearestEven, flags)
}
