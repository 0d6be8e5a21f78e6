//! A back end for an invented host, so that the shared part can be tested on any host.
//!
//! Its code consists of words of four bytes. A jump is one whole word, as AArch64's `b`. It
//! executes from its own instruction cache, which contains only words that were flushed. It has no
//! guest registers: `beq` is always taken, other branches never are, and arithmetic is only
//! counted.

use crate::block::{Draft, Site, Start, Translation, falls_through, is_branch, is_system};
use crate::frame::{Frame, NO_SITE};
use crate::host::Host;
use riscv_isa::{Insn, Op};
use std::cell::{Cell, RefCell};

/// Subtracts a number of instructions from the budget. If the budget allows them, skips a word.
const CHARGE: u32 = 1 << 24;
/// Executes the instruction at this offset in the page.
const STEP: u32 = 2 << 24;
/// Gives back a number of instructions.
const GIVE_BACK: u32 = 3 << 24;
/// Leaves through the site of this number.
const LEAVE: u32 = 4 << 24;
/// Leaves to this offset in the page.
const LEAVE_PAGE: u32 = 5 << 24;
/// The content of words that were never flushed.
const NEVER_WRITTEN: u32 = u32::MAX;
/// `b` of AArch64: an opcode, and a displacement of 26 bits in words.
const JUMP: u32 = 0b000101 << 26;
const DISPLACEMENT: u32 = (1 << 26) - 1;

#[derive(Debug)]
pub(super) struct Toy {
    base: usize,
    /// The flushed words.
    icache: RefCell<Vec<u32>>,
    /// Addresses of the executed instructions.
    pub(super) executed: RefCell<Vec<u64>>,
    /// Number of entries into code.
    pub(super) entered: Cell<u32>,
}

// SAFETY: only `enter` below executes the code, and it is safe Rust.
unsafe impl Host for Toy {
    const ARENA: usize = 8192;

    fn available() -> bool {
        true
    }

    fn glue(base: usize) -> Option<(Self, Vec<u8>)> {
        let toy = Self {
            base,
            icache: RefCell::new(vec![NEVER_WRITTEN; Self::ARENA / 4]),
            executed: RefCell::default(),
            entered: Cell::default(),
        };
        // This host needs no glue. The tests look for this word.
        Some((toy, GLUE.to_le_bytes().to_vec()))
    }

    fn translate(&self, start: Start, ops: &[Insn]) -> Option<Translation> {
        assert_eq!(start.address, self.base + start.code);
        let mut translator = Translator {
            words: Vec::new(),
            draft: Draft::new(start, ops),
            stubs: Vec::new(),
            sites: Vec::new(),
        };
        translator.head();
        for insn in ops {
            translator.insn(insn);
            translator.draft.advance(insn);
        }
        if falls_through(ops) {
            translator.go(translator.draft.offset);
        }
        Some(translator.finish())
    }

    fn jump(place: usize, target: usize) -> [u8; 4] {
        let words = (target as i64 - place as i64) / 4;
        (JUMP | words as u32 & DISPLACEMENT).to_le_bytes()
    }

    fn flush_icache(&self, written: &[u8], executed: usize) {
        let at = (executed - self.base) / 4;
        let (words, rest) = written.as_chunks();
        assert!(rest.is_empty() && executed.is_multiple_of(4));
        for (word, bytes) in self.icache.borrow_mut()[at..].iter_mut().zip(words) {
            *word = u32::from_le_bytes(*bytes);
        }
    }

    unsafe fn enter(&self, frame: &mut Frame, code: usize) {
        self.entered.set(self.entered.get() + 1);
        let mut at = (code - self.base) / 4;
        loop {
            let word = self.icache.borrow()[at];
            at += 1;
            let value = u64::from(word & 0xff_ffff);
            match word & 0xff00_0000 {
                CHARGE => {
                    frame.budget -= value as i64;
                    at += usize::from(frame.budget >= 0);
                }
                STEP => self.executed.borrow_mut().push(frame.page + value),
                GIVE_BACK => frame.budget += value as i64,
                LEAVE => {
                    frame.site = value;
                    return;
                }
                LEAVE_PAGE => {
                    frame.site = u64::from(NO_SITE);
                    frame.pc = frame.page + value;
                    return;
                }
                _ if word & !DISPLACEMENT == JUMP => {
                    let words = ((word << 6) as i32) >> 6;
                    at = at.wrapping_add_signed(words as isize - 1);
                }
                _ => panic!("executed {word:#x} at word {}, which is no code", at - 1),
            }
        }
    }
}

/// The glue. It must not be executed.
pub(super) const GLUE: u32 = 0xee00_0000;

struct Translator {
    words: Vec<u32>,
    draft: Draft,
    /// Jumps: position of the word, and target.
    stubs: Vec<(usize, i64)>,
    /// Exits: position of the word, and site.
    sites: Vec<(usize, Site)>,
}

impl Translator {
    fn emit(&mut self, operation: u32, value: u64) {
        self.words.push(operation | value as u32);
    }

    fn leave(&mut self, site: Site) {
        self.sites.push((self.words.len(), site));
        self.emit(LEAVE, 0);
    }

    fn head(&mut self) {
        self.emit(CHARGE, self.draft.rest);
        self.leave(self.draft.leave(None));
    }

    fn insn(&mut self, insn: &Insn) {
        let here = self.draft.offset;
        match insn.op {
            Op::Addi => self.emit(STEP, here as u64),
            Op::Jal => {
                self.emit(STEP, here as u64);
                self.go(here + i64::from(insn.imm));
            }
            op if is_branch(op) => {
                self.emit(STEP, here as u64);
                if op == Op::Beq {
                    self.emit(GIVE_BACK, self.draft.rest - 1);
                    self.go(here + i64::from(insn.imm));
                }
            }
            op => {
                self.leave(self.draft.leave(Some(insn)));
                let behind = self.words.len() * 4;
                if let Some((_, site)) = self.sites.last_mut().filter(|_| !is_system(op)) {
                    self.draft.resume_at(site, behind);
                }
            }
        }
    }

    fn go(&mut self, target: i64) {
        if Draft::on_page(target) {
            self.stubs.push((self.words.len(), target));
            self.emit(JUMP, 0);
        } else {
            assert!(target > 0, "the toy leaves a page at its end alone");
            self.emit(LEAVE_PAGE, target as u64);
        }
    }

    fn finish(mut self) -> Translation {
        for (jump, target) in std::mem::take(&mut self.stubs) {
            let stub = self.words.len();
            self.words[jump] = u32::from_le_bytes(Toy::jump(jump * 4, stub * 4));
            let site = self.draft.link(target, jump * 4, stub * 4);
            self.leave(site);
        }
        for (word, site) in self.sites {
            self.words[word] |= self.draft.number(site);
        }
        self.draft.finish(
            self.words
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect(),
        )
    }
}
