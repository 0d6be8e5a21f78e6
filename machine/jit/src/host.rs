//! The one door to a host's instruction set: what a back end is.

use crate::block::{Start, Translation};
use crate::frame::Frame;
use riscv_isa::Insn;
use std::fmt::Debug;

/// A back end: translates blocks to the instructions of one host. A value of it is the code that
/// all its blocks share (its *glue*), assembled for one arena.
///
/// # Why it has this shape
///
/// * **A block is the unit, and not an instruction.** A macro assembler, with a method for each
///   operation, would make the hosts share how an instruction is emitted. That is where they
///   differ: x86 has two operands, flags and short displacements, others have three operands and
///   none of these. What they do share is how a block is cut, left, charged and linked, and that is
///   in [`crate::block`] and [`crate::cache`].
/// * **A link is four bytes.** The cache knows which jumps lead to a block, the back end knows what
///   a jump looks like. On x86 the four bytes are a displacement, on AArch64 they are a whole
///   instruction. Either way a jump is changed by writing four bytes, at a time when no code runs.
/// * **Nothing here knows the guest's state.** It goes through the [`Frame`] alone, so code is
///   entered and left in one way.
/// * **The trait is for this crate alone.** It is public only because [`crate::Jit`] is.
///
/// # Safety
///
/// The cache executes what [`Host::glue`] and [`Host::translate`] return, so the code itself must
/// be sound. Under the conditions of [`Host::enter`]
///
/// * it keeps the calling convention that the back end enters it by, and never unwinds;
/// * it accesses the frame and what the frame points to, within its bounds, and RAM at offsets from
///   [`crate::tlb`] alone: a set gives an offset only for an address whose page it has, and that is
///   aligned to the size of the access;
/// * it jumps only inside the arena: through links, through the jump table, where the RAM offset in
///   the slot is the one that was looked for, and to the glue.
///
/// And so that a run does not depend on what is translated,
///
/// * the head of a block takes its length off the budget, or leaves; every way out gives back what
///   was not executed;
/// * at every exit the guest's registers are exact, and so is the pc: the site says where on the
///   page it is, or it is in the frame with [`crate::frame::NO_SITE`];
/// * a jump inside a page is a link, any other goes through the fetch TLB and the jump table each
///   time;
/// * every loop looks at the kick flag: jumps backward do, and those through the jump table.
pub unsafe trait Host: Debug + Sized {
    /// Bytes of the arena, at most as far as a jump reaches.
    const ARENA: usize;

    /// Whether this processor can execute what the back end makes.
    fn available() -> bool;

    /// Assembles the glue for address `base`; `None` if the assembler refuses.
    fn glue(base: usize) -> Option<(Self, Vec<u8>)>;

    /// Translates the block `ops`, which is neither empty nor longer than [`crate::block::MAX_LEN`]
    /// instructions, to be put at `start`. `None` if the assembler refuses.
    fn translate(&self, start: Start, ops: &[Insn]) -> Option<Translation>;

    /// What to write at the place of a [`crate::block::Link`] in the arena, so that it leads to the
    /// code at `target`; both are offsets in the arena.
    fn jump(place: usize, target: usize) -> [u8; 4];

    /// Makes the processor execute what was written. `written` is the bytes, at the address where
    /// they were written; they execute at address `executed`.
    fn flush_icache(&self, written: &[u8], executed: usize);

    /// Executes code with this frame, until it leaves.
    ///
    /// # Safety
    ///
    /// The glue is where it was assembled for, and address `code` is the beginning of a block, or a
    /// place in one to resume at, which is as [`Host::translate`] and [`Host::jump`] made it. What
    /// the frame points to is borrowed for as long as this takes, and RAM is at least as large as
    /// the limit of the TLB.
    unsafe fn enter(&self, frame: &mut Frame, code: usize);
}
