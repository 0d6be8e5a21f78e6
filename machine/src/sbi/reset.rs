//! The system reset extension (SBI specification, chapter 10).

use super::{Answer, Call, SbiError};
use crate::device::test_finisher::Request;

/// Reset types (table 10.1), 32 bits wide.
mod reset_type {
    pub(super) const SHUTDOWN: u32 = 0;
    pub(super) const COLD_REBOOT: u32 = 1;
    pub(super) const WARM_REBOOT: u32 = 2;
    pub(super) const FIRST_OF_VENDOR: u32 = 0xf000_0000;
}

/// Reset reasons (table 10.2), 32 bits wide.
mod reason {
    pub(super) const NONE: u32 = 0;
    pub(super) const SYSTEM_FAILURE: u32 = 1;
    pub(super) const FIRST_OF_SBI: u32 = 0xe000_0000;
}

/// The exit code of a shutdown with the reason "system failure".
const FAILURE_CODE: u16 = 1;

pub(super) fn call(call: &mut Call<'_>) -> Answer {
    if call.function != 0 {
        return Err(SbiError::NotSupported.into());
    }
    let [kind, reason, ..] = call.args.map(|arg| arg as u32);
    let failed = match reason {
        reason::NONE | reason::FIRST_OF_SBI.. => false,
        reason::SYSTEM_FAILURE => true,
        _ => return Err(SbiError::InvalidParam.into()),
    };
    let request = match kind {
        reset_type::SHUTDOWN if failed => Request::Fail(FAILURE_CODE),
        reset_type::SHUTDOWN => Request::PowerOff,
        reset_type::COLD_REBOOT | reset_type::WARM_REBOOT => Request::Reset,
        reset_type::FIRST_OF_VENDOR.. => return Err(SbiError::NotSupported.into()),
        _ => return Err(SbiError::InvalidParam.into()),
    };
    call.devices.finisher.request = Some(request);
    Ok(0)
}
