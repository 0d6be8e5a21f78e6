//! One block of guest instructions, as host code.
//!
//! The head of a block takes its length off the budget; every other way out than the end gives back
//! what was not executed. So a run stops at exactly the count it was given, however blocks are cut.

use super::control::Later;
use super::frame::{Home, RAX, home, on_stack};
use super::glue::{Assembler, Glue};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use riscv_isa::{Insn, Op};

/// Instructions in a block, at most.
pub(super) const MAX_LEN: usize = 64;

/// Where a block comes from and goes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// RAM offset of its first instruction.
    pub(super) ram: u64,
    /// Offset of its code in the arena.
    pub(super) code: usize,
    /// Address of its code.
    pub(super) address: usize,
    /// Number of its first site.
    pub(super) site: u32,
}

/// A way out of translated code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    /// Where the guest goes on: distance from the start of the page.
    pub(super) offset: i64,
    /// How many instructions that the budget was charged for were not executed.
    pub(super) give_back: u64,
    /// `None` for a jump to where there is no code.
    pub(super) interpret: Option<Interpret>,
}

/// An instruction for the interpreter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interpret {
    pub(super) insn: Insn,
    /// Offset in the arena of the code behind it.
    pub(super) resume: Option<usize>,
}

impl Site {
    /// Where the instruction after this one is: distance from the start of the page.
    pub(super) fn next(&self) -> u64 {
        let len = self.interpret.map_or(0, |interpret| interpret.insn.len);
        self.offset as u64 + u64::from(len)
    }
}

/// A jump within a page, by offsets in the arena.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    /// Its 32-bit displacement.
    pub(super) jump: usize,
    /// Where it leads as long as there is no code for its target.
    pub(super) stub: usize,
}

/// A block, ready to be put at its [`Start`].
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) code: Vec<u8>,
    pub(super) sites: Vec<Site>,
    /// Jumps, with the RAM offsets that they lead to.
    pub(super) links: Vec<(u64, Link)>,
    /// Bytes of guest code.
    pub(super) bytes: u64,
}

/// A block in the making.
pub(super) struct Translator<'a> {
    pub(super) asm: Assembler,
    pub(super) glue: &'a Glue,
    pub(super) start: Start,
    pub(super) sites: Vec<Site>,
    pub(super) links: Vec<(u64, Link)>,
    /// What comes behind the block: rarely executed.
    pub(super) later: Vec<Later>,
    /// Where the instruction at hand is in its page.
    pub(super) offset: i64,
    /// Instructions of the block from this one on.
    pub(super) rest: u64,
}

/// Translates as many of `ops` as make a good block; `None` if there is nothing to gain.
pub(super) fn translate(glue: &Glue, start: Start, ops: &[Insn]) -> Option<Translation> {
    let ops = cut(ops);
    if is_system(ops.first()?.op) {
        return None;
    }
    let mut translator = Translator {
        asm: Assembler::new(start.address),
        glue,
        start,
        sites: Vec::new(),
        links: Vec::new(),
        later: Vec::new(),
        offset: (start.ram & 0xfff) as i64,
        rest: ops.len() as u64,
    };
    translator.head();
    for insn in ops {
        translator.insn(insn);
        translator.offset += i64::from(insn.len);
        translator.rest -= 1;
    }
    if !ops.last().is_some_and(|insn| never_falls_through(insn.op)) {
        translator.go(translator.offset, 0, false);
    }
    translator.finish()
}

/// The part of `ops` that becomes a block: a loop is one of its own, without what comes behind it.
fn cut(ops: &[Insn]) -> &[Insn] {
    let ops = &ops[..ops.len().min(MAX_LEN)];
    let loops = |insn: &Insn| is_branch(insn.op) && insn.imm <= 0;
    let len = ops.iter().position(loops).map_or(ops.len(), |at| at + 1);
    &ops[..len]
}

pub(super) fn is_branch(op: Op) -> bool {
    (Op::Beq as u8..=Op::Bgeu as u8).contains(&(op as u8))
}

/// Whether the instruction ends its block and is the interpreter's.
fn is_system(op: Op) -> bool {
    (Op::Ecall as u8..=Op::Csrrci as u8).contains(&(op as u8))
}

fn never_falls_through(op: Op) -> bool {
    matches!(op, Op::Jal | Op::Jalr) || is_system(op)
}

