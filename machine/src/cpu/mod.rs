//! A hart: its architectural state, and the interpreter, which is the reference for all
//! instructions.

mod amo;
mod block;
mod breakpoint;
mod csr;
mod fp;
mod interp;
mod mem;
mod mmu;
mod pmp;
mod system;
mod tier;
mod tlb;
mod trap;

pub use csr::Csrs;
pub(crate) use csr::{irq, mstatus};
pub(crate) use interp::{Core, Environment, Leave};
pub(crate) use mmu::look;
pub(crate) use trap::{Trap, cause};

pub(crate) use block::BlockCache;
pub use block::Execution;
pub(crate) use tlb::{Tlb, Tlbs};

use serde::{Deserialize, Serialize};

/// Privilege modes by their encoding (privileged specification 1.12, section 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mode {
    /// U-mode: applications.
    User = 0,
    /// S-mode: kernels.
    Supervisor = 1,
    /// M-mode: firmware.
    Machine = 3,
}

impl Mode {
    /// The mode with this two-bit encoding; `None` for the reserved encoding 2.
    pub fn from_bits(bits: u64) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::User),
            1 => Some(Self::Supervisor),
            3 => Some(Self::Machine),
            _ => None,
        }
    }
}

/// State of a hart in SBI hart state management (SBI specification 2.0, table 9.1). Without the
/// machine's own SBI every hart is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Power {
    /// The hart executes, or waits in WFI.
    Started,
    /// The hart executes nothing until another hart starts it.
    Stopped,
    /// The hart waits for an interrupt in an SBI call.
    Suspended,
}

/// The architectural state of one hart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hart {
    /// Hart id, as in `mhartid`.
    pub id: u8,
    /// Program counter, a virtual address.
    pub pc: u64,
    /// Integer registers. `x[0]` is always zero.
    pub x: [u64; 32],
    /// Floating-point registers. Single-precision values are NaN-boxed.
    pub f: [u64; 32],
    /// Privilege mode.
    pub mode: Mode,
    /// The hart waits in WFI.
    pub waiting: bool,
    /// Whether it is started, stopped or suspended.
    pub power: Power,
    /// Physical address of the reservation set of LR; `None` without a reservation.
    pub reservation: Option<u64>,
    /// Number of executed instructions, including those that trapped.
    pub steps: u64,
    /// Number of executed instructions that trapped and so did not retire.
    pub trapped: u64,
    /// Control and status registers.
    pub csrs: Csrs,
}

impl Hart {
    /// Hart `id` at power-on: in M-mode, at the reset vector (a physical address).
    pub fn new(id: u8, reset_vector: u64) -> Self {
        Self {
            id,
            pc: reset_vector,
            x: [0; 32],
            f: [0; 32],
            mode: Mode::Machine,
            waiting: false,
            power: Power::Started,
            reservation: None,
            steps: 0,
            trapped: 0,
            csrs: Csrs::new(),
        }
    }

    /// Whether the hart can execute an instruction.
    pub(crate) fn runnable(&self) -> bool {
        self.power != Power::Stopped && (!self.waiting || self.wakes())
    }

    /// Writes a CSR as from M-mode, for the machine's own SBI. Returns false if there is no such
    /// CSR.
    pub(crate) fn set_csr(&mut self, number: u16, value: u64) -> bool {
        let cx = csr::CsrContext {
            mode: Mode::Machine,
            hart: self.id,
            steps: self.steps,
            retired: self.steps.wrapping_sub(self.trapped),
            time: 0,
        };
        self.csrs.write(number, value, &cx).is_ok()
    }

    /// Writes an integer register. A write to `x0` has no effect.
    #[inline(always)]
    pub(crate) fn set_x(&mut self, index: u8, value: u64) {
        self.x[usize::from(index & 31)] = value;
        self.x[0] = 0;
    }

    /// Reads an integer register.
    #[inline(always)]
    pub(crate) fn get_x(&self, index: u8) -> u64 {
        self.x[usize::from(index & 31)]
    }

    /// The privilege mode of loads and stores: that in `MPP` if `MPRV` is set.
    pub(crate) fn data_mode(&self) -> Mode {
        let status = self.csrs.mstatus;
        if self.mode == Mode::Machine && status & csr::mstatus::MPRV != 0 {
            Mode::from_bits(status >> csr::mstatus::MPP_SHIFT).unwrap_or(Mode::User)
        } else {
            self.mode
        }
    }
}
