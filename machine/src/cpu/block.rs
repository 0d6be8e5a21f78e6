//! The block cache: decoded blocks by RAM offset, and which of them are translated.
//!
//! A block continues through conditional branches. It ends at an instruction that always jumps, or
//! that may change how the next instruction is fetched. It never crosses a page.

use crate::ram::{PAGE, Ram};
use machine_jit::Jit;
use riscv_isa::{Insn, Op, decode};

/// Number of slots, a power of two.
const SLOTS: usize = 1 << 14;
/// Most instructions in a block.
const MAX_LEN: usize = 64;
/// Most bytes in a block.
const MAX_BYTES: u64 = 4 * MAX_LEN as u64;
/// The `start` of an empty slot.
const NONE: u64 = u64::MAX;

#[derive(Debug, Clone)]
struct Block {
    /// RAM offset of the first instruction.
    start: u64,
    /// Size of its code in bytes.
    bytes: u64,
    /// Number of executions since the block was built or last considered for translation.
    visits: u32,
    ops: Vec<Insn>,
}

/// The way of execution. It does not affect results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// Interpret all instructions.
    Interpreter,
    /// Translate blocks to host code (JIT) if the host is supported. Interpret all others.
    Translated {
        /// Number of executions of a block before it is translated.
        after: u32,
    },
}

impl Default for Execution {
    /// With fewer executions a translation costs more time than it saves.
    fn default() -> Self {
        Self::Translated { after: 10 }
    }
}

/// The block cache. It is direct-mapped, so its size is fixed.
#[derive(Debug, Clone)]
pub(crate) struct BlockCache {
    slots: Vec<Block>,
    /// Translated blocks; `None`: blocks are not translated.
    pub(super) jit: Option<Jit>,
    after: u32,
}

impl BlockCache {
    /// The way of execution that it was created for.
    pub(crate) fn execution(&self) -> Execution {
        match self.jit {
            None => Execution::Interpreter,
            Some(_) => Execution::Translated { after: self.after },
        }
    }

    /// Creates an empty cache.
    pub(crate) fn new(execution: Execution) -> Self {
        let none = Block {
            start: NONE,
            bytes: 0,
            visits: 0,
            ops: Vec::new(),
        };
        let (jit, after) = match execution {
            Execution::Interpreter => (None, 0),
            Execution::Translated { after } => (Jit::new(), after),
        };
        Self {
            slots: vec![none; SLOTS],
            jit,
            after,
        }
    }

    /// The cached block that starts at RAM offset `start`.
    #[inline(always)]
    pub(super) fn find(&self, start: u64) -> Option<&[Insn]> {
        let block = &self.slots[slot(start)];
        (block.start == start).then_some(&block.ops)
    }

    /// Counts an execution of the cached block at `start`. Returns true if the block has just been
    /// translated.
    #[inline(always)]
    pub(super) fn visit(&mut self, start: u64) -> bool {
        let Some(jit) = &mut self.jit else {
            return false;
        };
        let block = &mut self.slots[slot(start)];
        block.visits = block.visits.saturating_add(1);
        if block.visits <= self.after || block.visits == u32::MAX {
            return false;
        }
        translate(jit, block)
    }

    /// Decodes the block at `start`. The block is empty if its first instruction is illegal or
    /// crosses the page.
    pub(super) fn build(&mut self, start: u64, ram: &Ram) {
        let block = &mut self.slots[slot(start)];
        block.start = start;
        block.visits = 0;
        block.ops.clear();
        let page_end = (start | (PAGE as u64 - 1)) + 1;
        let mut at = start;
        while at < page_end && block.ops.len() < MAX_LEN {
            let Some(insn) = read_insn(ram, at, page_end).and_then(decode) else {
                break;
            };
            at += u64::from(insn.len);
            block.ops.push(insn);
            if ends_block(insn.op) {
                break;
            }
        }
        block.bytes = at.max(start + 2) - start;
    }

    /// Drops the blocks that overlap `len` bytes at RAM offset `at`. Returns true if there were
    /// any.
    pub(crate) fn invalidate(&mut self, at: u64, len: u64) -> bool {
        let mut found = false;
        let first = at.saturating_sub(MAX_BYTES) & !1;
        for start in (first..at + len).step_by(2) {
            let block = &mut self.slots[slot(start)];
            if block.start == start && start + block.bytes > at {
                block.start = NONE;
                found = true;
            }
        }
        if let Some(jit) = &mut self.jit {
            found |= jit.invalidate(at, len);
        }
        found
    }

    /// Drops all blocks.
    pub(crate) fn clear(&mut self) {
        for block in &mut self.slots {
            block.start = NONE;
        }
        if let Some(jit) = &mut self.jit {
            jit.clear();
        }
    }
}

#[cold]
fn translate(jit: &mut Jit, block: &mut Block) -> bool {
    let translated = jit.translate(block.start, &block.ops);
    // Do not try again if the block cannot be translated.
    block.visits = if translated { 0 } else { u32::MAX };
    translated
}

fn slot(start: u64) -> usize {
    (start >> 1) as usize % SLOTS
}

/// The instruction word at RAM offset `at`; `None` if it is not completely before `end`.
fn read_insn(ram: &Ram, at: u64, end: u64) -> Option<u32> {
    let low = u16::from_le_bytes(*ram.get(at, 2)?.first_chunk()?);
    if low & 3 != 3 {
        return Some(u32::from(low));
    }
    if at + 4 > end {
        return None;
    }
    Some(u32::from_le_bytes(*ram.get(at, 4)?.first_chunk()?))
}

fn ends_block(op: Op) -> bool {
    matches!(
        op,
        Op::Jal
            | Op::Jalr
            | Op::Ecall
            | Op::Ebreak
            | Op::Mret
            | Op::Sret
            | Op::Wfi
            | Op::FenceI
            | Op::SfenceVma
            | Op::Csrrw
            | Op::Csrrs
            | Op::Csrrc
            | Op::Csrrwi
            | Op::Csrrsi
            | Op::Csrrci
    )
}
