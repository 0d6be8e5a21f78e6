//! The machine's own SBI: it handles ECALL from S-mode without firmware (RISC-V Supervisor Binary
//! Interface specification 2.0).
//!
//! A call counts as one instruction of the guest. It is handled between two instructions, so it may
//! change any hart.

mod base;
mod console;
mod hsm;
mod ipi;
mod legacy;
mod reset;
mod timer;

use crate::bus::{Devices, RAM_BASE};
use crate::cpu::{Hart, Mode, Power, irq};
use crate::device::Context;
use crate::inputs::{Halted, Inputs, Moment};
use crate::units::PhysAddr;
use riscv_isa::csr;

/// SBI error codes (chapter 3, "Binary Encoding").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SbiError {
    NotSupported = -2,
    InvalidParam = -3,
    InvalidAddress = -5,
    AlreadyAvailable = -6,
}

/// Why a call did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The guest receives this error code.
    Error(SbiError),
    /// The engine stopped the machine.
    Halted,
}

impl From<SbiError> for Failure {
    fn from(error: SbiError) -> Self {
        Self::Error(error)
    }
}

impl From<Halted> for Failure {
    fn from(_: Halted) -> Self {
        Self::Halted
    }
}

/// The result of a call: `sbiret.value`, or `a0` of a legacy call.
type Answer = Result<u64, Failure>;

/// Handles the functions of one extension.
type Handler = fn(&mut Call<'_>) -> Answer;

/// The handlers of the extensions, by extension id (`a7`).
const EXTENSIONS: [(u32, Handler); 16] = [
    (0x00, legacy::set_timer),
    (0x01, legacy::console_putchar),
    (0x02, legacy::console_getchar),
    (0x03, legacy::clear_ipi),
    (0x04, legacy::send_ipi),
    (0x05, legacy::remote_fence),
    (0x06, legacy::remote_fence),
    (0x07, legacy::remote_fence),
    (0x08, legacy::shutdown),
    (0x10, base::call),
    (0x0048_534d, hsm::call),
    (0x0073_5049, ipi::send),
    (0x4442_434e, console::call),
    (0x5246_4e43, ipi::remote_fence),
    (0x5352_5354, reset::call),
    (0x5449_4d45, timer::call),
];

/// The highest extension id of a legacy extension. Legacy calls return only `a0` (chapter 5).
const LAST_LEGACY: u32 = 0x0f;

/// A call, with the parts of the machine that it may change.
pub(crate) struct Call<'a> {
    pub(crate) harts: &'a mut [Hart],
    pub(crate) devices: &'a mut Devices,
    pub(crate) ram: &'a mut crate::ram::Ram,
    pub(crate) inputs: &'a mut dyn Inputs,
    /// The point of the run at which the call is made.
    pub(crate) at: Moment,
    /// Virtual time in ns.
    pub(crate) now: u64,
    /// Index of the calling hart.
    pub(crate) caller: usize,
    /// Function id (`a6`).
    pub(crate) function: u64,
    /// Arguments, `a0` to `a5`.
    pub(crate) args: [u64; 6],
    /// The 8 bytes at virtual address `a0`, for legacy calls; `None` if they are not in memory.
    pub(crate) pointee: Option<u64>,
    /// Index of a hart whose cached translations must be flushed after the call.
    pub(crate) flush: Option<usize>,
}

