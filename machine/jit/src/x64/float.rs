//! Moves of floating-point registers: loads, stores, moves to and from integer registers, and sign
//! injection. The host's floating-point arithmetic is not used.

use super::registers::{LOAD_TO_STORE, RAX, on_stack};
use super::translate::Translator;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use riscv_isa::{Insn, Op};

impl Translator<'_> {
    /// Translates a move of a floating-point register. Returns false for other instructions.
    pub(super) fn float_move(&mut self, insn: &Insn) -> bool {
        match insn.op {
            Op::Fld | Op::Flw => self.float_load(insn),
            Op::Fsd | Op::Fsw => self.float_store(insn),
            Op::FmvXD | Op::FmvXW => self.float_to_integer(insn),
            Op::FmvDX | Op::FmvWX => self.integer_to_float(insn),
            Op::FsgnjD | Op::FsgnjnD | Op::FsgnjxD => self.float_sign(insn),
            _ => return false,
        }
        true
    }

    /// Loads the address of the registers into `rcx`. Jumps to `off` if they must not be used.
    fn float_registers(&mut self, off: DynamicLabel) {
        dynasm!(self.asm
            ; .arch x64
            ; mov rcx, [BYTE rsp + on_stack::F]
            ; test rcx, rcx
            ; jz =>off
        );
    }

    fn float_load(&mut self, insn: &Insn) {
        let miss = self.leave_to_interpret(insn);
        self.float_registers(miss);
        self.read(RAX, insn.rs1);
        self.add(RAX, insn.imm);
        let double = insn.op == Op::Fld;
        self.ram_offset(if double { 8 } else { 4 }, 0, miss);
        match double {
            true => dynasm!(self.asm ; .arch x64 ; mov rax, [r15 + rax]),
            false => dynasm!(self.asm ; .arch x64 ; mov eax, [r15 + rax]),
        }
        self.float_set(insn.rd, double);
        self.resume_here();
    }

    fn float_store(&mut self, insn: &Insn) {
        let miss = self.leave_to_interpret(insn);
        self.float_registers(miss);
        self.read(RAX, insn.rs1);
        self.add(RAX, insn.imm);
        let double = insn.op == Op::Fsd;
        self.ram_offset(if double { 8 } else { 4 }, LOAD_TO_STORE, miss);
        dynasm!(self.asm
            ; .arch x64
            ; mov rcx, [BYTE rsp + on_stack::F]
            ; mov rcx, [rcx + place(insn.rs2)]
        );
        match double {
            true => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], rcx),
            false => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], ecx),
        }
        self.resume_here();
    }

    fn float_to_integer(&mut self, insn: &Insn) {
        let off = self.leave_to_interpret(insn);
        self.float_registers(off);
        match insn.op {
            Op::FmvXD => dynasm!(self.asm ; .arch x64 ; mov rax, [rcx + place(insn.rs1)]),
            _ => dynasm!(self.asm ; .arch x64 ; movsxd rax, DWORD [rcx + place(insn.rs1)]),
        }
        self.write(insn.rd, RAX);
        self.resume_here();
    }

    fn integer_to_float(&mut self, insn: &Insn) {
        let off = self.leave_to_interpret(insn);
        self.float_registers(off);
        self.read(RAX, insn.rs1);
        self.float_set(insn.rd, insn.op == Op::FmvDX);
        self.resume_here();
    }

    fn float_sign(&mut self, insn: &Insn) {
        let off = self.leave_to_interpret(insn);
        self.float_registers(off);
        // The value whose top bit changes the sign.
        dynasm!(self.asm ; .arch x64 ; mov rax, [rcx + place(insn.rs2)]);
        match insn.op {
            Op::FsgnjD => dynasm!(self.asm ; .arch x64 ; xor rax, [rcx + place(insn.rs1)]),
            Op::FsgnjnD => dynasm!(self.asm
                ; .arch x64
                ; xor rax, [rcx + place(insn.rs1)]
                ; not rax
            ),
            _ => {}
        }
        dynasm!(self.asm
            ; .arch x64
            ; shr rax, 63
            ; shl rax, 63
            ; xor rax, [rcx + place(insn.rs1)]
        );
        self.float_set(insn.rd, true);
        self.resume_here();
    }

    /// Sets a floating-point register to `rax`, or to its NaN-boxed low half. Uses `rdx`.
    fn float_set(&mut self, rd: u8, double: bool) {
        dynasm!(self.asm ; .arch x64 ; mov rcx, [BYTE rsp + on_stack::F]);
        if !double {
            dynasm!(self.asm
                ; .arch x64
                ; mov eax, eax
                ; mov rdx, QWORD 0xffff_ffff_0000_0000_u64 as i64
                ; or rax, rdx
            );
        }
        dynasm!(self.asm ; .arch x64 ; mov [rcx + place(rd)], rax);
    }
}

/// Offset of a register from the first one, in bytes.
fn place(register: u8) -> i32 {
    i32::from(register & 31) * 8
}
