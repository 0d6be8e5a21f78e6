//! An SBI of the machine's own: calls from supervisor mode, served without any firmware.
//!
//! RISC-V Supervisor Binary Interface specification 2.0. A call is one instruction of the guest,
//! whatever it does. It is served between two instructions, so it may change any hart.

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

/// Error codes (chapter 3, "Binary Encoding").
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
    /// The guest gets this error code.
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

/// What a call gives back: `sbiret.value`, or for a legacy call the whole answer.
type Answer = Result<u64, Failure>;

/// Serves the functions of one extension.
type Handler = fn(&mut Call<'_>) -> Answer;

/// The extensions by id (`a7`).
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

/// Legacy extensions have ids up to this one; their calls answer in `a0` alone (chapter 5).
const LAST_LEGACY: u32 = 0x0f;

/// A call, and all that it may touch.
pub(crate) struct Call<'a> {
    pub(crate) harts: &'a mut [Hart],
    pub(crate) devices: &'a mut Devices,
    pub(crate) ram: &'a mut crate::ram::Ram,
    pub(crate) inputs: &'a mut dyn Inputs,
    /// The moment of the call.
    pub(crate) at: Moment,
    /// Virtual time in ns.
    pub(crate) now: u64,
    /// Index of the hart that calls.
    pub(crate) caller: usize,
    /// Which function of the extension (`a6`).
    pub(crate) function: u64,
    /// `a0` to `a5`.
    pub(crate) args: [u64; 6],
    /// What the word at virtual address `a0` is, for legacy calls.
    pub(crate) pointee: Option<u64>,
    /// A hart whose cached translations no longer hold.
    pub(crate) flush: Option<usize>,
}

impl Call<'_> {
    /// Serves the call, a function of this extension (`a7`), and answers the hart that made it.
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

    /// The hart that the guest names by its id.
    fn hart_by_id(&mut self, id: u64) -> Result<(usize, &mut Hart), SbiError> {
        let index = usize::try_from(id).map_err(|_| SbiError::InvalidParam)?;
        Ok((index, self.hart(index)?))
    }

    /// The harts of a mask: bit `n` is hart `base + n`; base -1 names all (chapter 3, "Hart list
    /// parameter").
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

    /// Makes the supervisor software interrupt of a hart pending.
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

/// What firmware sets up before it starts a kernel, as OpenSBI leaves it: all exceptions and
/// supervisor interrupts go to supervisor mode (OpenSBI passes on by hand what it does not
/// delegate), Sstc and the counters are on, memory is open, floating point is on.
const SETUP: [(u16, u64); 8] = [
    (csr::MEDELEG, 0xb1ff),
    (csr::MIDELEG, irq::SUPERVISOR),
    // STCE, and ADUE as at reset.
    (csr::MENVCFG, 1 << 63 | 1 << 61),
    (csr::MCOUNTEREN, u64::MAX),
    (csr::SCOUNTEREN, 7),
    (csr::PMPADDR0, u64::MAX),
    (csr::PMPCFG0, 0x1f),
    (csr::MSTATUS, crate::cpu::mstatus::FS),
];

/// Sets a hart up after power-on: hart 0 starts the kernel at `entry` with the device tree at
/// `fdt`, the others are stopped (chapter 9).
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

/// Puts a hart at the start of supervisor software: `satp` and interrupts off, its id in `a0` and
/// `opaque` in `a1` (table 9.2).
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

/// The offset into RAM of `len` bytes at physical address `address`, if all are there.
fn ram_offset(ram: &crate::ram::Ram, address: PhysAddr, len: u64) -> Option<u64> {
    let offset = address.checked_sub(RAM_BASE)?;
    (offset.checked_add(len)? <= ram.size()).then_some(offset)
}

#[cfg(test)]
mod tests;
