//! Stops: the events at which a probe stops the machine.

use super::WatchHit;
use crate::units::VirtAddr;

/// Why a probe stopped the machine. The machine is between two instructions.
///
/// The stop is at the machine's icount. At an interrupt that was just taken, nothing from outside
/// may arrive before the next instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The next instruction has a breakpoint.
    Breakpoint {
        /// The hart that is about to execute it.
        hart: u8,
        /// Virtual address of the instruction.
        pc: VirtAddr,
    },
    /// The previous instruction, or a device, accessed a watched range.
    Watch(WatchHit),
    /// A trap was taken, and the hart is at its handler. An interrupt leaves the icount unchanged.
    /// An exception has increased it by 1 for the instruction that raised it.
    Trap {
        /// The hart that took the trap.
        hart: u8,
        /// The virtual address in `mepc` or `sepc`.
        pc: VirtAddr,
        /// The cause of the trap.
        cause: Cause,
        /// The value of `mtval` or `stval`.
        tval: u64,
    },
    /// An instruction was executed, or it trapped.
    Step {
        /// The hart that executed the instruction.
        hart: u8,
        /// Virtual address of the next instruction.
        pc: VirtAddr,
    },
}

/// The cause of a trap: the exception code in `mcause` (privileged specification, section 3.1.15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// An exception: 0 to 15.
    Exception(u64),
    /// An interrupt: 1 to 11.
    Interrupt(u64),
}
