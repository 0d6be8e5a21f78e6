//! Integer arithmetic.

use super::registers::{Home, RAX, RCX, RDX, home};
use super::translate::Translator;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use riscv_isa::{Insn, Op};

/// Assembles an operation on two registers. The result is in the first one.
type Binary = fn(&mut Translator<'_>, u8, u8);
/// Assembles an operation on a register and a constant.
type Constant = fn(&mut Translator<'_>, u8, i32);

/// A function that assembles one instruction on 64-bit registers.
macro_rules! binary {
    ($op:ident) => {
        |t, to, from| dynasm!(t.asm ; .arch x64 ; $op Rq(to), Rq(from))
    };
}

/// A function that assembles one instruction with a constant of 32 bits.
macro_rules! constant {
    ($op:ident) => {
        |t, to, value| dynasm!(t.asm ; .arch x64 ; $op Rq(to), DWORD value)
    };
}

/// A function that assembles a shift by a constant, of 64 or of the low 32 bits.
macro_rules! shift {
    ($op:ident, $size:ident) => {
        |t, to, value| dynasm!(t.asm ; .arch x64 ; $op $size(to), BYTE value as i8)
    };
}

/// A function that assembles a shift by `cl`.
macro_rules! shift_by_cl {
    ($op:ident, $size:ident) => {
        |t, to, _| dynasm!(t.asm ; .arch x64 ; $op $size(to), cl)
    };
}

impl Translator<'_> {
    /// Translates arithmetic other than division. Returns false for other instructions.
    pub(super) fn arithmetic(&mut self, insn: &Insn) -> bool {
        // With rd=x0 the instruction has no effect (HINT).
        if insn.rd == 0 && is_arithmetic(insn.op) {
            return true;
        }
        match insn.op {
            Op::Lui => self.set(insn.rd, insn.imm),
            Op::Auipc => {
                let to = Self::work(insn.rd);
                self.page_plus(to, self.draft.offset + i64::from(insn.imm));
                self.write(insn.rd, to);
            }
            Op::Addi if insn.rs1 == 0 => self.set(insn.rd, insn.imm),
            Op::Addi => self.constant(insn, |t, to, value| t.add(to, value), false),
            Op::Addiw => self.constant(insn, |t, to, value| t.add(to, value), true),
            Op::Xori => self.constant(insn, constant!(xor), false),
            Op::Ori => self.constant(insn, constant!(or), false),
            Op::Andi => self.constant(insn, constant!(and), false),
            Op::Slli => self.constant(insn, shift!(shl, Rq), false),
            Op::Srli => self.constant(insn, shift!(shr, Rq), false),
            Op::Srai => self.constant(insn, shift!(sar, Rq), false),
            Op::Slliw => self.constant(insn, shift!(shl, Rd), true),
            Op::Srliw => self.constant(insn, shift!(shr, Rd), true),
            Op::Sraiw => self.constant(insn, shift!(sar, Rd), true),
            Op::Add => self.binary(insn, binary!(add), false),
            Op::Sub => self.binary(insn, binary!(sub), false),
            Op::Xor => self.binary(insn, binary!(xor), false),
            Op::Or => self.binary(insn, binary!(or), false),
            Op::And => self.binary(insn, binary!(and), false),
            Op::Mul => self.binary(insn, binary!(imul), false),
            Op::Addw => self.binary(insn, binary!(add), true),
            Op::Subw => self.binary(insn, binary!(sub), true),
            Op::Mulw => self.binary(insn, binary!(imul), true),
            Op::Sll => self.shift(insn, shift_by_cl!(shl, Rq), false),
            Op::Srl => self.shift(insn, shift_by_cl!(shr, Rq), false),
            Op::Sra => self.shift(insn, shift_by_cl!(sar, Rq), false),
            Op::Sllw => self.shift(insn, shift_by_cl!(shl, Rd), true),
            Op::Srlw => self.shift(insn, shift_by_cl!(shr, Rd), true),
            Op::Sraw => self.shift(insn, shift_by_cl!(sar, Rd), true),
            Op::Slt | Op::Sltu => {
                self.compare(insn.rs1, insn.rs2);
                self.set_if_less(insn.rd, insn.op == Op::Slt);
            }
            Op::Slti | Op::Sltiu => {
                let left = self.held(insn.rs1, RAX);
                dynasm!(self.asm ; .arch x64 ; cmp Rq(left), DWORD insn.imm);
                self.set_if_less(insn.rd, insn.op == Op::Slti);
            }
            Op::Mulh | Op::Mulhu | Op::Mulhsu => self.multiply_high(insn),
            _ => return false,
        }
        true
    }

    /// Sets guest register `rd` to a constant.
    fn set(&mut self, rd: u8, value: i32) {
        match home(rd) {
            Home::Zero => {}
            Home::Host(to) => dynasm!(self.asm ; .arch x64 ; mov Rq(to), DWORD value),
            Home::Memory(at) => {
                dynasm!(self.asm ; .arch x64 ; mov QWORD [BYTE rbp + at], DWORD value)
            }
        }
    }

    fn constant(&mut self, insn: &Insn, op: Constant, word: bool) {
        let to = Self::work(insn.rd);
        self.read(to, insn.rs1);
        op(self, to, insn.imm);
        self.finish_word(to, word);
        self.write(insn.rd, to);
    }

    fn binary(&mut self, insn: &Insn, op: Binary, word: bool) {
        // If `rd` is the second operand, the first one must not overwrite it.
        let to = match Self::work(insn.rd) {
            _ if insn.rd == insn.rs2 && insn.rd != insn.rs1 => RAX,
            own => own,
        };
        let second = self.held(insn.rs2, RCX);
        self.read(to, insn.rs1);
        op(self, to, second);
        self.finish_word(to, word);
        self.write(insn.rd, to);
    }

    /// x86 uses as many bits of the shift amount as RISC-V does.
    fn shift(&mut self, insn: &Insn, op: Binary, word: bool) {
        let to = Self::work(insn.rd);
        self.read(RCX, insn.rs2);
        self.read(to, insn.rs1);
        op(self, to, RCX);
        self.finish_word(to, word);
        self.write(insn.rd, to);
    }

    /// Sign-extends the low 32 bits of a 32-bit operation.
    pub(super) fn finish_word(&mut self, to: u8, word: bool) {
        if word {
            dynasm!(self.asm ; .arch x64 ; movsxd Rq(to), Rd(to));
        }
    }

    /// Compares guest registers. Uses `rax` and `rcx`.
    pub(super) fn compare(&mut self, left: u8, right: u8) {
        let left = self.held(left, RAX);
        match home(right) {
            Home::Zero => dynasm!(self.asm ; .arch x64 ; cmp Rq(left), BYTE 0),
            Home::Host(right) => dynasm!(self.asm ; .arch x64 ; cmp Rq(left), Rq(right)),
            Home::Memory(at) => dynasm!(self.asm ; .arch x64 ; cmp Rq(left), [BYTE rbp + at]),
        }
    }

    fn set_if_less(&mut self, rd: u8, signed: bool) {
        match signed {
            true => dynasm!(self.asm ; .arch x64 ; setl al),
            false => dynasm!(self.asm ; .arch x64 ; setb al),
        }
        let to = Self::work(rd);
        dynasm!(self.asm ; .arch x64 ; movzx Rd(to), al);
        self.write(rd, to);
    }

    fn multiply_high(&mut self, insn: &Insn) {
        self.read(RAX, insn.rs1);
        self.read(RCX, insn.rs2);
        match insn.op {
            Op::Mulh => dynasm!(self.asm ; .arch x64 ; imul rcx),
            Op::Mulhu => dynasm!(self.asm ; .arch x64 ; mul rcx),
            _ => {
                dynasm!(self.asm ; .arch x64 ; mul rcx);
                // A negative first operand counts as 2^64 too much.
                self.read(RAX, insn.rs1);
                dynasm!(self.asm
                    ; .arch x64
                    ; sar rax, 63
                    ; and rax, rcx
                    ; sub rdx, rax
                );
            }
        }
        self.write(insn.rd, RDX);
    }
}

/// Division. Where x86 traps, RISC-V defines the result (unprivileged specification 20191213,
/// section 7.2).
impl Translator<'_> {
    /// Translates a division. Returns false for other instructions.
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
            // With both operands sign-extended to 64 bits, the signed 32-bit division cannot
            // overflow.
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

    /// Divides `rax` by `rcx`, which is not zero. The quotient is in `rax`, the remainder in `rdx`.
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

/// Whether the instruction has no effect other than on `rd`.
fn is_arithmetic(op: Op) -> bool {
    use Op as O;
    let number = op as u8;
    matches!(op, O::Lui | O::Auipc)
        || (O::Addi as u8..=O::Sraw as u8).contains(&number)
        || (O::Mul as u8..=O::Remuw as u8).contains(&number)
}
