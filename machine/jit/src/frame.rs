//! The data of translated code: the frame, and the jump table.

use crate::State;
use crate::tlb::Set;

/// The state that is passed to and from translated code.
#[derive(Debug)]
#[repr(C)]
pub struct Frame {
    /// Guest register 16, the middle one. So all registers are within 128 bytes, which the shortest
    /// displacement of any host reaches.
    pub(crate) middle: *mut u64,
    /// Floating-point registers; null if they must not be used.
    pub(crate) f: *mut u64,
    /// Virtual address of the page of the pc.
    pub(crate) page: u64,
    /// Virtual address of a jump target without code. It is valid with [`NO_SITE`].
    pub(crate) pc: u64,
    /// Number of the exit [`crate::block::Site`], or [`NO_SITE`].
    pub(crate) site: u64,
    /// Number of instructions that may still be executed.
    pub(crate) budget: i64,
    /// RAM offset of the reservation of LR, or [`NO_RESERVATION`].
    pub(crate) reservation: u64,
    pub(crate) kick: *const bool,
    pub(crate) load: *const Set,
    pub(crate) fetch: *const Set,
    pub(crate) ram: *mut u8,
    pub(crate) table: *const Slot,
}

/// A value that is no RAM offset.
pub(crate) const NO_RESERVATION: u64 = u64::MAX;

/// A value that is no site number: the pc is in the frame.
pub(crate) const NO_SITE: u32 = u32::MAX;

/// An entry of the jump table: the code for a RAM offset.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Slot {
    /// RAM offset of the first instruction.
    pub(crate) start: u64,
    /// Address of the code.
    pub(crate) code: u64,
}

impl Slot {
    /// An entry without code.
    pub(crate) const EMPTY: Self = Self {
        start: u64::MAX,
        code: 0,
    };
}

/// Number of entries in the jump table, a power of two.
pub(crate) const SLOTS: usize = 1 << 15;

/// The jump table. It is direct-mapped.
pub(crate) type Table = [Slot; SLOTS];

/// The index of the entry for RAM offset `start`.
pub(crate) fn slot(start: u64) -> usize {
    (start >> 1) as usize % SLOTS
}

impl Frame {
    /// A frame for code on the page at virtual address `page`.
    #[inline(always)]
    pub(crate) fn new(state: &mut State<'_>, table: &Table, page: u64, budget: i64) -> Self {
        Self {
            middle: state.x.as_mut_ptr().wrapping_add(16),
            f: match &mut state.f {
                Some(f) => f.as_mut_ptr(),
                None => std::ptr::null_mut(),
            },
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

    /// The reservation of LR, as a RAM offset.
    #[inline(always)]
    pub(crate) fn reserved(&self) -> Option<u64> {
        match self.reservation {
            NO_RESERVATION => None,
            offset => Some(offset),
        }
    }
}
