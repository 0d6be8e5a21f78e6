//! Loads, stores and atomic instructions on RAM, through the TLB.

use super::glue::entry_of_address;
use super::registers::{LOAD_TO_STORE, RAX, RCX, RDX, in_frame, on_stack};
use super::translate::Translator;
use crate::frame::NO_RESERVATION;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use riscv_isa::{Insn, Op};

impl Translator<'_> {
    /// Translates a load or a store. Returns false for other instructions.
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

    /// Converts the virtual address in `rax` to a RAM offset, or jumps to `miss`. `set` is the
    /// offset of the TLB set from the set for loads, in bytes. Uses `rcx` and `rdx`.
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

/// The A extension on RAM. Only one hart executes at a time, so plain loads and stores are atomic.
impl Translator<'_> {
    /// Translates an atomic instruction. Returns false for other instructions.
    pub(super) fn atomic(&mut self, insn: &Insn) -> bool {
        if !(Op::LrW as u8..=Op::AmomaxuD as u8).contains(&(insn.op as u8)) {
            return false;
        }
        let double = insn.op as u8 >= Op::LrD as u8;
        let size = if double { 8 } else { 4 };
        let reserve = matches!(insn.op, Op::LrW | Op::LrD);
        let set = if reserve { 0 } else { LOAD_TO_STORE };
        let miss = self.leave_to_interpret(insn);
        self.read(RAX, insn.rs1);
        self.ram_offset(size, set, miss);
        if matches!(insn.op, Op::ScW | Op::ScD) {
            self.store_conditional(insn, double);
        } else {
            match double {
                true => dynasm!(self.asm ; .arch x64 ; mov rcx, [r15 + rax]),
                false => dynasm!(self.asm ; .arch x64 ; movsxd rcx, DWORD [r15 + rax]),
            }
            if reserve {
                dynasm!(self.asm
                    ; .arch x64
                    ; mov rdx, [BYTE rsp + on_stack::FRAME]
                    ; mov [rdx + in_frame::RESERVATION], rax
                );
            } else {
                self.combine(insn);
                self.store_rdx(double);
            }
        }
        self.write(insn.rd, RCX);
        self.resume_here();
        true
    }

    /// Translates SC. It leaves 0 or 1 (failure) in `rcx`.
    fn store_conditional(&mut self, insn: &Insn, double: bool) {
        let done = self.asm.new_dynamic_label();
        dynasm!(self.asm
            ; .arch x64
            ; mov rcx, [BYTE rsp + on_stack::FRAME]
            ; mov rdx, [rcx + in_frame::RESERVATION]
            ; mov QWORD [rcx + in_frame::RESERVATION], DWORD NO_RESERVATION as i32
            ; mov ecx, 1
            ; cmp rdx, rax
            ; jne =>done
        );
        self.read(RDX, insn.rs2);
        self.store_rdx(double);
        dynasm!(self.asm
            ; .arch x64
            ; xor ecx, ecx
            ; =>done
        );
    }

    fn store_rdx(&mut self, double: bool) {
        match double {
            true => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], rdx),
            false => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], edx),
        }
    }

    /// Computes in `rdx` what an AMO stores. The old value is in `rcx`.
    fn combine(&mut self, insn: &Insn) {
        self.read(RDX, insn.rs2);
        match insn.op {
            Op::AmoaddW | Op::AmoaddD => dynasm!(self.asm ; .arch x64 ; add rdx, rcx),
            Op::AmoxorW | Op::AmoxorD => dynasm!(self.asm ; .arch x64 ; xor rdx, rcx),
            Op::AmoandW | Op::AmoandD => dynasm!(self.asm ; .arch x64 ; and rdx, rcx),
            Op::AmoorW | Op::AmoorD => dynasm!(self.asm ; .arch x64 ; or rdx, rcx),
            Op::AmominW => dynasm!(self.asm ; .arch x64 ; cmp ecx, edx ; cmovl edx, ecx),
            Op::AmomaxW => dynasm!(self.asm ; .arch x64 ; cmp ecx, edx ; cmovg edx, ecx),
            Op::AmominuW => dynasm!(self.asm ; .arch x64 ; cmp ecx, edx ; cmovb edx, ecx),
            Op::AmomaxuW => dynasm!(self.asm ; .arch x64 ; cmp ecx, edx ; cmova edx, ecx),
            Op::AmominD => dynasm!(self.asm ; .arch x64 ; cmp rcx, rdx ; cmovl rdx, rcx),
            Op::AmomaxD => dynasm!(self.asm ; .arch x64 ; cmp rcx, rdx ; cmovg rdx, rcx),
            Op::AmominuD => dynasm!(self.asm ; .arch x64 ; cmp rcx, rdx ; cmovb rdx, rcx),
            Op::AmomaxuD => dynasm!(self.asm ; .arch x64 ; cmp rcx, rdx ; cmova rdx, rcx),
            // AMOSWAP.
            _ => {}
        }
    }
}
