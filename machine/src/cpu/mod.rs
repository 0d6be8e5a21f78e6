//! A hart: its architectural state, and the interpreter that is the reference for all semantics.

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
pub(crate) use interp::{Core, Leave, Surroundings};
pub(crate) use mmu::look;
pub(crate) use trap::{Trap, cause};

pub(crate) use block::BlockCache;
pub use block::Execution;
pub(crate) use tlb::{Tlb, Tlbs};

use serde::{Deserialize, Serialize};

/// Privilege modes (Privileged specification 1.12, section 1.2), by their encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mode {
    /// U: applications.
    User = 0,
    /// S: kernels.
    Supervisor = 1,
    /// M: firmware.
    Machine = 3,
}

impl Mode {
    /// The mode with this two-bit encoding; the reserved 2 is none.
    pub fn from_bits(bits: u64) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::User),
            1 => Some(Self::Supervisor),
            3 => Some(Self::Machine),
            _ => None,
        }
    }
}

/// What the SBI's hart state management holds of a hart (SBI specification 2.0, table 9.1). Without an
/// SBI of the machine's own every hart is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Power {
    /// It executes, or waits in WFI.
    Started,
    /// It executes nothing until another hart starts it.
    Stopped,
    /// It waits for an interrupt in a call of the SBI.
    Suspended,
}

/// The architectural state of one hart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hart {
    /// Number of the hart, as in `mhartid`.
    pub id: u8,
    /// Program counter: a virtual address.
    pub pc: u64,
    /// Integer registers; `x[0]` is always zero.
    pub x: [u64; 32],
    /// Floating-point registers; single precision is NaN-boxed.
    pub f: [u64; 32],
    /// Current privilege mode.
    pub mode: Mode,
    /// Waiting in WFI.
    pub waiting: bool,
    /// Whether it executes at all.
    pub power: Power,
    /// Physical address that LR reserved.
    pub reservation: Option<u64>,
    /// Instructions executed, trapping ones included.
    pub steps: u64,
    /// Of these, how many trapped and so did not retire.
    pub trapped: u64,
    /// Control and status registers.
    pub csrs: Csrs,
}

impl Hart {
    /// Hart `id` at power-on: machine mode, at the reset vector.
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

    /// Whether it has an instruction to execute.
    pub(crate) fn runnable(&self) -> bool {
        self.power != Power::Stopped && (!self.waiting || self.wakes())
    }

    /// Writes a CSR as machine mode would, for what stands in for firmware; false if there is none such.
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

    /// Writes an integer register; `x0` stays zero.
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

    /// The mode that loads and stores run in: `MPRV` lends the mode of `MPP` to machine mode.
    pub(crate) fn data_mode(&self) -> Mode {
        let status = self.csrs.mstatus;
        if self.mode == Mode::Machine && status & csr::mstatus::MPRV != 0 {
            Mode::from_bits(status >> csr::mstatus::MPP_SHIFT).unwrap_or(Mode::User)
        } else {
            self.mode
        }
    }
}
