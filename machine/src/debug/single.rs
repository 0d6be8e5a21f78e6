//! Execution of a single instruction, whose result can then be inspected: for the witness and for
//! fault injection.

use crate::cpu::Leave;
use crate::inputs::Inputs;
use crate::machine::Machine;
use crate::units::{Icount, VirtAddr};
use riscv_isa::table::Format;
use riscv_isa::{Insn, decode};

/// An instruction before its execution alone.
pub(super) struct Single {
    /// `None`: it cannot be fetched, or is illegal.
    pub(super) insn: Option<Insn>,
    /// The virtual address of its memory access, if it has one.
    pub(super) address: VirtAddr,
    /// The hart's count of traps before it.
    trapped: u64,
}

/// The kind of an instruction's result, other than a new pc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResultKind {
    /// An integer register.
    Integer,
    /// A floating-point register.
    Float,
    /// Bytes in memory.
    Memory,
    /// An integer register, and bytes in memory.
    Both,
    /// No result.
    Nothing,
}

/// The kind of result of an instruction of this format.
pub(super) fn result_kind(format: Format) -> ResultKind {
    match format {
        Format::Store | Format::FStore => ResultKind::Memory,
        Format::Amo => ResultKind::Both,
        Format::B | Format::Fence | Format::None | Format::SfenceVma => ResultKind::Nothing,
        Format::FLoad
        | Format::F4
        | Format::F
        | Format::FRm
        | Format::FFRm
        | Format::FX
        | Format::FXRm => ResultKind::Float,
        _ => ResultKind::Integer,
    }
}

impl Machine {
    /// Does [`Machine::execute`] with one instruction at a time. `faulty`: the fault may apply.
    pub(crate) fn execute_singly(
        &mut self,
        turn: usize,
        stop: Icount,
        faulty: bool,
        inputs: &mut dyn Inputs,
    ) -> Leave {
        loop {
            let before = self.icount;
            let single = self.single(turn);
            let leave = self.execute(turn, before.saturating_add(1), inputs);
            if let Some(single) = single.filter(|_| self.icount > before) {
                if faulty {
                    self.inject_fault(turn, &single, before);
                }
                self.update_witness(turn, &single);
            }
            if leave != Leave::Count || self.icount >= stop {
                return leave;
            }
        }
    }

    /// The next instruction of hart number `turn`.
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

    /// Whether the instruction has trapped.
    pub(super) fn trapped(&self, turn: usize, single: &Single) -> bool {
        let hart = self.harts.get(turn);
        hart.is_none_or(|hart| hart.trapped != single.trapped)
    }
}
