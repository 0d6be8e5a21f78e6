//! What stopped the machine.

use super::WatchHit;
use crate::units::VirtAddr;

/// What stopped the machine, which is between two instructions. The place is the machine's
/// instruction count, and for an interrupt that was just taken the place behind it: nothing from
/// outside may come in between that and the next instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The next instruction is one with a breakpoint.
    Breakpoint {
        /// The hart that is about to execute it.
        hart: u8,
        /// Its virtual address.
        pc: VirtAddr,
    },
    /// The instruction before accessed what is watched, or a device did.
    Watch(WatchHit),
    /// A trap was taken: the hart is at its handler. An interrupt has not changed the instruction
    /// count; an exception has, by the instruction that raised it.
    Trap {
        /// The hart that took it.
        hart: u8,
        /// The virtual address that the handler finds in `mepc` or `sepc`.
        pc: VirtAddr,
        /// Which trap.
        cause: Cause,
        /// The value for `mtval` or `stval`.
        tval: u64,
    },
    /// An instruction was executed, or trapped.
    Step {
        /// The hart that executed it.
        hart: u8,
        /// The virtual address of its next one.
        pc: VirtAddr,
    },
}

/// The cause of a trap, by its number in `mcause` without the top bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// An exception: 0 to 15.
    Exception(u64),
    /// An interrupt: 1 to 11.
    Interrupt(u64),
}
