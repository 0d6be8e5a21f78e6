//! The base extension (SBI specification, chapter 4).

use super::{Answer, Call, SbiError, handler};

/// Version 2.0 of the specification: the major version is in bits 30:24.
const SPEC_VERSION: u64 = 2 << 24;
/// The implementation id "rr". It is not in the specification's list (chapter 4, table 4).
const IMPLEMENTATION: u64 = 0x7272;
const IMPLEMENTATION_VERSION: u64 = 1;

mod function {
    pub(super) const SPEC_VERSION: u64 = 0;
    pub(super) const IMPLEMENTATION: u64 = 1;
    pub(super) const IMPLEMENTATION_VERSION: u64 = 2;
    pub(super) const PROBE_EXTENSION: u64 = 3;
    pub(super) const MVENDORID: u64 = 4;
    pub(super) const MIMPID: u64 = 6;
}

pub(super) fn call(call: &mut Call<'_>) -> Answer {
    Ok(match call.function {
        function::SPEC_VERSION => SPEC_VERSION,
        function::IMPLEMENTATION => IMPLEMENTATION,
        function::IMPLEMENTATION_VERSION => IMPLEMENTATION_VERSION,
        function::PROBE_EXTENSION => u64::from(handler(call.args[0] as u32).is_some()),
        // Zero, as in the CSRs of that name.
        function::MVENDORID..=function::MIMPID => 0,
        _ => return Err(SbiError::NotSupported.into()),
    })
}
