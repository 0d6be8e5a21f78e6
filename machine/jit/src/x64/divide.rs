//! Division: where the host's would trap, RISC-V says what the result is (Unprivileged specification
//! 20191213, section 7.2).

use super::frame::{RAX, RCX, RDX};
use super::translate::Translator;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use riscv_isa::{Insn, Op};

impl Translator<'_> {
    /// Translates a division; false if it is none.
    pub(super) fn divide(&mut self, insn: &Insn) -> bool {
        let (signed, remainder, word) = match insn.op {
            Op::Div => (true, false, false),
            Op::Divu => (false, false, false),
            Op::Rem => (true, true, false),
            Op::Remu => (false, true, false),
            Op::Divw => (true, false, true),
            Op::Divuw => (false, false, true),
            Op::Remw => (true, true, true),
            Op::Remuw => (false, true, true),
            _ => return false,
        };
        let done = self.asm.new_dynamic_label();
        let by_zero = self.asm.new_dynamic_label();
        self.read(RAX, insn.rs1);
        self.read(RCX, insn.rs2);
        if word {
            // With both sign-extended, the signed division of words is one that cannot overflow.
            match signed {
                true => dynasm!(self.asm ; .arch x64 ; movsxd rax, eax ; movsxd rcx, ecx),
                false => dynasm!(self.asm ; .arch x64 ; mov eax, eax ; mov ecx, ecx),
            }
        }
        dynasm!(self.asm ; .arch x64 ; test rcx, rcx ; jz =>by_zero);
        match signed {
            true => self.divide_signed(word),
            false => dynasm!(self.asm ; .arch x64 ; xor edx, edx ; div rcx),
        }
        dynasm!(self.asm
            ; .arch x64
            ; jmp =>done
            ; =>by_zero
            ; mov rdx, rax
            ; mov rax, DWORD -1
            ; =>done
        );
        let result = if remainder { RDX } else { RAX };
        self.finish_word(result, word);
        self.write(insn.rd, result);
        true
    }

    /// `rax` by `rcx`, which is not zero: quotient in `rax`, remainder in `rdx`.
    fn divide_signed(&mut self, word: bool) {
        if word {
            dynasm!(self.asm ; .arch x64 ; cqo ; idiv rcx);
            return;
        }
        let plain = self.asm.new_dynamic_label();
        let done = self.asm.new_dynamic_label();
        dynasm!(self.asm
            ; .arch x64
            ; cmp rcx, BYTE -1
            ; jne =>plain
            ; neg rax
            ; xor edx, edx
            ; jmp =>done
            ; =>plain
            ; cqo
            ; idiv rcx
            ; =>done
        );
    }
}
