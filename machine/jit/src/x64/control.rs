//! Jumps, branches and exits.

use super::registers::{RAX, RCX, on_stack};
use super::translate::Translator;
use crate::block::{Draft, Site};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use riscv_isa::{Insn, Op};

/// Code that is emitted after the block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deferred {
    /// An exit through a site.
    Leave { label: DynamicLabel, site: Site },
    /// A forward branch that was taken.
    Taken {
        label: DynamicLabel,
        target: i64,
        give_back: u64,
    },
    /// The target of a jump within the page while there is no code for it. `jump` is the offset of
    /// its displacement in the block.
    Stub {
        label: DynamicLabel,
        target: i64,
        jump: usize,
    },
}

impl Translator<'_> {
    pub(super) fn emit(&mut self, deferred: Deferred) {
        match deferred {
            Deferred::Leave { label, site } => {
                dynasm!(self.asm ; .arch x64 ; =>label);
                self.leave(site);
            }
            Deferred::Taken {
                label,
                target,
                give_back,
            } => {
                dynasm!(self.asm ; .arch x64 ; =>label);
                self.go(target, give_back, false);
            }
            Deferred::Stub {
                label,
                target,
                jump,
            } => {
                dynasm!(self.asm ; .arch x64 ; =>label);
                let site = self.draft.link(target, jump, self.asm.offset().0);
                self.leave(site);
            }
        }
    }

    fn leave(&mut self, site: Site) {
        let number = self.draft.number(site);
        dynasm!(self.asm
            ; .arch x64
            ; mov edx, DWORD number as i32
            ; jmp extern self.glue.exit
        );
    }

    /// Jumps to `target`, an offset in the page. Every loop has a backward jump or a jump through
    /// the glue, and both read the kick flag.
    pub(super) fn go(&mut self, target: i64, give_back: u64, backward: bool) {
        if give_back != 0 {
            dynasm!(self.asm ; .arch x64 ; add r13, BYTE give_back as i8);
        }
        if !Draft::on_page(target) {
            self.page_plus(RAX, target);
            dynasm!(self.asm ; .arch x64 ; jmp extern self.glue.jump);
            return;
        }
        let label = self.asm.new_dynamic_label();
        if backward {
            dynasm!(self.asm
                ; .arch x64
                ; mov rax, [BYTE rsp + on_stack::KICK]
                ; cmp BYTE [rax], 0
                ; jne =>label
            );
        }
        // The opcode has one byte.
        let jump = self.asm.offset().0 + 1;
        dynasm!(self.asm ; .arch x64 ; jmp =>label);
        debug_assert_eq!(self.asm.offset().0, jump + 4);
        self.deferred.push(Deferred::Stub {
            label,
            target,
            jump,
        });
    }

    pub(super) fn jal(&mut self, insn: &Insn) {
        let target = self.draft.offset + i64::from(insn.imm);
        self.set_link(insn);
        self.go(target, 0, insn.imm <= 0);
    }

    pub(super) fn jalr(&mut self, insn: &Insn) {
        self.read(RAX, insn.rs1);
        self.add(RAX, insn.imm);
        dynasm!(self.asm ; .arch x64 ; and rax, BYTE -2);
        // After the read of `rs1`, which may be the same register as `rd`.
        self.set_link(insn);
        dynasm!(self.asm ; .arch x64 ; jmp extern self.glue.jump);
    }

    /// Sets `rd` to the return address. Keeps `rax`.
    fn set_link(&mut self, insn: &Insn) {
        if insn.rd != 0 {
            self.page_plus(RCX, self.draft.offset + i64::from(insn.len));
            self.write(insn.rd, RCX);
        }
    }

    pub(super) fn branch(&mut self, insn: &Insn) {
        let target = self.draft.offset + i64::from(insn.imm);
        let give_back = self.draft.rest - 1;
        self.compare(insn.rs1, insn.rs2);
        let label = self.asm.new_dynamic_label();
        if insn.imm <= 0 {
            // A backward branch is a loop, so it is usually taken.
            self.jump_if(opposite(insn.op), label);
            self.go(target, give_back, true);
            dynasm!(self.asm ; .arch x64 ; =>label);
            return;
        }
        self.jump_if(insn.op, label);
        self.deferred.push(Deferred::Taken {
            label,
            target,
            give_back,
        });
    }

    /// Jumps if the comparison satisfies the branch `op`.
    fn jump_if(&mut self, op: Op, label: DynamicLabel) {
        match op {
            Op::Beq => dynasm!(self.asm ; .arch x64 ; je =>label),
            Op::Bne => dynasm!(self.asm ; .arch x64 ; jne =>label),
            Op::Blt => dynasm!(self.asm ; .arch x64 ; jl =>label),
            Op::Bge => dynasm!(self.asm ; .arch x64 ; jge =>label),
            Op::Bltu => dynasm!(self.asm ; .arch x64 ; jb =>label),
            _ => dynasm!(self.asm ; .arch x64 ; jae =>label),
        }
    }
}

/// The branch with the opposite condition.
fn opposite(op: Op) -> Op {
    match op {
        Op::Beq => Op::Bne,
        Op::Bne => Op::Beq,
        Op::Blt => Op::Bge,
        Op::Bge => Op::Blt,
        Op::Bltu => Op::Bgeu,
        _ => Op::Bltu,
    }
}