impl Call<'_> {
    /// Handles the call for the extension with this id (`a7`), and writes the result to `a0` and
    /// `a1`.
    pub(crate) fn serve(&mut self, extension: u32) -> Result<(), Halted> {
        let answer = match handler(extension) {
            Some(handler) => handler(self),
            None => Err(Failure::Error(SbiError::NotSupported)),
        };
        let (error, value) = match answer {
            Ok(value) => (0, value),
            Err(Failure::Error(error)) => (i64::from(error as i32) as u64, 0),
            Err(Failure::Halted) => return Err(Halted),
        };
        if let Some(hart) = self.harts.get_mut(self.caller) {
            if extension <= LAST_LEGACY {
                hart.set_x(10, if error == 0 { value } else { error });
            } else {
                hart.set_x(10, error);
                hart.set_x(11, value);
            }
        }
        Ok(())
    }

    fn hart(&mut self, index: usize) -> Result<&mut Hart, SbiError> {
        self.harts.get_mut(index).ok_or(SbiError::InvalidParam)
    }

    /// The hart with this id, and its index.
    fn hart_by_id(&mut self, id: u64) -> Result<(usize, &mut Hart), SbiError> {
        let index = usize::try_from(id).map_err(|_| SbiError::InvalidParam)?;
        Ok((index, self.hart(index)?))
    }

    /// The indices of the harts in a mask: bit `n` selects hart `base + n`. A `base` of -1 selects
    /// all harts (chapter 3, "Hart list parameter").
    fn hart_list(&self, mask: u64, base: u64) -> Result<Vec<usize>, SbiError> {
        if base == u64::MAX {
            return Ok((0..self.harts.len()).collect());
        }
        let bits = (0..64u64).filter(|bit| mask >> bit & 1 != 0);
        let index = |bit: u64| {
            let index = usize::try_from(base.checked_add(bit)?).ok()?;
            (index < self.harts.len()).then_some(index)
        };
        bits.map(|bit| index(bit).ok_or(SbiError::InvalidParam))
            .collect()
    }

    /// Makes the supervisor software interrupt of a hart pending (`sip.SSIP`).
    fn raise(&mut self, hart: usize) -> Result<(), SbiError> {
        self.hart(hart)?.csrs.mip_written |= irq::SSI;
        Ok(())
    }

    fn context(&mut self) -> (&mut Devices, Context<'_>) {
        let cx = Context {
            now: self.now,
            at: self.at,
            inputs: self.inputs,
        };
        (self.devices, cx)
    }
}

fn handler(extension: u32) -> Option<Handler> {
    let found = EXTENSIONS.iter().find(|(id, _)| *id == extension);
    found.map(|(_, handler)| *handler)
}

/// The CSRs that firmware sets before it starts a kernel, with OpenSBI's values. Exceptions and
/// supervisor interrupts are delegated to S-mode. (OpenSBI delegates some and forwards the others
/// by software.) Sstc, the counters and floating point are enabled, and PMP permits all of memory.
const SETUP: [(u16, u64); 8] = [
    (csr::MEDELEG, 0xb1ff),
    (csr::MIDELEG, irq::SUPERVISOR),
    // STCE; and ADUE, which is set at reset too.
    (csr::MENVCFG, 1 << 63 | 1 << 61),
    (csr::MCOUNTEREN, u64::MAX),
    (csr::SCOUNTEREN, 7),
    (csr::PMPADDR0, u64::MAX),
    (csr::PMPCFG0, 0x1f),
    (csr::MSTATUS, crate::cpu::mstatus::FS),
];

/// Sets up a hart at power-on. Hart 0 starts the kernel at `entry` with the devicetree at `fdt` in
/// `a1`; the other harts are stopped (chapter 9).
pub(crate) fn power_on(hart: &mut Hart, entry: PhysAddr, fdt: PhysAddr) {
    for (number, value) in SETUP {
        let exists = hart.set_csr(number, value);
        debug_assert!(exists, "CSR {number:#x}");
    }
    enter(hart, entry.get(), fdt.get());
    if hart.id != 0 {
        hart.power = Power::Stopped;
    }
}

/// Puts a hart at the entry of supervisor software: `satp` is zero, interrupts are disabled, `a0`
/// is the hart id, and `a1` is `opaque` (table 9.2).
fn enter(hart: &mut Hart, pc: u64, opaque: u64) {
    hart.pc = pc;
    hart.mode = Mode::Supervisor;
    hart.set_x(10, u64::from(hart.id));
    hart.set_x(11, opaque);
    hart.csrs.satp = 0;
    hart.csrs.mstatus &= !crate::cpu::mstatus::SIE;
    hart.csrs.mie = 0;
    hart.csrs.mip_written = 0;
    hart.csrs.stimecmp = u64::MAX;
    hart.waiting = false;
    hart.reservation = None;
    hart.power = Power::Started;
}

/// The offset into RAM of the `len` bytes at physical address `address`; `None` if they are not all
/// in RAM.
fn ram_offset(ram: &crate::ram::Ram, address: PhysAddr, len: u64) -> Option<u64> {
    let offset = address.checked_sub(RAM_BASE)?;
    (offset.checked_add(len)? <= ram.size()).then_some(offset)
}

#[cfg(test)]
mod tests;
