//! The interface of a back end to a host's instruction set.

use crate::block::{Start, Translation};
use crate::frame::Frame;
use riscv_isa::Insn;
use std::fmt::Debug;

/// A back end: it translates blocks to the instructions of one host. A value of it describes the
/// code that all its blocks share (its *glue*), assembled for one arena.
///
/// # Why it has this shape
///
/// * **A block is the unit, not an instruction.** A macro assembler with a method for each
///   operation would share how an instruction is emitted. That is where hosts differ: x86 has two
///   operands, flags and short displacements; others have three operands and none of these. Hosts
///   do share how a block is cut, left, charged to the budget and linked. That is in
///   [`crate::block`] and [`crate::cache`].
/// * **A link is four bytes.** The cache knows which jumps lead to a block, and the back end knows
///   the encoding of a jump. On x86 the four bytes are a displacement; on AArch64 they are a whole
///   instruction. In both cases a jump is changed by a write of four bytes, while no code executes.
/// * **Nothing here knows the guest's state.** It is passed only in the [`Frame`], so all code is
///   entered and left in the same way.
/// * **Only this crate uses the trait.** It is public only because [`crate::Jit`] is.
///
/// # Safety
///
/// The cache executes what [`Host::glue`] and [`Host::translate`] return, so the code itself must
/// be sound. Under the conditions of [`Host::enter`]
///
/// * it keeps the calling convention with which the back end enters it, and never unwinds;
/// * it accesses the frame and what the frame points to, within bounds. It accesses RAM only at
///   offsets from [`crate::tlb`]: a set gives an offset only for an address whose page it contains
///   and that is aligned to the access size;
/// * it jumps only within the arena: through links, to the glue, and through the jump table if the
///   RAM offset in the entry is the one that was looked up.
///
/// A run must not depend on what is translated. Therefore
///
/// * the head of a block subtracts its length from the budget, or leaves; every exit gives back the
///   instructions that were not executed;
/// * at every exit the guest's registers and the pc are exact. The pc is in the site as an offset
///   in the page, or in the frame with [`crate::frame::NO_SITE`];
/// * a jump within a page is a link. Any other jump looks up the fetch TLB and the jump table each
///   time;
/// * every loop reads the kick flag: jumps backward do, and jumps through the jump table.
pub unsafe trait Host: Debug + Sized {
    /// Size of the arena in bytes. A jump must reach all of it.
    const ARENA: usize;

    /// Whether this processor can execute the code of the back end.
    fn available() -> bool;

    /// Assembles the glue for address `base`; `None` if the assembler fails.
    fn glue(base: usize) -> Option<(Self, Vec<u8>)>;

    /// Translates the block `ops` for the position `start`. It has 1 to [`crate::block::MAX_LEN`]
    /// instructions. `None` if the assembler fails.
    fn translate(&self, start: Start, ops: &[Insn]) -> Option<Translation>;

    /// The four bytes of a [`crate::block::Link`] at `place` that jumps to `target`. Both are
    /// offsets in the arena.
    fn jump(place: usize, target: usize) -> [u8; 4];

    /// Makes new code visible to instruction fetches. `written` is the bytes in the writable
    /// mapping, and `executed` is their address in the executable mapping.
    fn flush_icache(&self, written: &[u8], executed: usize);

    /// Executes code with this frame until it leaves.
    ///
    /// # Safety
    ///
    /// The glue must be at the address that it was assembled for. Address `code` must be the start
    /// of a block, or a position to resume in one, as [`Host::translate`] and [`Host::jump`] made
    /// it. What the frame points to must be borrowed for the duration of the call. RAM must be at
    /// least as large as the limit of the TLB.
    unsafe fn enter(&self, frame: &mut Frame, code: usize);
}
