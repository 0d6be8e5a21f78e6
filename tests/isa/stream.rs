//! Random instructions that any mode may execute. Registers in `bases` point into memory and are
//! never written; all others are random. Control only goes forward, so every stream ends.

use riscv_isa::table::{Format, TABLE};
use riscv_isa::{Insn, Op, csr, decode};

use crate::asm::{Asm, Label, RA, SP, ZERO};
use crate::random::Random;
use crate::runtime::STATUS_FS;

/// The properties of a stream that the runtime needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) entry: u64,
    /// The address of its first instruction, and of the `ecall` that ends it.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) mstatus: u64,
    pub(crate) medeleg: u64,
    pub(crate) fcsr: u64,
    /// Its page tables, and their length in words.
    pub(crate) tables: Option<(Label, u64)>,
}

/// A stream under construction.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    pub(crate) asm: &'a mut Asm,
    pub(crate) random: Random,
    /// Registers that point to the middle of the scratch pages, with 2 KiB on both sides, aligned
    /// to 8 bytes.
    pub(crate) bases: Vec<u8>,
    /// The starts of the steps that follow. Jumps go to one of the next few.
    targets: Vec<Label>,
}

/// The largest distance of a jump, in steps.
const REACH: u64 = 4;

impl<'a> Body<'a> {
    /// Chooses the base registers, and emits the start of the stream, which loads the three
    /// addresses into them.
    pub(crate) fn new(asm: &'a mut Asm, mut random: Random, addresses: &[u64]) -> Self {
        // One that compressed instructions can use, one of all, and often the stack pointer.
        let mut bases = vec![random.range(8, 15) as u8, random.range(3, 31) as u8];
        if random.one_in(2) {
            bases.push(SP);
        }
        let targets = (0..=REACH).map(|_| asm.label()).collect();
        let body = Self {
            asm,
            random,
            bases,
            targets,
        };
        for (base, address) in body.bases.iter().zip(addresses) {
            body.asm.li(*base, *address);
        }
        body
    }

    /// Starts the next step here.
    pub(crate) fn start_step(&mut self) {
        let here = self.targets.remove(0);
        self.asm.bind(here);
        let label = self.asm.label();
        self.targets.push(label);
    }

    /// The start of the next step.
    pub(crate) fn next_step(&self) -> Label {
        self.targets[0]
    }

    /// Ends the stream. Returns the address of its last instruction.
    pub(crate) fn finish(self) -> u64 {
        for label in &self.targets {
            self.asm.bind(*label);
        }
        let end = self.asm.pc();
        self.asm.op(Op::Ecall);
        self.asm.align(4);
        end
    }

    /// A register that may be written.
    pub(crate) fn free(&mut self) -> u8 {
        loop {
            let register = self.random.below(32) as u8;
            if self.is_free(register) {
                return register;
            }
        }
    }

    /// A register other than x0 that may be written.
    pub(crate) fn temporary(&mut self) -> u8 {
        loop {
            let register = self.free();
            if register != ZERO {
                return register;
            }
        }
    }

    pub(crate) fn is_free(&self, register: u8) -> bool {
        !self.bases.contains(&register)
    }

    pub(crate) fn any(&mut self) -> u8 {
        self.random.below(32) as u8
    }

    /// An instruction that changes nothing but registers.
    pub(crate) fn plain(&mut self) {
        loop {
            let entry = &TABLE[self.random.below(TABLE.len() as u64) as usize];
            let word = self.random.u32() & !entry.mask | entry.match_bits;
            match decode(word) {
                // A reserved rounding mode. Only rarely, because otherwise a quarter of the
                // floating-point instructions would be illegal.
                None if self.random.one_in(8) => return self.asm.word(word),
                Some(insn) if self.is_plain(&insn) => return self.asm.word(word),
                _ => {}
            }
        }
    }

    /// A compressed instruction that changes only registers, or is a load or store in memory.
    pub(crate) fn compressed(&mut self) {
        loop {
            let half = self.random.u32() as u16;
            if let Some(insn) = decode(u32::from(half) | 3 << 16)
                && insn.len == 2
                && (self.is_plain(&insn) || self.is_access(&insn))
            {
                return self.asm.half(half);
            }
        }
    }

    /// True if it goes on with the next instruction, accesses no memory, and writes no base
    /// register.
    fn is_plain(&self, insn: &Insn) -> bool {
        match insn.op.entry().format {
            Format::I => insn.op != Op::Jalr && self.is_free(insn.rd),
            Format::U | Format::Shift | Format::ShiftW | Format::R => self.is_free(insn.rd),
            Format::FCmp | Format::XF | Format::XFRm => self.is_free(insn.rd),
            Format::F4 | Format::F | Format::FRm | Format::FFRm | Format::FX | Format::FXRm => true,
            Format::Fence => true,
            _ => false,
        }
    }

    /// True if it is a load or store at a base register.
    fn is_access(&self, insn: &Insn) -> bool {
        let in_memory = self.bases.contains(&insn.rs1);
        match insn.op.entry().format {
            Format::Load => in_memory && self.is_free(insn.rd),
            Format::Store | Format::FLoad | Format::FStore => in_memory,
            _ => false,
        }
    }

