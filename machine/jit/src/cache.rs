//! The code cache: how blocks are found, linked, dropped, entered and left.

use crate::arena::Arena;
use crate::block::{self, Link, MAX_BYTES, PAGE, Site, Start, Translation};
use crate::frame::{Frame, NO_SITE, SLOTS, Slot, Table, slot};
use crate::host::Host;
use crate::{Exit, Next, Resume, State};
use riscv_isa::Insn;
use std::collections::BTreeMap;

/// Translated code for host `H`, by RAM offset. A clone starts empty.
#[derive(Debug)]
pub struct CodeCache<H> {
    /// `None` before the first translation.
    memory: Option<Memory<H>>,
    table: Box<Table>,
    places: BTreeMap<u64, Place>,
    sites: Vec<Site>,
    /// Number of times that all code was dropped.
    generation: u64,
}

/// The memory of the code.
#[derive(Debug)]
struct Memory<H> {
    arena: Arena,
    host: H,
    /// Bytes in the arena that the glue uses.
    keep: usize,
}

/// A RAM offset at which a block starts or to which a block jumps.
#[derive(Debug, Default)]
struct Place {
    block: Option<Block>,
    /// Jumps to this place from the same page. Those of dropped blocks are included: their code
    /// stays in the arena until all code is dropped.
    links: Vec<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    /// Offset of its code in the arena.
    code: usize,
    /// Bytes of guest code.
    bytes: u64,
}

impl<H> Clone for CodeCache<H> {
    fn clone(&self) -> Self {
        Self::empty()
    }
}

impl<H: Host> Memory<H> {
    fn new() -> Option<Self> {
        let arena = Arena::new(H::ARENA)?;
        let (host, glue) = H::glue(arena.base())?;
        let mut memory = Self {
            arena,
            host,
            keep: 0,
        };
        if !memory.push(&glue) {
            return None;
        }
        memory.keep = memory.arena.used();
        Some(memory)
    }

    /// Appends code that was assembled for the end of the used part. Returns false if it does not
    /// fit.
    fn push(&mut self, code: &[u8]) -> bool {
        let at = self.arena.used();
        if !self.arena.push(code) {
            return false;
        }
        self.flush_icache(at, code.len());
        true
    }

    /// Sets the target of the jump whose four bytes are at offset `jump` to offset `target`.
    fn set_jump(&mut self, jump: usize, target: usize) {
        let bytes = H::jump(jump, target);
        self.arena.patch(jump, &bytes);
        self.flush_icache(jump, bytes.len());
    }

    fn flush_icache(&self, at: usize, len: usize) {
        let written = self.arena.written(at, len);
        self.host.flush_icache(written, self.arena.base() + at);
    }
}

impl<H> CodeCache<H> {
    fn empty() -> Self {
        Self {
            memory: None,
            table: Box::new([Slot::EMPTY; SLOTS]),
            places: BTreeMap::new(),
            sites: Vec::new(),
            generation: 0,
        }
    }
}

impl<H: Host> CodeCache<H> {
    /// An empty cache; `None` if the host is not supported.
    pub fn new() -> Option<Self> {
        H::available().then(Self::empty)
    }

    /// Translates the block `ops` at RAM offset `start`, or its first part. The block must be on
    /// one page. Only its last instruction may be one after which execution cannot continue.
    /// Returns false if the first instruction must be interpreted, or if the host gives no memory.
    pub fn translate(&mut self, start: u64, ops: &[Insn]) -> bool {
        if let Some(block) = self.places.get(&start).and_then(|place| place.block) {
            // Another block has taken its slot in the jump table.
            self.publish(start, block);
            return true;
        }
        let Some(ops) = block::cut(ops) else {
            return false;
        };
        if self.memory.is_none() {
            self.memory = Memory::new();
        }
        let Some(translation) = self.assemble(start, ops) else {
            return false;
        };
        self.add(start, translation)
    }

    /// Assembles a block for the end of the used part. It drops all code first if there is no room.
    fn assemble(&mut self, start: u64, ops: &[Insn]) -> Option<Translation> {
        let translation = self.translated(start, ops)?;
        if self.memory.as_ref()?.arena.fits(translation.code.len()) {
            return Some(translation);
        }
        self.clear();
        self.translated(start, ops)
    }

    fn translated(&self, start: u64, ops: &[Insn]) -> Option<Translation> {
        let Memory { arena, host, .. } = self.memory.as_ref()?;
        let start = Start {
            ram: start,
            code: arena.used(),
            address: arena.base() + arena.used(),
            site: self.sites.len() as u32,
        };
        host.translate(start, ops)
    }

