//! A block of guest instructions: its end, its exits, and the bookkeeping of its code. Nothing here
//! depends on the host.
//!
//! The head of a block subtracts its length from the budget. Every exit other than the end gives
//! back the instructions that were not executed. So a run stops at exactly the icount that it was
//! given, however blocks are cut.

use riscv_isa::{Insn, Op};

/// Most instructions in a block.
pub(crate) const MAX_LEN: usize = 64;
/// Most bytes of guest code in a block.
pub(crate) const MAX_BYTES: u64 = 4 * MAX_LEN as u64;
/// Size of a page in bytes. No block crosses a page.
pub(crate) const PAGE: u64 = 4096;

/// The position of a block: its guest code, and its host code.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// RAM offset of the first instruction.
    pub(crate) ram: u64,
    /// Offset of the code in the arena.
    pub(crate) code: usize,
    /// Address of the code.
    pub(crate) address: usize,
    /// Number of the first exit site.
    pub(crate) site: u32,
}

/// An exit from translated code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    /// Where the guest continues: offset in the page, in bytes.
    pub(crate) offset: i64,
    /// Instructions that were subtracted from the budget but not executed.
    pub(crate) give_back: u64,
    /// The instruction to interpret; `None` for a jump to a target without code.
    pub(crate) interpret: Option<Interpret>,
}

/// An instruction that the interpreter executes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interpret {
    pub(crate) insn: Insn,
    /// Offset in the arena of the code after it.
    pub(crate) resume: Option<usize>,
}

impl Site {
    /// Offset in the page of the next instruction.
    pub(crate) fn next(&self) -> u64 {
        let len = self.interpret.map_or(0, |interpret| interpret.insn.len);
        self.offset as u64 + u64::from(len)
    }
}

/// A jump within a page. Its fields are offsets in the arena.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// The four bytes that encode the target.
    pub(crate) jump: usize,
    /// The target while there is no code for the guest's target.
    pub(crate) stub: usize,
}

/// The code of a block, which is only valid at its [`Start`].
#[derive(Debug)]
pub struct Translation {
    pub(crate) code: Vec<u8>,
    pub(crate) sites: Vec<Site>,
    /// Jumps, each with the RAM offset of its target. Each one leads to its stub.
    pub(crate) links: Vec<(u64, Link)>,
    /// Bytes of guest code.
    pub(crate) bytes: u64,
}

/// The bookkeeping of a block while a back end emits its code. Positions in the code are offsets
/// from its start.
#[derive(Debug)]
pub(crate) struct Draft {
    start: Start,
    sites: Vec<Site>,
    links: Vec<(u64, Link)>,
    /// Offset in the page of the current instruction.
    pub(crate) offset: i64,
    /// Number of instructions from the current one to the end of the block.
    pub(crate) rest: u64,
}

impl Draft {
    /// Starts at the first instruction of `ops`.
    pub(crate) fn new(start: Start, ops: &[Insn]) -> Self {
        Self {
            start,
            sites: Vec::new(),
            links: Vec::new(),
            offset: (start.ram % PAGE) as i64,
            rest: ops.len() as u64,
        }
    }

    /// Advances from `insn`, the current instruction, to the next one.
    pub(crate) fn advance(&mut self, insn: &Insn) {
        self.offset += i64::from(insn.len);
        self.rest -= 1;
    }

    /// An exit before the current instruction. With `insn`, which must be the current instruction,
    /// the interpreter executes it.
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

    /// Sets the position in the code at which execution resumes after `site`.
    pub(crate) fn resume_at(&self, site: &mut Site, code: usize) {
        if let Some(interpret) = &mut site.interpret {
            interpret.resume = Some(self.start.code + code);
        }
    }

    /// Adds a site. Returns its number, which the code stores into the frame.
    pub(crate) fn number(&mut self, site: Site) -> u32 {
        self.sites.push(site);
        self.start.site + (self.sites.len() - 1) as u32
    }

    /// Whether `target`, an offset in the page, is on the page. If so, a jump to it is a link.
    pub(crate) fn on_page(target: i64) -> bool {
        (0..PAGE as i64).contains(&target)
    }

    /// Adds a link: the jump whose four bytes are at `jump` leads to `target` on the page, or to
    /// the stub at `stub` while there is no code. Returns the exit of the stub.
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

    /// Completes the block with its code. All instructions must have been passed.
    pub(crate) fn finish(self, code: Vec<u8>) -> Translation {
        Translation {
            code,
            sites: self.sites,
            links: self.links,
            bytes: self.offset as u64 - self.start.ram % PAGE,
        }
    }
}

/// The part of `ops` that becomes a block. A loop becomes a block without the instructions after
/// it. `None` if the first instruction must be interpreted, so a block is of no use.
pub(crate) fn cut(ops: &[Insn]) -> Option<&[Insn]> {
    if is_system(ops.first()?.op) {
        return None;
    }
    let ops = &ops[..ops.len().min(MAX_LEN)];
    let loops = |insn: &Insn| is_branch(insn.op) && insn.imm <= 0;
    let len = ops.iter().position(loops).map_or(ops.len(), |at| at + 1);
    Some(&ops[..len])
}

/// Whether execution can continue after the last instruction of a block.
pub(crate) fn falls_through(ops: &[Insn]) -> bool {
    !ops.last()
        .is_some_and(|insn| matches!(insn.op, Op::Jal | Op::Jalr) || is_system(insn.op))
}

/// Whether the instruction is a conditional branch.
pub(crate) fn is_branch(op: Op) -> bool {
    (Op::Beq as u8..=Op::Bgeu as u8).contains(&(op as u8))
}

/// Whether the instruction ends its block and must be interpreted.
pub(crate) fn is_system(op: Op) -> bool {
    (Op::Ecall as u8..=Op::Csrrci as u8).contains(&(op as u8))
}
