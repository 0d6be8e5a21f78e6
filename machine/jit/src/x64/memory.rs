//! Loads and stores: to RAM through the cached translations, or not at all.

use super::frame::{LOAD_TO_STORE, RAX, RCX};
use super::glue::entry_of_address;
use super::translate::Translator;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use riscv_isa::{Insn, Op};

impl Translator<'_> {
    /// Translates a load or a store; false if it is neither.
    pub(super) fn memory(&mut self, insn: &Insn) -> bool {
        match insn.op {
            Op::Lb | Op::Lbu => self.load(insn, 1),
            Op::Lh | Op::Lhu => self.load(insn, 2),
            Op::Lw | Op::Lwu => self.load(insn, 4),
            Op::Ld => self.load(insn, 8),
            Op::Sb => self.store(insn, 1),
            Op::Sh => self.store(insn, 2),
            Op::Sw => self.store(insn, 4),
            Op::Sd => self.store(insn, 8),
            _ => return false,
        }
        true
    }

    fn load(&mut self, insn: &Insn, size: i32) {
        let miss = self.leave_to_interpret(insn);
        self.read(RAX, insn.rs1);
        self.add(RAX, insn.imm);
        self.ram_offset(size, 0, miss);
        let to = Self::work(insn.rd);
        match insn.op {
            Op::Lb => dynasm!(self.asm ; .arch x64 ; movsx Rq(to), BYTE [r15 + rax]),
            Op::Lbu => dynasm!(self.asm ; .arch x64 ; movzx Rd(to), BYTE [r15 + rax]),
            Op::Lh => dynasm!(self.asm ; .arch x64 ; movsx Rq(to), WORD [r15 + rax]),
            Op::Lhu => dynasm!(self.asm ; .arch x64 ; movzx Rd(to), WORD [r15 + rax]),
            Op::Lw => dynasm!(self.asm ; .arch x64 ; movsxd Rq(to), DWORD [r15 + rax]),
            Op::Lwu => dynasm!(self.asm ; .arch x64 ; mov Rd(to), [r15 + rax]),
            _ => dynasm!(self.asm ; .arch x64 ; mov Rq(to), [r15 + rax]),
        }
        self.write(insn.rd, to);
        self.resume_here();
    }

    fn store(&mut self, insn: &Insn, size: i32) {
        let miss = self.leave_to_interpret(insn);
        self.read(RAX, insn.rs1);
        self.add(RAX, insn.imm);
        self.ram_offset(size, LOAD_TO_STORE, miss);
        let from = self.held(insn.rs2, RCX);
        match size {
            1 => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], Rb(from)),
            2 => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], Rw(from)),
            4 => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], Rd(from)),
            _ => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], Rq(from)),
        }
        self.resume_here();
    }

    /// Turns the address in `rax` into an offset in RAM through the set that is `set` bytes behind that
    /// for loads, or jumps to `miss`. Uses `rcx` and `rdx`.
    pub(super) fn ram_offset(&mut self, size: i32, set: i32, miss: DynamicLabel) {
        entry_of_address(&mut self.asm);
        dynasm!(self.asm
            ; .arch x64
            ; mov rdx, rax
            ; and rdx, DWORD -4096 | (size - 1)
            ; cmp rdx, [r14 + rcx + set]
            ; jne =>miss
            ; add rax, [r14 + rcx + set + 8]
        );
    }
}
