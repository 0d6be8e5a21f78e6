//! The timer extension (chapter 6). Supervisor mode has Sstc, so this is its `stimecmp`.

use super::{Answer, Call, SbiError};

pub(super) fn call(call: &mut Call<'_>) -> Answer {
    match call.function {
        0 => set(call),
        _ => Err(SbiError::NotSupported.into()),
    }
}

/// The next timer interrupt comes when `time` reaches `a0`; one that is pending goes away.
pub(super) fn set(call: &mut Call<'_>) -> Answer {
    let time = call.args[0];
    call.hart(call.caller)?.csrs.stimecmp = time;
    Ok(0)
}
