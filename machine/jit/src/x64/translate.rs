//! The translation of a block to x86-64: its instructions, then the code that rarely executes.

use super::control::Deferred;
use super::glue::{Assembler, Glue};
use super::registers::{Home, RAX, home, on_stack};
use crate::block::{self, Draft, MAX_LEN, Start, Translation, is_branch, is_system};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use riscv_isa::{Insn, Op};

/// Counts of instructions are encoded as signed bytes.
const _: () = assert!(MAX_LEN <= i8::MAX as usize);

/// A block during its translation.
pub(super) struct Translator<'a> {
    pub(super) asm: Assembler,
    pub(super) glue: &'a Glue,
    pub(super) draft: Draft,
    /// Code that rarely executes. It is emitted after the block.
    pub(super) deferred: Vec<Deferred>,
}

/// Translates a block; `None` if the assembler fails.
pub(super) fn translate(glue: &Glue, start: Start, ops: &[Insn]) -> Option<Translation> {
    let mut translator = Translator {
        asm: Assembler::new(start.address),
        glue,
        draft: Draft::new(start, ops),
        deferred: Vec::new(),
    };
    translator.head();
    for insn in ops {
        translator.insn(insn);
        translator.draft.advance(insn);
    }
    if block::falls_through(ops) {
        translator.go(translator.draft.offset, 0, false);
    }
    translator.finish()
}

impl Translator<'_> {
    /// Subtracts the block's length from the budget, or leaves.
    fn head(&mut self) {
        let label = self.asm.new_dynamic_label();
        dynasm!(self.asm
            ; .arch x64
            ; sub r13, BYTE self.draft.rest as i8
            ; js =>label
        );
        let site = self.draft.leave(None);
        self.deferred.push(Deferred::Leave { label, site });
    }

    fn insn(&mut self, insn: &Insn) {
        match insn.op {
            Op::Jal => self.jal(insn),
            Op::Jalr => self.jalr(insn),
            op if is_branch(op) => self.branch(insn),
            // Only one hart executes at a time, and stores to code invalidate it at once.
            Op::Fence | Op::FenceI => {}
            _ if self.arithmetic(insn) || self.divide(insn) => {}
            _ if self.memory(insn) || self.atomic(insn) || self.float_move(insn) => {}
            op => self.interpret(insn, !is_system(op)),
        }
    }

    /// Leaves the instruction to the interpreter unconditionally.
    fn interpret(&mut self, insn: &Insn, resume: bool) {
        let label = self.leave_to_interpret(insn);
        dynasm!(self.asm ; .arch x64 ; jmp =>label);
        if resume {
            self.resume_here();
        }
    }

    /// A label to jump to if the interpreter must execute `insn`. [`Translator::resume_here`] marks
    /// the position at which to resume.
    pub(super) fn leave_to_interpret(&mut self, insn: &Insn) -> DynamicLabel {
        let label = self.asm.new_dynamic_label();
        let site = self.draft.leave(Some(insn));
        self.deferred.push(Deferred::Leave { label, site });
        label
    }

    /// Marks the position after the instruction of the last [`Translator::leave_to_interpret`].
    pub(super) fn resume_here(&mut self) {
        if let Some(Deferred::Leave { site, .. }) = self.deferred.last_mut() {
            self.draft.resume_at(site, self.asm.offset().0);
        }
    }

    fn finish(mut self) -> Option<Translation> {
        for deferred in std::mem::take(&mut self.deferred) {
            self.emit(deferred);
        }
        // The code that was just emitted may have deferred more.
        for deferred in std::mem::take(&mut self.deferred) {
            self.emit(deferred);
        }
        Some(self.draft.finish(self.asm.finalize().ok()?))
    }

    /// Copies guest register `x` to a host register.
    pub(super) fn read(&mut self, to: u8, x: u8) {
        match home(x) {
            Home::Zero => dynasm!(self.asm ; .arch x64 ; xor Rd(to), Rd(to)),
            Home::Host(from) if from == to => {}
            Home::Host(from) => dynasm!(self.asm ; .arch x64 ; mov Rq(to), Rq(from)),
            Home::Memory(at) => dynasm!(self.asm ; .arch x64 ; mov Rq(to), [BYTE rbp + at]),
        }
    }

    /// Copies a host register to guest register `x`.
    pub(super) fn write(&mut self, x: u8, from: u8) {
        match home(x) {
            Home::Zero => {}
            Home::Host(to) if from == to => {}
            Home::Host(to) => dynasm!(self.asm ; .arch x64 ; mov Rq(to), Rq(from)),
            Home::Memory(at) => dynasm!(self.asm ; .arch x64 ; mov [BYTE rbp + at], Rq(from)),
        }
    }

    /// A host register with the value of guest register `x`: its own, or `spare`, which is then
    /// loaded.
    pub(super) fn held(&mut self, x: u8, spare: u8) -> u8 {
        match home(x) {
            Home::Host(host) => host,
            _ => {
                self.read(spare, x);
                spare
            }
        }
    }

    /// The host register in which to compute `rd`: its own if it has one.
    pub(super) fn work(rd: u8) -> u8 {
        match home(rd) {
            Home::Host(host) => host,
            _ => RAX,
        }
    }

    /// Computes the address at `distance` from the start of the page, in a host register.
    pub(super) fn page_plus(&mut self, to: u8, distance: i64) {
        dynasm!(self.asm ; .arch x64 ; mov Rq(to), [BYTE rsp + on_stack::PAGE]);
        self.add(to, distance as i32);
    }

    /// Adds a constant to a host register.
    pub(super) fn add(&mut self, to: u8, value: i32) {
        match i8::try_from(value) {
            Ok(0) => {}
            Ok(value) => dynasm!(self.asm ; .arch x64 ; add Rq(to), BYTE value),
            Err(_) => dynasm!(self.asm ; .arch x64 ; add Rq(to), DWORD value),
        }
    }
}
