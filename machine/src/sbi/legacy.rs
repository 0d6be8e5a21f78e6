//! The legacy extensions (SBI specification, chapter 5). Each has one function, with its result in
//! `a0`.

use super::{Answer, Call, SbiError, timer};
use crate::cpu::irq;
use crate::device::test_finisher::Request;

pub(super) fn set_timer(call: &mut Call<'_>) -> Answer {
    timer::set(call)
}

pub(super) fn console_putchar(call: &mut Call<'_>) -> Answer {
    let byte = call.args[0] as u8;
    let (devices, mut cx) = call.context();
    devices.uart.console_write(&[byte], &mut cx)?;
    Ok(0)
}

/// Returns a received byte, or -1 if there is none.
pub(super) fn console_getchar(call: &mut Call<'_>) -> Answer {
    Ok(call.devices.uart.console_read().map_or(u64::MAX, u64::from))
}

/// Clears the hart's own software interrupt. Returns whether it was pending.
pub(super) fn clear_ipi(call: &mut Call<'_>) -> Answer {
    let csrs = &mut call.hart(call.caller)?.csrs;
    let pending = csrs.mip_written & irq::SSI != 0;
    csrs.mip_written &= !irq::SSI;
    Ok(u64::from(pending))
}

pub(super) fn send_ipi(call: &mut Call<'_>) -> Answer {
    for hart in targets(call)? {
        call.raise(hart)?;
    }
    Ok(0)
}

/// Does nothing: see [`super::ipi::remote_fence`].
pub(super) fn remote_fence(call: &mut Call<'_>) -> Answer {
    targets(call).map_err(Into::into).map(|_| 0)
}

pub(super) fn shutdown(call: &mut Call<'_>) -> Answer {
    call.devices.finisher.request = Some(Request::PowerOff);
    Ok(0)
}

/// The harts in the mask that `a0` points to. A null pointer selects all harts.
fn targets(call: &Call<'_>) -> Result<Vec<usize>, SbiError> {
    match (call.args[0], call.pointee) {
        (0, _) => call.hart_list(0, u64::MAX),
        (_, Some(mask)) => call.hart_list(mask, 0),
        (_, None) => Err(SbiError::InvalidAddress),
    }
}
