//! Execution of translated blocks, and of the instructions that they leave to the interpreter.

use super::Core;
use super::csr::mstatus;
use super::interp::{Next, Ran};
use machine_jit as jit;
use machine_jit::{Jit, State};
use std::sync::atomic::{AtomicBool, Ordering};

impl Core<'_> {
    /// Executes at most `left` instructions of translated code from the pc on, whose RAM offset is
    /// `offset`. `None`: there is no translated block, or it is longer than `left`; nothing was
    /// executed.
    #[inline(always)]
    pub(super) fn run_translated(
        &mut self,
        jit: &mut Jit,
        offset: u64,
        left: u64,
        kick: &AtomicBool,
    ) -> Option<Ran> {
        let pc = self.hart.pc;
        let exit = jit.run(offset, pc, &mut self.state(kick), left)?;
        if exit.left == left && exit.next == jit::Next::Go {
            return None;
        }
        Some(self.after(jit, exit, left, kick))
    }

    /// Interprets single instructions and returns to translated code, starting at `exit`.
    fn after(&mut self, jit: &mut Jit, exit: jit::Exit, left: u64, kick: &AtomicBool) -> Ran {
        let (mut exit, mut left) = (exit, left);
        loop {
            self.hart.pc = exit.pc;
            let count = (left - exit.left) as usize;
            let jit::Next::Interpret(insn, resume) = exit.next else {
                return Ran {
                    count,
                    next: Next::Go,
                };
            };
            self.head += count as u64;
            let trapped = self.hart.trapped;
            let ran = self.exec(&[insn]);
            left = exit.left - ran.count as u64;
            // If it trapped, the new pc may be on another page.
            let plain = matches!(ran.next, Next::Go) && self.hart.trapped == trapped;
            if !plain || left == 0 || kick.load(Ordering::Relaxed) {
                return ran;
            }
            let pc = self.hart.pc;
            match jit.resume(resume, pc, &mut self.state(kick), left) {
                Some(next) => exit = next,
                None => return ran,
            }
            self.head += ran.count as u64;
        }
    }

    /// The state that translated code works on.
    #[inline(always)]
    fn state<'s>(&'s mut self, kick: &'s AtomicBool) -> State<'s> {
        let dirty = self.hart.csrs.mstatus & mstatus::FS == mstatus::FS;
        State {
            x: &mut self.hart.x,
            f: dirty.then_some(&mut self.hart.f),
            reservation: &mut self.hart.reservation,
            tlb: self.tlbs.own,
            fetch: self.fetch_space,
            data: self.data_space,
            ram: self.bus.ram.raw(),
            kick,
        }
    }
}