impl Translator<'_> {
    /// Takes the whole block off the budget, or leaves.
    fn head(&mut self) {
        let label = self.asm.new_dynamic_label();
        dynasm!(self.asm
            ; .arch x64
            ; sub r13, BYTE self.rest as i8
            ; js =>label
        );
        let site = Site {
            offset: self.offset,
            give_back: self.rest,
            interpret: None,
        };
        self.later.push(Later::Leave { label, site });
    }

    fn insn(&mut self, insn: &Insn) {
        match insn.op {
            Op::Jal => self.jal(insn),
            Op::Jalr => self.jalr(insn),
            op if is_branch(op) => self.branch(insn),
            // One hart executes at a time, and code follows stores to it at once.
            Op::Fence | Op::FenceI => {}
            _ if self.arithmetic(insn) || self.divide(insn) => {}
            _ if self.memory(insn) || self.atomic(insn) || self.float_move(insn) => {}
            op => self.interpret(insn, !is_system(op)),
        }
    }

    /// Always leaves to the interpreter.
    fn interpret(&mut self, insn: &Insn, resume: bool) {
        let label = self.leave_to_interpret(insn);
        dynasm!(self.asm ; .arch x64 ; jmp =>label);
        if resume {
            self.resume_here();
        }
    }

    /// A label to jump to where the interpreter must execute `insn`; [`Translator::resume_here`] says
    /// where it goes on.
    pub(super) fn leave_to_interpret(&mut self, insn: &Insn) -> DynamicLabel {
        let label = self.asm.new_dynamic_label();
        let interpret = Interpret {
            insn: *insn,
            resume: None,
        };
        let site = Site {
            offset: self.offset,
            give_back: self.rest,
            interpret: Some(interpret),
        };
        self.later.push(Later::Leave { label, site });
        label
    }

    /// Behind the instruction that the last label of [`Translator::leave_to_interpret`] is for.
    pub(super) fn resume_here(&mut self) {
        let here = self.start.code + self.asm.offset().0;
        if let Some(Later::Leave { site, .. }) = self.later.last_mut()
            && let Some(interpret) = &mut site.interpret
        {
            interpret.resume = Some(here);
        }
    }

    fn finish(mut self) -> Option<Translation> {
        for later in std::mem::take(&mut self.later) {
            self.emit(later);
        }
        // What those jumped to in turn.
        for later in std::mem::take(&mut self.later) {
            self.emit(later);
        }
        Some(Translation {
            code: self.asm.finalize().ok()?,
            sites: self.sites,
            links: self.links,
            bytes: (self.offset as u64) - (self.start.ram & 0xfff),
        })
    }

    /// Puts guest register `x` into a host register.
    pub(super) fn read(&mut self, to: u8, x: u8) {
        match home(x) {
            Home::Zero => dynasm!(self.asm ; .arch x64 ; xor Rd(to), Rd(to)),
            Home::Host(from) if from == to => {}
            Home::Host(from) => dynasm!(self.asm ; .arch x64 ; mov Rq(to), Rq(from)),
            Home::Memory(at) => dynasm!(self.asm ; .arch x64 ; mov Rq(to), [BYTE rbp + at]),
        }
    }

    /// Puts a host register into guest register `x`.
    pub(super) fn write(&mut self, x: u8, from: u8) {
        match home(x) {
            Home::Zero => {}
            Home::Host(to) if from == to => {}
            Home::Host(to) => dynasm!(self.asm ; .arch x64 ; mov Rq(to), Rq(from)),
            Home::Memory(at) => dynasm!(self.asm ; .arch x64 ; mov [BYTE rbp + at], Rq(from)),
        }
    }

    /// A host register that holds guest register `x`: its own, or `spare` after loading it.
    pub(super) fn held(&mut self, x: u8, spare: u8) -> u8 {
        match home(x) {
            Home::Host(host) => host,
            _ => {
                self.read(spare, x);
                spare
            }
        }
    }

    /// The host register to compute `rd` in: its own where it has one.
    pub(super) fn work(rd: u8) -> u8 {
        match home(rd) {
            Home::Host(host) => host,
            _ => RAX,
        }
    }

    /// Puts the address `distance` behind the start of the page into a host register.
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
