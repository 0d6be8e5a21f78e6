//! The mapping of guest registers to host registers and memory.
//!
//! The mapping is fixed, so the guest's registers are exact at every exit.

use crate::tlb::Tlb;
use std::mem::offset_of;

/// Numbers of host registers.
pub(super) const RAX: u8 = 0;
pub(super) const RCX: u8 = 1;
pub(super) const RDX: u8 = 2;

/// The guest registers in host registers, as (guest, host). The others are in memory, around `rbp`.
/// `rax`, `rcx` and `rdx` are scratch registers. `r13` is the budget, `r14` the TLB set for loads,
/// `r15` the base of RAM, and `rsp` points to the values in [`on_stack`].
pub(super) const HELD: [(u8, u8); 8] = [
    (2, 3),   // sp in rbx
    (8, 12),  // s0 in r12
    (10, 6),  // a0 in rsi
    (11, 7),  // a1 in rdi
    (12, 8),  // a2 in r8
    (13, 9),  // a3 in r9
    (14, 10), // a4 in r10
    (15, 11), // a5 in r11
];

/// The place of a guest register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// `x0`.
    Zero,
    /// A host register.
    Host(u8),
    /// Memory at this offset from `rbp`.
    Memory(i8),
}

/// The place of guest register `x`.
pub(super) fn home(x: u8) -> Home {
    if x == 0 {
        return Home::Zero;
    }
    match HELD.iter().find(|(guest, _)| *guest == x) {
        Some((_, host)) => Home::Host(*host),
        None => Home::Memory(in_memory(x)),
    }
}

/// Offset of guest register `x` from `rbp`, which points to the middle, so that a byte is enough.
pub(super) fn in_memory(x: u8) -> i8 {
    (i16::from(x & 31) * 8 - 128) as i8
}

/// Offsets in the frame.
pub(super) mod in_frame {
    use super::offset_of;
    use crate::frame::Frame;

    pub(in super::super) const MIDDLE: i32 = offset_of!(Frame, middle) as i32;
    pub(in super::super) const F: i32 = offset_of!(Frame, f) as i32;
    pub(in super::super) const PAGE: i32 = offset_of!(Frame, page) as i32;
    pub(in super::super) const PC: i32 = offset_of!(Frame, pc) as i32;
    pub(in super::super) const SITE: i32 = offset_of!(Frame, site) as i32;
    pub(in super::super) const BUDGET: i32 = offset_of!(Frame, budget) as i32;
    pub(in super::super) const RESERVATION: i32 = offset_of!(Frame, reservation) as i32;
    pub(in super::super) const KICK: i32 = offset_of!(Frame, kick) as i32;
    pub(in super::super) const LOAD: i32 = offset_of!(Frame, load) as i32;
    pub(in super::super) const FETCH: i32 = offset_of!(Frame, fetch) as i32;
    pub(in super::super) const RAM: i32 = offset_of!(Frame, ram) as i32;
    pub(in super::super) const TABLE: i32 = offset_of!(Frame, table) as i32;
}

/// Offsets from `rsp` of copies of the frame's fields.
pub(super) mod on_stack {
    pub(in super::super) const PAGE: i8 = 0;
    pub(in super::super) const FRAME: i8 = 8;
    pub(in super::super) const KICK: i8 = 16;
    pub(in super::super) const FETCH: i8 = 24;
    pub(in super::super) const TABLE: i8 = 32;
    pub(in super::super) const F: i8 = 40;
    pub(in super::super) const SIZE: i8 = 48;
}

/// Offset from a set for loads to the set for stores of the same space.
pub(super) const LOAD_TO_STORE: i32 = offset_of!(Tlb, store) as i32 - offset_of!(Tlb, load) as i32;
