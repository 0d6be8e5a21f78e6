//! Which host register holds what, and where the rest is.
//!
//! The map from guest to host registers is fixed, so the state is exact wherever code stops.

use crate::tlb::Tlb;
use std::mem::offset_of;

/// Host registers by their numbers.
pub(super) const RAX: u8 = 0;
pub(super) const RCX: u8 = 1;
pub(super) const RDX: u8 = 2;

/// Guest registers that live in host registers, and which. The others are in memory, around `rbp`;
/// `rax`, `rcx` and `rdx` are scratch, `r13` counts down what may still be executed, `r14` is the
/// set of translations for loads, `r15` the base of RAM, and `rsp` points to what [`on_stack`]
/// lists.
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

/// Where a guest register is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// `x0`.
    Zero,
    /// A host register.
    Host(u8),
    /// Memory, at this distance from `rbp`.
    Memory(i8),
}

/// Where guest register `x` is.
pub(super) fn home(x: u8) -> Home {
    if x == 0 {
        return Home::Zero;
    }
    match HELD.iter().find(|(guest, _)| *guest == x) {
        Some((_, host)) => Home::Host(*host),
        None => Home::Memory(in_memory(x)),
    }
}

/// The distance of guest register `x` from `rbp`, which is in the middle: so all are within a byte.
pub(super) fn in_memory(x: u8) -> i8 {
    (i16::from(x & 31) * 8 - 128) as i8
}

/// Distances in the frame.
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

/// Distances from `rsp`, of copies from the frame.
pub(super) mod on_stack {
    pub(in super::super) const PAGE: i8 = 0;
    pub(in super::super) const FRAME: i8 = 8;
    pub(in super::super) const KICK: i8 = 16;
    pub(in super::super) const FETCH: i8 = 24;
    pub(in super::super) const TABLE: i8 = 32;
    pub(in super::super) const F: i8 = 40;
    pub(in super::super) const SIZE: i8 = 48;
}

/// From a set for loads to the set for stores of the same space.
pub(super) const LOAD_TO_STORE: i32 = offset_of!(Tlb, store) as i32 - offset_of!(Tlb, load) as i32;
