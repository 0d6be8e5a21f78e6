//! The hart state management extension (SBI specification, chapter 9). Start and stop take effect
//! at once, so no state is ever pending.

use super::{Answer, Call, SbiError, enter, ram_offset};
use crate::cpu::Power;
use crate::units::PhysAddr;

mod function {
    pub(super) const START: u64 = 0;
    pub(super) const STOP: u64 = 1;
    pub(super) const STATUS: u64 = 2;
    pub(super) const SUSPEND: u64 = 3;
}

/// Hart states (table 9.1).
mod state {
    pub(super) const STARTED: u64 = 0;
    pub(super) const STOPPED: u64 = 1;
    pub(super) const SUSPENDED: u64 = 4;
}

/// Suspend types (table 9.4), 32 bits wide.
mod suspend_type {
    pub(super) const RETENTIVE: u32 = 0;
    pub(super) const FIRST_OF_PLATFORM: u32 = 0x1000_0000;
    pub(super) const NON_RETENTIVE: u32 = 0x8000_0000;
    pub(super) const FIRST_OF_PLATFORM_NON_RETENTIVE: u32 = 0x9000_0000;
}

pub(super) fn call(call: &mut Call<'_>) -> Answer {
    match call.function {
        function::START => start(call),
        function::STOP => {
            call.hart(call.caller)?.power = Power::Stopped;
            Ok(0)
        }
        function::STATUS => {
            let (_, hart) = call.hart_by_id(call.args[0])?;
            Ok(match hart.power {
                Power::Started => state::STARTED,
                Power::Stopped => state::STOPPED,
                Power::Suspended => state::SUSPENDED,
            })
        }
        function::SUSPEND => suspend(call),
        _ => Err(SbiError::NotSupported.into()),
    }
}

fn start(call: &mut Call<'_>) -> Answer {
    let [id, address, opaque, ..] = call.args;
    let executable =
        address.is_multiple_of(2) && ram_offset(call.ram, PhysAddr::new(address), 2).is_some();
    let (index, hart) = call.hart_by_id(id)?;
    if hart.power != Power::Stopped {
        return Err(SbiError::AlreadyAvailable.into());
    }
    if !executable {
        return Err(SbiError::InvalidAddress.into());
    }
    enter(hart, address, opaque);
    call.flush = Some(index);
    Ok(0)
}

/// Suspends the calling hart. Only the default retentive suspend exists; it acts as WFI.
fn suspend(call: &mut Call<'_>) -> Answer {
    use suspend_type::{
        FIRST_OF_PLATFORM, FIRST_OF_PLATFORM_NON_RETENTIVE, NON_RETENTIVE, RETENTIVE,
    };
    match call.args[0] as u32 {
        RETENTIVE => {
            let hart = call.hart(call.caller)?;
            hart.waiting = true;
            hart.power = Power::Suspended;
            Ok(0)
        }
        FIRST_OF_PLATFORM..=NON_RETENTIVE | FIRST_OF_PLATFORM_NON_RETENTIVE.. => {
            Err(SbiError::NotSupported.into())
        }
        _ => Err(SbiError::InvalidParam.into()),
    }
}
