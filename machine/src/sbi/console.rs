//! The debug console extension (SBI specification, chapter 12). It shares input and output with the
//! serial port.

use super::{Answer, Call, SbiError, ram_offset};
use crate::units::PhysAddr;

mod function {
    pub(super) const WRITE: u64 = 0;
    pub(super) const READ: u64 = 1;
    pub(super) const WRITE_BYTE: u64 = 2;
}

/// Most bytes that one call transfers. The guest calls again for the rest.
const MOST: u64 = 1 << 16;

pub(super) fn call(call: &mut Call<'_>) -> Answer {
    match call.function {
        function::WRITE => write(call),
        function::READ => read(call),
        function::WRITE_BYTE => {
            let byte = call.args[0] as u8;
            let (devices, mut cx) = call.context();
            devices.uart.console_write(&[byte], &mut cx)?;
            Ok(0)
        }
        _ => Err(SbiError::NotSupported.into()),
    }
}

/// The buffer that the arguments describe: its offset into RAM, and its length in bytes.
fn buffer(call: &Call<'_>) -> Result<(u64, u64), SbiError> {
    let [len, low, high, ..] = call.args;
    let offset = ram_offset(call.ram, PhysAddr::new(low), len).filter(|_| high == 0);
    let offset = offset.ok_or(SbiError::InvalidParam)?;
    Ok((offset, len.min(MOST)))
}

fn write(call: &mut Call<'_>) -> Answer {
    let (offset, len) = buffer(call)?;
    let bytes = call.ram.get(offset, len as usize);
    let bytes = bytes.ok_or(SbiError::InvalidParam)?.to_vec();
    let (devices, mut cx) = call.context();
    devices.uart.console_write(&bytes, &mut cx)?;
    Ok(len)
}

fn read(call: &mut Call<'_>) -> Answer {
    let (offset, len) = buffer(call)?;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < len {
        match call.devices.uart.console_read() {
            Some(byte) => bytes.push(byte),
            None => break,
        }
    }
    call.ram.write(offset, &bytes);
    Ok(bytes.len() as u64)
}
