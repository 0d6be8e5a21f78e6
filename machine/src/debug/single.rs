//! An instruction that is executed alone, so that what it left behind can be seen: for the witness
//! and for planted faults.

use crate::cpu::Leave;
use crate::inputs::Inputs;
use crate::machine::Machine;
use crate::units::{Icount, VirtAddr};
use riscv_isa::table::Format;
use riscv_isa::{Insn, decode};

/// An instruction that is about to be executed alone.
pub(super) struct Single {
    /// `None`: it cannot be read, or is illegal.
    pub(super) insn: Option<Insn>,
    /// The virtual address that it accesses, if it accesses one.
    pub(super) address: VirtAddr,
    /// Instructions of the hart that had trapped before it.
    trapped: u64,
}

/// What an instruction leaves behind, beside a new pc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    /// An integer register.
    Integer,
    /// A floating-point register.
    Float,
    /// Bytes in memory.
    Memory,
    /// An integer register, and bytes in memory.
    Both,
    /// Neither.
    Nothing,
}

/// What an instruction with operands like these leaves behind.
pub(super) fn leaves(format: Format) -> Leaves {
    match format {
        Format::Store | Format::FStore => Leaves::Memory,
        Format::Amo => Leaves::Both,
        Format::B | Format::Fence | Format::None | Format::SfenceVma => Leaves::Nothing,
        Format::FLoad
        | Format::F4
        | Format::F
        | Format::FRm
        | Format::FFRm
        | Format::FX
        | Format::FXRm => Leaves::Float,
        _ => Leaves::Integer,
    }
}

impl Machine {
    /// [`Machine::execute`], one instruction after the other. `spoiling`: one may have to go wrong.
    pub(crate) fn execute_singly(
        &mut self,
        turn: usize,
        stop: Icount,
        spoiling: bool,
        inputs: &mut dyn Inputs,
    ) -> Leave {
        loop {
            let before = self.icount;
            let single = self.single(turn);
            let leave = self.execute(turn, before.saturating_add(1), inputs);
            if let Some(single) = single.filter(|_| self.icount > before) {
                if spoiling {
                    self.spoil(turn, &single, before);
                }
                self.take_note(turn, &single);
            }
            if leave != Leave::Count || self.icount >= stop {
                return leave;
            }
        }
    }

    /// The instruction that hart number `turn` executes next.
    fn single(&self, turn: usize) -> Option<Single> {
        let hart = self.harts.get(turn)?;
        let insn = self
            .instruction(hart.id, VirtAddr::new(hart.pc))
            .and_then(decode);
        let address = insn.map_or(0, |insn| {
            hart.get_x(insn.rs1).wrapping_add_signed(insn.imm.into())
        });
        let address = VirtAddr::new(address);
        Some(Single {
            insn,
            address,
            trapped: hart.trapped,
        })
    }

    /// Whether it trapped, now that it has been executed.
    pub(super) fn trapped(&self, turn: usize, single: &Single) -> bool {
        let hart = self.harts.get(turn);
        hart.is_none_or(|hart| hart.trapped != single.trapped)
    }
}