    /// A load or store without its address.
    pub(crate) fn access(&mut self) -> Insn {
        let memory: Vec<Op> = TABLE
            .iter()
            .filter(|e| {
                matches!(
                    e.format,
                    Format::Load | Format::Store | Format::FLoad | Format::FStore
                )
            })
            .map(|e| e.op)
            .collect();
        let op = self.random.pick(&memory);
        let rd = match op.entry().format {
            Format::Load => self.free(),
            Format::FLoad => self.any(),
            _ => 0,
        };
        let rs2 = match op.entry().format {
            Format::Store | Format::FStore => self.any(),
            _ => 0,
        };
        Insn {
            rd,
            rs2,
            ..Insn::new(op)
        }
    }

    pub(crate) fn load_or_store(&mut self) {
        let insn = self.access();
        let mut imm = self.random.range(-2048, 2040) as i32;
        if !self.random.one_in(4) {
            imm &= !7;
        }
        let rs1 = self.random.pick(&self.bases.clone());
        self.asm.insn(Insn { rs1, imm, ..insn });
    }

    /// A branch or jump forward, of any kind.
    pub(crate) fn jump(&mut self) {
        let to = self.targets[self.random.below(REACH) as usize];
        match self.random.below(12) {
            0..6 => {
                let branches = [Op::Beq, Op::Bne, Op::Blt, Op::Bge, Op::Bltu, Op::Bgeu];
                let op = self.random.pick(&branches);
                let (rs1, rs2) = (self.any(), self.any());
                self.asm.branch(op, rs1, rs2, to);
            }
            6 | 7 => {
                let op = self.random.pick(&[Op::Beq, Op::Bne]);
                let rs1 = self.random.range(8, 15) as u8;
                self.asm.compressed_jump(op, rs1, to);
            }
            8 => self.asm.compressed_jump(Op::Jal, ZERO, to),
            9 => {
                let rd = self.free();
                self.asm.jal(rd, to);
            }
            10 => {
                let (rd, through) = (self.free(), self.temporary());
                self.asm.la(through, to);
                // The lowest bit of the sum is ignored.
                let offset = i32::from(self.random.one_in(2));
                self.asm.i(Op::Jalr, rd, through, offset);
            }
            _ => {
                // c.jr or c.jalr
                let through = self.temporary();
                let link = self.is_free(RA) && self.random.one_in(2);
                self.asm.la(through, to);
                let half = 0x8002 | u16::from(through) << 7 | u16::from(link) << 12;
                self.asm.half(half);
            }
        }
    }

    /// An atomic read-modify-write without its address.
    pub(crate) fn amo(&mut self) -> Insn {
        let atomics: Vec<Op> = TABLE
            .iter()
            .filter(|e| e.format == Format::Amo && !matches!(e.op, Op::ScW | Op::ScD))
            .map(|e| e.op)
            .collect();
        Insn {
            rd: self.free(),
            rs2: self.any(),
            rm: self.random.below(4) as u8,
            ..Insn::new(self.random.pick(&atomics))
        }
    }

    /// Reads and writes CSRs that hold any value (`one_more` is another one), and some that do not
    /// exist.
    pub(crate) fn csr(&mut self, one_more: u16) {
        let ops = [
            Op::Csrrw,
            Op::Csrrs,
            Op::Csrrc,
            Op::Csrrwi,
            Op::Csrrsi,
            Op::Csrrci,
        ];
        let op = self.random.pick(&ops);
        let number = self.random.pick(&[
            csr::FFLAGS,
            csr::FFLAGS,
            csr::FRM,
            csr::FCSR,
            csr::FCSR,
            one_more,
            // Custom numbers without a CSR, and one of RV32.
            0x5c0,
            0x800,
            0xbc0,
            0xcc0,
            0xc80,
        ]);
        let (rd, rs1) = (self.free(), self.any());
        self.asm.csr(op, rd, number, rs1);
        // With a reserved dynamic rounding mode most floating-point instructions are illegal, so it
        // is soon changed again.
        if matches!(number, csr::FRM | csr::FCSR) && !self.random.one_in(4) {
            let mode = self.random.below(5) as u8;
            self.asm.csr(Op::Csrrwi, ZERO, csr::FRM, mode);
        }
    }

    /// An instruction that no RV64GC machine decodes.
    pub(crate) fn illegal(&mut self) {
        loop {
            if self.random.one_in(2) {
                let half = self.random.u32() as u16;
                if half & 3 != 3 && decode(u32::from(half)).is_none() {
                    return self.asm.half(half);
                }
            } else {
                // Longer encodings have no defined length in a trap handler.
                let word = self.random.u32() | 3;
                if word & 0x1f != 0x1f && decode(word).is_none() {
                    return self.asm.word(word);
                }
            }
        }
    }

    pub(crate) fn breakpoint(&mut self) {
        if self.random.one_in(2) {
            self.asm.half(0x9002);
        } else {
            self.asm.op(Op::Ebreak);
        }
    }

    /// Switches the floating-point unit off, in a few cases, and on again.
    pub(crate) fn switch_fpu(&mut self, status: u16) {
        let register = self.temporary();
        self.asm.li(register, STATUS_FS);
        let op = if self.random.one_in(3) {
            Op::Csrrc
        } else {
            Op::Csrrs
        };
        self.asm.csr(op, ZERO, status, register);
    }

    /// Loads a useful operand into a register; most results are none.
    pub(crate) fn operand(&mut self) {
        let register = self.temporary();
        let value = self.random.operand();
        self.asm.li(register, value);
        if self.random.one_in(2) {
            let rd = self.any();
            let op = self.random.pick(&[Op::FmvDX, Op::FmvWX]);
            self.asm.r(op, rd, register, 0);
        }
    }
}
