//! Inter-processor interrupts, and remote fences (SBI specification, chapters 7 and 8).

use super::{Answer, Call, SbiError};

pub(super) fn send(call: &mut Call<'_>) -> Answer {
    if call.function != 0 {
        return Err(SbiError::NotSupported.into());
    }
    let [mask, base, ..] = call.args;
    for hart in call.hart_list(mask, base)? {
        call.raise(hart)?;
    }
    Ok(0)
}

mod function {
    pub(super) const FENCE_I: u64 = 0;
    pub(super) const SFENCE_VMA_ASID: u64 = 2;
}

/// Checks the arguments of a remote fence. Nothing else is left to do: the cached blocks and
/// translations of all harts follow stores at once. HFENCE needs the H extension, which is absent.
pub(super) fn remote_fence(call: &mut Call<'_>) -> Answer {
    match call.function {
        function::FENCE_I..=function::SFENCE_VMA_ASID => {
            let [mask, base, ..] = call.args;
            call.hart_list(mask, base)?;
            Ok(0)
        }
        _ => Err(SbiError::NotSupported.into()),
    }
}