    fn add(&mut self, start: u64, translation: Translation) -> bool {
        let Some(memory) = &mut self.memory else {
            return false;
        };
        let block = Block {
            code: memory.arena.used(),
            bytes: translation.bytes,
        };
        if !memory.push(&translation.code) {
            return false;
        }
        self.sites.extend(translation.sites);
        // Before the links of the block, some of which may lead to itself.
        let place = self.places.entry(start).or_default();
        place.block = Some(block);
        for link in &place.links {
            memory.set_jump(link.jump, block.code);
        }
        for (target, link) in translation.links {
            let place = self.places.entry(target).or_default();
            if let Some(block) = place.block {
                memory.set_jump(link.jump, block.code);
            }
            place.links.push(link);
        }
        self.publish(start, block);
        true
    }

    /// Enters the block into the jump table, for jumps from other pages.
    fn publish(&mut self, start: u64, block: Block) {
        if let Some(memory) = &self.memory {
            self.table[slot(start)] = Slot {
                start,
                code: (memory.arena.base() + block.code) as u64,
            };
        }
    }

    /// Drops the code of `len` bytes at RAM offset `at`. Returns true if there was any. The caller
    /// must not resume code that was left before.
    pub fn invalidate(&mut self, at: u64, len: u64) -> bool {
        let Some(memory) = &mut self.memory else {
            return false;
        };
        let mut found = false;
        let places = at.saturating_sub(MAX_BYTES)..at.saturating_add(len);
        for (&start, place) in self.places.range_mut(places) {
            if place.block.is_none_or(|block| start + block.bytes <= at) {
                continue;
            }
            found = true;
            place.block = None;
            for link in &place.links {
                memory.set_jump(link.jump, link.stub);
            }
            let slot = &mut self.table[slot(start)];
            if slot.start == start {
                *slot = Slot::EMPTY;
            }
        }
        if found {
            self.generation += 1;
        }
        found
    }

    /// Drops all code.
    pub fn clear(&mut self) {
        for start in self.places.keys() {
            self.table[slot(*start)] = Slot::EMPTY;
        }
        self.places.clear();
        self.sites.clear();
        self.generation += 1;
        if let Some(memory) = &mut self.memory {
            memory.arena.truncate(memory.keep);
        }
    }

    /// Executes at most `left` instructions from RAM offset `start` on, which has address `pc`.
    /// `None` if there is no code for it.
    #[inline(always)]
    pub fn run(&mut self, start: u64, pc: u64, state: &mut State<'_>, left: u64) -> Option<Exit> {
        let slot = self.table[slot(start)];
        if slot.start != start {
            return None;
        }
        self.enter(slot.code as usize, pc, state, left)
    }

    /// Resumes after an interpreted instruction. `left` does not include that instruction, and `pc`
    /// is the address after it. `None` if the code was dropped.
    pub fn resume(
        &mut self,
        resume: Resume,
        pc: u64,
        state: &mut State<'_>,
        left: u64,
    ) -> Option<Exit> {
        if resume.generation != self.generation {
            return None;
        }
        let site = self.sites.get(resume.site as usize)?;
        let code = site.interpret?.resume?;
        // The rest of the block. Its head has checked that as many instructions are left.
        let rest = site.give_back - 1;
        let (page, left) = (pc.wrapping_sub(site.next()), left.checked_sub(rest)?);
        let address = self.memory.as_ref()?.arena.base() + code;
        self.enter(address, page, state, left)
    }

    fn enter(&mut self, code: usize, pc: u64, state: &mut State<'_>, left: u64) -> Option<Exit> {
        if state.tlb.limit() > state.ram.len() as u64 {
            return None;
        }
        let memory = self.memory.as_ref()?;
        // No caller asks for as many instructions.
        let budget = left.min(1 << 62);
        let mut frame = Frame::new(state, &self.table, pc & !(PAGE - 1), budget as i64);
        // SAFETY: the glue is in the arena at the address that it was assembled for. `code` is the
        // start of a block or a position to resume in one: it comes from `table` or `sites`, which
        // are emptied together with the arena. The frame points to the jump table, the kick flag
        // and the TLB, which are borrowed for the call. It also points to RAM, `state.ram`, which
        // is borrowed mutably; `Tlb::fill` ensures that all offsets are below `limit` and so within
        // it.
        unsafe { memory.host.enter(&mut frame, code) };
        *state.reservation = frame.reserved();
        let unused = (left - budget).wrapping_add(frame.budget as u64);
        if frame.site == u64::from(NO_SITE) {
            return Some(Exit {
                pc: frame.pc,
                left: unused,
                next: Next::Go,
            });
        }
        let site = self.sites.get(frame.site as usize)?;
        let resume = Resume {
            site: frame.site as u32,
            generation: self.generation,
        };
        Some(Exit {
            pc: frame.page.wrapping_add(site.offset as u64),
            left: unused.wrapping_add(site.give_back),
            next: match site.interpret {
                Some(interpret) => Next::Interpret(interpret.insn, resume),
                None => Next::Go,
            },
        })
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;
