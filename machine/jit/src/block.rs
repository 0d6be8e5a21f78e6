//! One block of guest instructions: where it ends, how it is left, and what else is known of its
//! code, whatever host that is for.
//!
//! The head of a block takes its length off the budget; every other way out than the end gives back
//! what was not executed. So a run stops at exactly the count it was given, however blocks are cut.

use riscv_isa::{Insn, Op};

/// Instructions in a block, at most.
pub(crate) const MAX_LEN: usize = 64;
/// Bytes of guest code in a block, at most.
pub(crate) const MAX_BYTES: u64 = 4 * MAX_LEN as u64;
/// Bytes of a page. No block crosses one.
pub(crate) const PAGE: u64 = 4096;

/// Where a block comes from and goes to.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// RAM offset of its first instruction.
    pub(crate) ram: u64,
    /// Offset of its code in the arena.
    pub(crate) code: usize,
    /// Address of its code.
    pub(crate) address: usize,
    /// Number of its first site.
    pub(crate) site: u32,
}

/// A way out of translated code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    /// Where the guest goes on: distance from the start of the page.
    pub(crate) offset: i64,
    /// How many instructions that the budget was charged for were not executed.
    pub(crate) give_back: u64,
    /// `None` for a jump to where there is no code.
    pub(crate) interpret: Option<Interpret>,
}

/// An instruction for the interpreter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interpret {
    pub(crate) insn: Insn,
    /// Offset in the arena of the code behind it.
    pub(crate) resume: Option<usize>,
}

impl Site {
    /// Where the instruction after this one is: distance from the start of the page.
    pub(crate) fn next(&self) -> u64 {
        let len = self.interpret.map_or(0, |interpret| interpret.insn.len);
        self.offset as u64 + u64::from(len)
    }
}

/// A jump within a page, by offsets in the arena.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// The four bytes of it that say where it leads.
    pub(crate) jump: usize,
    /// Where it leads as long as there is no code for its target.
    pub(crate) stub: usize,
}

/// A block, ready to be put at its [`Start`].
#[derive(Debug)]
pub struct Translation {
    pub(crate) code: Vec<u8>,
    pub(crate) sites: Vec<Site>,
    /// Jumps, with the RAM offsets that they lead to. Each leads to its stub.
    pub(crate) links: Vec<(u64, Link)>,
    /// Bytes of guest code.
    pub(crate) bytes: u64,
}

/// A block in the making: what a back end keeps beside the code that it emits. Places in the code
/// are given as distances from its beginning.
#[derive(Debug)]
pub(crate) struct Draft {
    start: Start,
    sites: Vec<Site>,
    links: Vec<(u64, Link)>,
    /// Where the instruction at hand is: distance from the start of the page.
    pub(crate) offset: i64,
    /// Instructions of the block from this one on.
    pub(crate) rest: u64,
}

impl Draft {
    /// At the first of `ops`.
    pub(crate) fn new(start: Start, ops: &[Insn]) -> Self {
        Self {
            start,
            sites: Vec::new(),
            links: Vec::new(),
            offset: (start.ram % PAGE) as i64,
            rest: ops.len() as u64,
        }
    }

    /// Goes on to the instruction behind `insn`, which is the one at hand.
    pub(crate) fn pass(&mut self, insn: &Insn) {
        self.offset += i64::from(insn.len);
        self.rest -= 1;
    }

    /// A way out in front of the instruction at hand: with `insn`, which is that one, to the
    /// interpreter.
    pub(crate) fn leave(&self, insn: Option<&Insn>) -> Site {
        Site {
            offset: self.offset,
            give_back: self.rest,
            interpret: insn.map(|insn| Interpret {
                insn: *insn,
                resume: None,
            }),
        }
    }

    /// Says that what `site` left to the interpreter goes on at this place in the code.
    pub(crate) fn resume_at(&self, site: &mut Site, code: usize) {
        if let Some(interpret) = &mut site.interpret {
            interpret.resume = Some(self.start.code + code);
        }
    }

    /// The number for a site, which the code leaves in the frame.
    pub(crate) fn number(&mut self, site: Site) -> u32 {
        self.sites.push(site);
        self.start.site + (self.sites.len() - 1) as u32
    }

    /// Whether `target`, a distance from the start of the page, is on the page: if so a jump there
    /// is a link.
    pub(crate) fn on_page(target: i64) -> bool {
        (0..PAGE as i64).contains(&target)
    }

    /// Says that the jump with its four bytes at `jump` leads to `target` on the page, and to the
    /// stub at `stub` as long as there is no code. Returns the way out that the stub is.
    pub(crate) fn link(&mut self, target: i64, jump: usize, stub: usize) -> Site {
        let page = self.start.ram - self.start.ram % PAGE;
        let link = Link {
            jump: self.start.code + jump,
            stub: self.start.code + stub,
        };
        self.links.push((page + target as u64, link));
        Site {
            offset: target,
            give_back: 0,
            interpret: None,
        }
    }

    /// The block, all of which has been passed, with its code.
    pub(crate) fn finish(self, code: Vec<u8>) -> Translation {
        Translation {
            code,
            sites: self.sites,
            links: self.links,
            bytes: self.offset as u64 - self.start.ram % PAGE,
        }
    }
}

/// The part of `ops` that becomes a block: a loop is one of its own, without what comes behind it.
/// `None` where there is nothing to gain, as the first instruction is the interpreter's.
pub(crate) fn cut(ops: &[Insn]) -> Option<&[Insn]> {
    if is_system(ops.first()?.op) {
        return None;
    }
    let ops = &ops[..ops.len().min(MAX_LEN)];
    let loops = |insn: &Insn| is_branch(insn.op) && insn.imm <= 0;
    let len = ops.iter().position(loops).map_or(ops.len(), |at| at + 1);
    Some(&ops[..len])
}

/// Whether a block goes on behind its last instruction.
pub(crate) fn falls_through(ops: &[Insn]) -> bool {
    !ops.last()
        .is_some_and(|insn| matches!(insn.op, Op::Jal | Op::Jalr) || is_system(insn.op))
}

/// Whether it is a conditional branch.
pub(crate) fn is_branch(op: Op) -> bool {
    (Op::Beq as u8..=Op::Bgeu as u8).contains(&(op as u8))
}

/// Whether the instruction ends its block and is the interpreter's.
pub(crate) fn is_system(op: Op) -> bool {
    (Op::Ecall as u8..=Op::Csrrci as u8).contains(&(op as u8))
}
