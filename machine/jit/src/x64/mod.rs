//! Translation to x86-64: which code there is, how it is entered, left and linked.
#![allow(
    clippy::useless_conversion,
    reason = "dynasm! converts the numbers of registers to what they are"
)]

mod arena;
mod arithmetic;
mod atomic;
mod control;
mod divide;
mod float;
mod frame;
mod glue;
mod memory;
mod translate;

use crate::{Exit, Next, Resume, State};
use arena::Arena;
use frame::{Frame, NO_RESERVATION, SLOTS, Slot, Table, slot};
use glue::{Glue, NO_SITE};
use riscv_isa::Insn;
use std::collections::BTreeMap;
use translate::{Link, Site, Start, Translation, translate};

const PAGE: u64 = 4096;
/// Bytes of guest code in a block, at most.
const MAX_BYTES: u64 = 4 * translate::MAX_LEN as u64;
const EMPTY: Slot = Slot {
    start: u64::MAX,
    code: 0,
};

/// Translated code, by the place in RAM that it comes from. A copy begins without any.
#[derive(Debug)]
pub struct Jit {
    /// `None` until there is something to translate.
    memory: Option<Memory>,
    table: Box<Table>,
    places: BTreeMap<u64, Place>,
    sites: Vec<Site>,
    /// Counts how often all code was dropped.
    generation: u64,
}

/// Where the code is.
#[derive(Debug)]
struct Memory {
    arena: Arena,
    glue: Glue,
    /// Bytes of the arena that the shared code takes.
    keep: usize,
}

/// A place in RAM that a block begins at, or that a block jumps to.
#[derive(Debug, Default)]
struct Place {
    block: Option<Block>,
    /// Jumps here from the same page, those of dropped blocks included: their code stays as it is until
    /// all is dropped.
    links: Vec<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    /// Offset of its code in the arena.
    code: usize,
    /// Bytes of guest code.
    bytes: u64,
}

impl Clone for Jit {
    fn clone(&self) -> Self {
        Self::empty()
    }
}

impl Memory {
    fn new() -> Option<Self> {
        let mut arena = Arena::new()?;
        let (glue, code) = glue::assemble(arena.base())?;
        arena.push(&code).then(|| Self {
            keep: arena.used(),
            arena,
            glue,
        })
    }
}

impl Jit {
    /// Without any code yet. On another host there is none.
    pub fn new() -> Option<Self> {
        Some(Self::empty())
    }

    fn empty() -> Self {
        Self {
            memory: None,
            table: Box::new([EMPTY; SLOTS]),
            places: BTreeMap::new(),
            sites: Vec::new(),
            generation: 0,
        }
    }

    /// Translates the block `ops` at RAM offset `start`, or the first part of it. False where that is
    /// of no use, as the first instruction is the interpreter's, and where the host gives no memory.
    pub fn translate(&mut self, start: u64, ops: &[Insn]) -> bool {
        if let Some(block) = self.places.get(&start).and_then(|place| place.block) {
            // Another block took its slot.
            self.publish(start, block);
            return true;
        }
        if self.memory.is_none() {
            self.memory = Memory::new();
        }
        let Some(translation) = self.assemble(start, ops) else {
            return false;
        };
        self.add(start, translation)
    }

    /// The code of a block, for where the next one goes. Drops all others if it would not fit.
    fn assemble(&mut self, start: u64, ops: &[Insn]) -> Option<Translation> {
        let memory = self.memory.as_ref()?;
        let place = |arena: &Arena, sites: &[Site]| Start {
            ram: start,
            code: arena.used(),
            address: arena.next(),
            site: sites.len() as u32,
        };
        let at = place(&memory.arena, &self.sites);
        let translation = translate(&memory.glue, at, ops)?;
        if memory.arena.fits(translation.code.len()) {
            return Some(translation);
        }
        self.clear();
        let memory = self.memory.as_ref()?;
        translate(&memory.glue, place(&memory.arena, &self.sites), ops)
    }

    fn add(&mut self, start: u64, translation: Translation) -> bool {
        let Some(memory) = &mut self.memory else {
            return false;
        };
        let block = Block {
            code: memory.arena.used(),
            bytes: translation.bytes,
        };
        if !memory.arena.push(&translation.code) {
            return false;
        }
        self.sites.extend(translation.sites);
        // Before its own links, some of which may lead to itself.
        let place = self.places.entry(start).or_default();
        place.block = Some(block);
        for link in &place.links {
            memory.arena.set_jump(link.jump, block.code);
        }
        for (target, link) in translation.links {
            let place = self.places.entry(target).or_default();
            if let Some(block) = place.block {
                memory.arena.set_jump(link.jump, block.code);
            }
            place.links.push(link);
        }
        self.publish(start, block);
        true
    }

    /// Makes the block known to jumps from other pages.
    fn publish(&mut self, start: u64, block: Block) {
        if let Some(memory) = &self.memory {
            self.table[slot(start)] = Slot {
                start,
                code: (memory.arena.base() + block.code) as u64,
            };
        }
    }

    /// Drops the code that comes from `len` bytes at RAM offset `at`; true if there was any. No code
    /// may be resumed that was left before.
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
                memory.arena.set_jump(link.jump, link.stub);
            }
            let slot = &mut self.table[slot(start)];
            if slot.start == start {
                *slot = EMPTY;
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
            self.table[slot(*start)] = EMPTY;
        }
        self.places.clear();
        self.sites.clear();
        self.generation += 1;
        if let Some(memory) = &mut self.memory {
            memory.arena.truncate(memory.keep);
        }
    }

    /// Executes up to `left` instructions from RAM offset `start` on, which is at address `pc`. `None`
    /// if there is no code for it.
    #[inline(always)]
    pub fn run(&mut self, start: u64, pc: u64, state: &mut State<'_>, left: u64) -> Option<Exit> {
        let slot = self.table[slot(start)];
        if slot.start != start {
            return None;
        }
        self.enter(slot.code as usize, pc, state, left)
    }

    /// Goes on behind an instruction that was interpreted, and of which the `left` instructions no
    /// longer count; `pc` is the address behind it. `None` if the code is gone.
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
        // The instructions of the block behind it: its head made sure that there are as many left.
        let rest = site.give_back - 1;
        let (page, left) = (pc.wrapping_sub(site.next()), left.checked_sub(rest)?);
        let address = self.memory.as_ref()?.arena.base() + code;
        self.enter(address, page, state, left)
    }

    fn enter(&mut self, address: usize, pc: u64, state: &mut State<'_>, left: u64) -> Option<Exit> {
        if state.tlb.limit() > state.ram.len() as u64 {
            return None;
        }
        let memory = self.memory.as_ref()?;
        // More than anybody executes in one go.
        let budget = left.min(1 << 62);
        let mut frame = Frame::new(state, &self.table, pc & !(PAGE - 1), budget as i64);
        // SAFETY: `enter` is code of this crate for this signature. `address` is the start of a block
        // or a place to resume in one, from `table` or `sites`, which are emptied together with the
        // arena. The code accesses the frame, the jump table, the kick flag and the sets of
        // translations, all of which outlive the call and are borrowed for it, and RAM at offsets that
        // `Tlb::fill` made sure are inside `limit`, so inside `state.ram`, which is borrowed mutably.
        // It keeps the registers that the ABI says, and never unwinds.
        unsafe {
            let enter: extern "sysv64" fn(*mut Frame, usize) =
                std::mem::transmute(memory.glue.enter);
            enter(&raw mut frame, address);
        }
        *state.reservation = match frame.reservation {
            NO_RESERVATION => None,
            offset => Some(offset),
        };
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
