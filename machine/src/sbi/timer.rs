//! The timer extension (SBI specification, chapter 6). With Sstc it sets `stimecmp`.

use super::{Answer, Call, SbiError};

pub(super) fn call(call: &mut Call<'_>) -> Answer {
    match call.function {
        0 => set(call),
        _ => Err(SbiError::NotSupported.into()),
    }
}

/// Sets the time of the next timer interrupt to `a0`, in ticks of `time`. It clears a pending one.
pub(super) fn set(call: &mut Call<'_>) -> Answer {
    let time = call.args[0];
    call.hart(call.caller)?.csrs.stimecmp = time;
    Ok(0)
}
