//! binary64: the D extension, on raw bits.

use crate::format::{Binary32, Binary64};

crate::operations::operations!(u64, Binary64, binary64);

/// Converts to binary32 (`fcvt.s.d`). A NaN becomes canonical. A signalling NaN raises NV.
#[inline]
pub fn narrow(a: u64, rm: Round, flags: &mut Flags) -> u32 {
    convert::to_format::<Binary64, Binary32>(a, rm, flags) as u32
}
