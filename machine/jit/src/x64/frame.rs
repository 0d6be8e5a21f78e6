//! What translated code finds in memory, and which host register holds what.
//!
//! The map from guest to host registers is fixed, so the state is exact wherever code stops.

use crate::State;
use crate::tlb::{Set, Tlb};
use std::mem::offset_of;

/// Host registers by their numbers.
pub(super) const RAX: u8 = 0;
pub(super) const RCX: u8 = 1;
pub(super) const RDX: u8 = 2;

/// Guest registers that live in host registers, and which. The others are in the frame; `rax`, `rcx`
/// and `rdx` are scratch, `rbp` points into the frame, `r13` counts down what may still be executed,
/// `r14` is the set of translations for loads, `r15` the base of RAM.
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
    Frame(i8),
}

/// Where guest register `x` is.
pub(super) fn home(x: u8) -> Home {
    if x == 0 {
        return Home::Zero;
    }
    match HELD.iter().find(|(guest, _)| *guest == x) {
        Some((_, host)) => Home::Host(*host),
        None => Home::Frame(in_frame(x)),
    }
}

/// The distance of guest register `x` from `rbp`: all 32 are within one byte of it.
pub(super) fn in_frame(x: u8) -> i8 {
    (i16::from(x & 31) * 8 - RBP as i16) as i8
}

/// `rbp` points so far into the frame.
pub(super) const RBP: usize = 128;

/// All that translated code reads and writes, but for RAM and the translations.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Frame {
    /// Guest registers; those that are [`HELD`] only while no code runs.
    pub(super) x: [u64; 32],
    /// Address of the page that the pc is on.
    pub(super) page: u64,
    /// Where a jump went that no code is known for.
    pub(super) pc: u64,
    /// Which exit was taken.
    pub(super) site: u64,
    /// Instructions that may still be executed.
    pub(super) budget: i64,
    /// RAM offset that LR reserved, or [`NO_RESERVATION`].
    pub(super) reservation: u64,
    kick: *const bool,
    load: *const Set,
    fetch: *const Set,
    ram: *mut u8,
    table: *const Slot,
}

/// No address in RAM.
pub(super) const NO_RESERVATION: u64 = u64::MAX;

/// An entry of the jump table: where the code is for a place in RAM.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Slot {
    /// RAM offset of the first instruction.
    pub(super) start: u64,
    /// Address of the code.
    pub(super) code: u64,
}

/// Slots of the jump table; a power of two.
pub(super) const SLOTS: usize = 1 << 15;

/// The jump table: direct-mapped.
pub(super) type Table = [Slot; SLOTS];

/// The slot of the code for RAM offset `start`.
pub(super) fn slot(start: u64) -> usize {
    (start >> 1) as usize % SLOTS
}

impl Frame {
    /// A frame for code on the page at address `page`.
    pub(super) fn new(state: &mut State<'_>, table: &Table, page: u64, budget: i64) -> Self {
        Self {
            x: *state.x,
            page,
            pc: 0,
            site: 0,
            budget,
            reservation: state.reservation.unwrap_or(NO_RESERVATION),
            kick: state.kick.as_ptr().cast_const(),
            load: &raw const state.tlb.load[state.data.index()],
            fetch: &raw const state.tlb.fetch[state.fetch.index()],
            ram: state.ram.as_mut_ptr(),
            table: table.as_ptr(),
        }
    }
}

/// Distances from `rbp`.
pub(super) mod at {
    use super::{Frame, RBP, offset_of};

    const fn from_rbp(offset: usize) -> i32 {
        offset as i32 - RBP as i32
    }

    pub(in super::super) const PAGE: i32 = from_rbp(offset_of!(Frame, page));
    pub(in super::super) const PC: i32 = from_rbp(offset_of!(Frame, pc));
    pub(in super::super) const SITE: i32 = from_rbp(offset_of!(Frame, site));
    pub(in super::super) const BUDGET: i32 = from_rbp(offset_of!(Frame, budget));
    pub(in super::super) const RESERVATION: i32 = from_rbp(offset_of!(Frame, reservation));
    pub(in super::super) const KICK: i32 = from_rbp(offset_of!(Frame, kick));
    pub(in super::super) const LOAD: i32 = from_rbp(offset_of!(Frame, load));
    pub(in super::super) const FETCH: i32 = from_rbp(offset_of!(Frame, fetch));
    pub(in super::super) const RAM: i32 = from_rbp(offset_of!(Frame, ram));
    pub(in super::super) const TABLE: i32 = from_rbp(offset_of!(Frame, table));
}

/// From a set for loads to the set for stores of the same space.
pub(super) const LOAD_TO_STORE: i32 = offset_of!(Tlb, store) as i32 - offset_of!(Tlb, load) as i32;
