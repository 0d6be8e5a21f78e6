//! Traps: entry and return, and the selection of interrupts (privileged specification 1.12,
//! sections 3.1.6 to 3.1.9, 3.3.2 and 4.1).

use super::csr::{irq, mstatus};
use super::{Hart, Mode};
use crate::inputs::Halted;
use riscv_isa::cause::interrupt;

/// Why an instruction did not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trap {
    /// A synchronous exception.
    Exception {
        /// Exception code in `mcause` or `scause`.
        cause: u64,
        /// Value of `mtval` or `stval`.
        tval: u64,
    },
    /// The engine stopped the machine during the instruction.
    Halted,
    /// A breakpoint stopped the machine before the instruction.
    Stopped,
}

impl From<Halted> for Trap {
    fn from(_: Halted) -> Self {
        Self::Halted
    }
}

/// Exception codes (privileged specification, table 3.6).
pub(crate) mod cause {
    pub(crate) const FETCH_ACCESS: u64 = 1;
    pub(crate) const ILLEGAL: u64 = 2;
    pub(crate) const BREAKPOINT: u64 = 3;
    pub(crate) const LOAD_MISALIGNED: u64 = 4;
    pub(crate) const LOAD_ACCESS: u64 = 5;
    pub(crate) const STORE_MISALIGNED: u64 = 6;
    pub(crate) const STORE_ACCESS: u64 = 7;
    pub(crate) const CALL_FROM_USER: u64 = 8;
    pub(crate) const CALL_FROM_SUPERVISOR: u64 = 9;
    pub(crate) const FETCH_PAGE: u64 = 12;
    pub(crate) const LOAD_PAGE: u64 = 13;
    pub(crate) const STORE_PAGE: u64 = 15;
}

/// The top bit of `mcause` and `scause` means an interrupt.
const INTERRUPT: u64 = 1 << 63;
/// Interrupts by falling priority (section 3.1.9).
const PRIORITY: [u32; 6] = [
    interrupt::M_EXTERNAL,
    interrupt::M_SOFTWARE,
    interrupt::M_TIMER,
    interrupt::S_EXTERNAL,
    interrupt::S_SOFTWARE,
    interrupt::S_TIMER,
];

impl Hart {
    /// The number of the interrupt that the hart takes before its next instruction; `None` without
    /// one.
    pub fn pending_interrupt(&self) -> Option<u64> {
        let csrs = &self.csrs;
        let pending = csrs.mip() & csrs.mie;
        if pending == 0 {
            return None;
        }
        let machine_on = self.mode < Mode::Machine || csrs.mstatus & mstatus::MIE != 0;
        let supervisor_on = self.mode < Mode::Supervisor
            || self.mode == Mode::Supervisor && csrs.mstatus & mstatus::SIE != 0;
        let to_machine = if machine_on {
            pending & !csrs.mideleg
        } else {
            0
        };
        let to_supervisor = if supervisor_on {
            pending & csrs.mideleg
        } else {
            0
        };
        let pick = |set: u64| PRIORITY.into_iter().find(|&bit| set >> bit & 1 != 0);
        pick(to_machine)
            .or_else(|| pick(to_supervisor))
            .map(u64::from)
    }

    /// Whether WFI ends: an interrupt that is enabled in `mie` is pending (section 3.3.3). The
    /// global enables in `mstatus` do not matter.
    pub fn wakes(&self) -> bool {
        self.csrs.mip() & self.csrs.mie != 0
    }

    /// Whether the machine timer interrupt is enabled, so that it can wake this hart.
    pub fn timer_wakes(&self) -> bool {
        self.csrs.mie & irq::MTI != 0
    }

    /// Whether the supervisor timer interrupt of Sstc is enabled, so that it can wake this hart.
    pub fn stimer_wakes(&self) -> bool {
        self.csrs.sstc() && self.csrs.mie & irq::STI != 0
    }

    /// Takes interrupt `number`: enters its handler.
    pub fn take_interrupt(&mut self, number: u64) {
        let delegated = self.mode < Mode::Machine && self.csrs.mideleg >> number & 1 != 0;
        self.enter(INTERRUPT | number, 0, delegated);
    }

    /// Takes exception `cause`: enters its handler.
    pub fn take_exception(&mut self, cause: u64, tval: u64) {
        self.enter(cause, tval, self.delegates(cause));
    }

    /// Whether exception `cause` is now delegated to S-mode.
    pub(crate) fn delegates(&self, cause: u64) -> bool {
        self.mode < Mode::Machine && self.csrs.medeleg >> cause & 1 != 0
    }

    fn enter(&mut self, cause: u64, tval: u64, to_supervisor: bool) {
        let csrs = &mut self.csrs;
        let status = csrs.mstatus;
        let vector;
        if to_supervisor {
            csrs.scause = cause;
            csrs.sepc = self.pc;
            csrs.stval = tval;
            let enabled = if status & mstatus::SIE != 0 {
                mstatus::SPIE
            } else {
                0
            };
            let from = if self.mode == Mode::User {
                0
            } else {
                mstatus::SPP
            };
            csrs.mstatus = status & !(mstatus::SIE | mstatus::SPIE | mstatus::SPP) | enabled | from;
            self.mode = Mode::Supervisor;
            vector = csrs.stvec;
        } else {
            csrs.mcause = cause;
            csrs.mepc = self.pc;
            csrs.mtval = tval;
            let enabled = if status & mstatus::MIE != 0 {
                mstatus::MPIE
            } else {
                0
            };
            let from = (self.mode as u64) << mstatus::MPP_SHIFT;
            csrs.mstatus = status & !(mstatus::MIE | mstatus::MPIE | mstatus::MPP) | enabled | from;
            self.mode = Mode::Machine;
            vector = csrs.mtvec;
        }
        let base = vector & !3;
        let vectored = vector & 1 != 0 && cause & INTERRUPT != 0;
        self.pc = if vectored {
            base.wrapping_add(4 * (cause & !INTERRUPT))
        } else {
            base
        };
        self.waiting = false;
    }

    /// Executes MRET.
    pub(super) fn machine_return(&mut self) {
        let status = self.csrs.mstatus;
        let mode = Mode::from_bits(status >> mstatus::MPP_SHIFT).unwrap_or(Mode::User);
        let enabled = if status & mstatus::MPIE != 0 {
            mstatus::MIE
        } else {
            0
        };
        let lent = if mode == Mode::Machine {
            status & mstatus::MPRV
        } else {
            0
        };
        let cleared = mstatus::MIE | mstatus::MPP | mstatus::MPRV;
        self.csrs.mstatus = status & !cleared | enabled | lent | mstatus::MPIE;
        self.mode = mode;
        self.pc = self.csrs.mepc;
    }

    /// Executes SRET.
    pub(super) fn supervisor_return(&mut self) {
        let status = self.csrs.mstatus;
        let mode = if status & mstatus::SPP != 0 {
            Mode::Supervisor
        } else {
            Mode::User
        };
        let enabled = if status & mstatus::SPIE != 0 {
            mstatus::SIE
        } else {
            0
        };
        let cleared = mstatus::SIE | mstatus::SPP | mstatus::MPRV;
        self.csrs.mstatus = status & !cleared | enabled | mstatus::SPIE;
        self.mode = mode;
        self.pc = self.csrs.sepc;
    }
}
