//! The interpreter, which is the reference for all instructions (unprivileged specification
//! 20191213).
//!
//! Integer instructions are in this file, and the others in the files beside it. A run stops at
//! exactly the icount that it was given: a block is cut to the number of instructions that are
//! left.

use super::amo::is_atomic;
use super::mem::{At, Fetched};
use super::tlb::{Space, space};
use super::trap::cause;
use super::{BlockCache, Hart, Mode, Tlbs, Trap};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::device::Context;
use crate::inputs::{Inputs, Mark, Moment};
use crate::probe::Probes;
use crate::units::{Icount, VirtAddr};
use riscv_isa::{Insn, Op, decode};
use std::sync::atomic::{AtomicBool, Ordering};

/// Why the interpreter returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// The icount has reached the limit.
    Count,
    /// The run loop must check timers, interrupt lines and requests of devices.
    Attention,
    /// The kick flag is set.
    Kicked,
    /// The previous instruction was an SBI call that the machine itself handles.
    Call,
    /// An exception went to M-mode, but the machine has no firmware.
    NoFirmware,
    /// The engine stopped the machine.
    Halted,
    /// A breakpoint stops the hart before its next instruction.
    Stopped,
}

/// The parts of the machine that a hart needs to execute.
pub(crate) struct Environment<'a> {
    pub(crate) bus: &'a mut Bus,
    pub(crate) tlbs: Tlbs<'a>,
    pub(crate) clock: &'a Clock,
    pub(crate) inputs: &'a mut dyn Inputs,
    /// The icount.
    pub(crate) icount: u64,
    /// The machine implements the SBI itself, and there is no firmware.
    pub(crate) sbi: bool,
    pub(crate) probes: &'a mut Probes,
}

/// A hart together with the parts of the machine that it needs to execute.
pub(crate) struct Core<'a> {
    pub(super) hart: &'a mut Hart,
    pub(super) bus: &'a mut Bus,
    pub(super) tlbs: Tlbs<'a>,
    pub(super) clock: &'a Clock,
    pub(super) inputs: &'a mut dyn Inputs,
    pub(super) fetch_space: Space,
    pub(super) data_space: Space,
    pub(super) probes: &'a mut Probes,
    /// End the block after this instruction.
    pub(super) leave: bool,
    sbi: bool,
    /// The icount at the start of the block.
    pub(super) head: u64,
    /// The hart's count of steps minus the icount (wrapping).
    steps_ahead: u64,
}

/// The end of a block: number of executed instructions, and how to continue.
pub(super) struct Ran {
    pub(super) count: usize,
    pub(super) next: Next,
}

pub(super) enum Next {
    Go,
    Attention,
    Call,
    NoFirmware,
    Halted,
    Stopped,
}

impl<'a> Core<'a> {
    /// Combines a hart with the parts of the machine that it needs.
    pub(crate) fn new(hart: &'a mut Hart, environment: Environment<'a>) -> Self {
        let Environment {
            bus,
            tlbs,
            clock,
            inputs,
            icount,
            sbi,
            probes,
        } = environment;
        let steps_ahead = hart.steps.wrapping_sub(icount);
        let space = space(hart.mode, false);
        let mut core = Self {
            hart,
            bus,
            tlbs,
            clock,
            inputs,
            fetch_space: space,
            data_space: space,
            probes,
            leave: false,
            sbi,
            head: icount,
            steps_ahead,
        };
        core.refresh_spaces();
        core
    }

    /// Executes until the icount is `stop`, or until the run loop is needed. Returns the icount.
    pub(crate) fn run(
        &mut self,
        blocks: &mut BlockCache,
        stop: u64,
        kick: &AtomicBool,
    ) -> (u64, Leave) {
        let leave = loop {
            if self.head >= stop {
                break Leave::Count;
            }
            if self.bus.ram.caches_stale() {
                self.refresh_caches(blocks);
            }
            let fetched = self.fetch_offset(self.hart.pc);
            // The page-table walk may have set an A or D bit in a page that contains code.
            if self.bus.ram.caches_stale() {
                self.refresh_caches(blocks);
            }
            let ran = match fetched {
                Ok(Fetched::Cached(offset)) => {
                    self.step_block(blocks, offset, stop - self.head, kick)
                }
                Ok(Fetched::WithBreakpoints(offset)) => {
                    self.step_with_breakpoints(blocks, offset, stop - self.head)
                }
                Ok(Fetched::Alone) => self.step_uncached(),
                Err(trap) => self.trap(0, self.hart.pc, trap),
            };
            self.head += ran.count as u64;
            match ran.next {
                // Only after the first block: nothing from outside may arrive between an interrupt
                // and the next instruction.
                Next::Go if kick.load(Ordering::Relaxed) => break Leave::Kicked,
                Next::Go => {}
                Next::Attention => break Leave::Attention,
                Next::Call => break Leave::Call,
                Next::NoFirmware => break Leave::NoFirmware,
                Next::Halted => break Leave::Halted,
                Next::Stopped => break Leave::Stopped,
            }
        };
        self.hart.steps = self.head.wrapping_add(self.steps_ahead);
        (self.head, leave)
    }

    /// Removes from the caches what stores have invalidated.
    fn refresh_caches(&mut self, blocks: &mut BlockCache) {
        for (at, len) in self.bus.ram.take_code_stores() {
            if !blocks.invalidate(at, u64::from(len)) {
                // A store to data beside code. A page without any block takes the fast path again.
                let page = at & !0xfff;
                blocks.invalidate(page, 0x1000);
                self.bus.ram.unmark_code(page);
            }
        }
        if self.bus.ram.take_tables_changed() {
            self.tlbs.flush();
        }
    }

    /// Flushes the cached translations of this hart.
    pub(super) fn flush_tlb(&mut self) {
        self.tlbs.own.flush();
        // The cached translations of other harts may depend on the same page tables.
        if self.tlbs.alone() {
            self.bus.ram.unmark_tables();
        }
    }

    /// Executes at most `left` instructions at RAM offset `offset`, which belongs to the pc.
    #[inline(always)]
    fn step_block(
        &mut self,
        blocks: &mut BlockCache,
        offset: u64,
        left: u64,
        kick: &AtomicBool,
    ) -> Ran {
        if let Some(jit) = &mut blocks.jit
            && let Some(ran) = self.run_translated(jit, offset, left, kick)
        {
            return ran;
        }
        if blocks.find(offset).is_none() {
            self.build_block(blocks, offset);
        }
        if blocks.visit(offset)
            && let Some(jit) = &mut blocks.jit
            && let Some(ran) = self.run_translated(jit, offset, left, kick)
        {
            return ran;
        }
        match blocks.find(offset) {
            Some(ops) if !ops.is_empty() => {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                self.exec(&ops[..ops.len().min(left)])
            }
            _ => self.step_uncached(),
        }
    }

    fn build_block(&mut self, blocks: &mut BlockCache, offset: u64) {
        blocks.build(offset, &self.bus.ram);
        if self.bus.ram.mark_code(offset) {
            self.tlbs.protect(offset);
        }
    }

    /// Executes at most `left` instructions at RAM offset `offset`, which belongs to the pc. The
    /// page has breakpoints, so it stops before the next one; a breakpoint at the first instruction
    /// is ignored.
    #[cold]
    fn step_with_breakpoints(&mut self, blocks: &mut BlockCache, offset: u64, left: u64) -> Ran {
        if blocks.find(offset).is_none() {
            self.build_block(blocks, offset);
        }
        match blocks.find(offset) {
            Some(ops) if !ops.is_empty() => {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                let len = self.before_breakpoint(ops);
                self.exec(&ops[..len.min(left)])
            }
            _ => self.step_uncached(),
        }
    }

    /// Executes one instruction that is in no block: it is outside RAM, crosses a page, is illegal,
    /// or is on a page whose protection must be checked at each fetch.
    #[cold]
    fn step_uncached(&mut self) -> Ran {
        let pc = self.hart.pc;
        let mut ran = self.fetch_and_execute(pc);
        // The page-table walk of the fetch may have stored to a watched range.
        if self.bus.ram.has_watch_hits() {
            self.report_watch_hits(pc);
        }
        if self.probes.stopped() && matches!(ran.next, Next::Go) {
            ran.next = Next::Attention;
        }
        ran
    }

    fn fetch_and_execute(&mut self, pc: u64) -> Ran {
        let fetched = self.fetch_half(pc).and_then(|low| {
            if low & 3 != 3 {
                return Ok(u32::from(low));
            }
            let high = self.fetch_half(pc.wrapping_add(2))?;
            Ok(u32::from(high) << 16 | u32::from(low))
        });
        match fetched {
            Ok(raw) => match decode(raw) {
                Some(insn) => self.exec(&[insn]),
                None => {
                    let tval = u64::from(raw);
                    self.trap(
                        0,
                        pc,
                        Trap::Exception {
                            cause: cause::ILLEGAL,
                            tval,
                        },
                    )
                }
            },
            Err(trap) => self.trap(0, pc, trap),
        }
    }

    /// Ends a block at instruction `index`, which trapped. The icount includes it.
    #[cold]
    fn trap(&mut self, index: usize, pc: u64, trap: Trap) -> Ran {
        self.hart.pc = pc;
        let halted = Ran {
            count: index,
            next: Next::Halted,
        };
        let (cause, tval) = match trap {
            Trap::Exception { cause, tval } => (cause, tval),
            Trap::Halted => return halted,
            Trap::Stopped => {
                return Ran {
                    count: index,
                    next: Next::Stopped,
                };
            }
        };
        let at = self.moment(At { index, pc });
        if self.inputs.mark(at, Mark::Exception(cause)).is_err() {
            return halted;
        }
        self.hart.trapped += 1;
        self.report_watch_hits(pc);
        let count = index + 1;
        if self.sbi && !self.hart.delegates(cause) {
            let call = cause == super::cause::CALL_FROM_SUPERVISOR;
            let next = if call && self.hart.mode == Mode::Supervisor {
                self.hart.pc = pc.wrapping_add(4);
                self.report_exception(pc, cause, tval);
                Next::Call
            } else {
                Next::NoFirmware
            };
            return Ran { count, next };
        }
        self.hart.take_exception(cause, tval);
        self.report_exception(pc, cause, tval);
        let next = if self.mode_changed() || self.probes.stopped() {
            Next::Attention
        } else {
            Next::Go
        };
        Ran { count, next }
    }

    /// Called after a change of mode or of interrupt enables. Returns true if an interrupt is now
    /// taken.
    pub(super) fn mode_changed(&mut self) -> bool {
        self.refresh_spaces();
        self.hart.pending_interrupt().is_some()
    }

    /// The icount before the instruction at `at`.
    pub(super) fn icount(&self, at: At) -> u64 {
        self.head + at.index as u64
    }

    /// The hart's count of steps before the instruction at `at`.
    pub(super) fn steps(&self, at: At) -> u64 {
        self.icount(at).wrapping_add(self.steps_ahead)
    }

    fn moment(&self, at: At) -> Moment {
        Moment {
            icount: Icount::new(self.icount(at)),
            hart: self.hart.id,
            pc: VirtAddr::new(at.pc),
        }
    }

    /// The bus, and the context for a device access by the instruction at `at`.
    pub(super) fn device_call(&mut self, at: At) -> (&mut Bus, Context<'_>) {
        let moment = self.moment(at);
        let now = self.clock.now(moment.icount);
        (
            self.bus,
            Context {
                now,
                at: moment,
                inputs: self.inputs,
            },
        )
    }

    /// Executes the instructions of one block. `ops` is cut if the icount limit is within the
    /// block.
    pub(super) fn exec(&mut self, ops: &[Insn]) -> Ran {
        let mut pc = self.hart.pc;
        for (index, insn) in ops.iter().enumerate() {
            let at = At { index, pc };
            let a = self.hart.get_x(insn.rs1);
            let b = self.hart.get_x(insn.rs2);
            let imm = i64::from(insn.imm) as u64;
            macro_rules! set {
                ($value:expr) => {{
                    let value = $value;
                    self.hart.set_x(insn.rd, value);
                }};
            }
            macro_rules! branch {
                ($taken:expr) => {
                    if $taken {
                        self.hart.pc = pc.wrapping_add(imm);
                        return Ran {
                            count: index + 1,
                            next: Next::Go,
                        };
                    }
                };
            }
            macro_rules! attempt {
                ($result:expr) => {
                    match $result {
                        Ok(value) => value,
                        Err(trap) => return self.trap(index, pc, trap),
                    }
                };
            }
            macro_rules! left {
                () => {
                    if self.leave {
                        return self.left(at, pc.wrapping_add(u64::from(insn.len)));
                    }
                };
            }
            macro_rules! load {
                ($size:literal, $as:ty) => {{
                    let value = attempt!(self.load::<$size>(a.wrapping_add(imm), at));
                    set!(value as $as as i64 as u64);
                    left!();
                }};
            }
            macro_rules! store {
                ($size:literal) => {{
                    attempt!(self.store::<$size>(a.wrapping_add(imm), b, at));
                    left!();
                }};
            }
            match insn.op {
                Op::Lui => set!(imm),
                Op::Auipc => set!(pc.wrapping_add(imm)),
                Op::Jal => {
                    set!(pc.wrapping_add(u64::from(insn.len)));
                    self.hart.pc = pc.wrapping_add(imm);
                    return Ran {
                        count: index + 1,
                        next: Next::Go,
                    };
                }
                Op::Jalr => {
                    set!(pc.wrapping_add(u64::from(insn.len)));
                    self.hart.pc = a.wrapping_add(imm) & !1;
                    return Ran {
                        count: index + 1,
                        next: Next::Go,
                    };
                }
                Op::Beq => branch!(a == b),
                Op::Bne => branch!(a != b),
                Op::Blt => branch!((a as i64) < b as i64),
                Op::Bge => branch!(a as i64 >= b as i64),
                Op::Bltu => branch!(a < b),
                Op::Bgeu => branch!(a >= b),
                Op::Lb => load!(1, i8),
                Op::Lh => load!(2, i16),
                Op::Lw => load!(4, i32),
                Op::Ld => load!(8, i64),
                Op::Lbu => load!(1, u8),
                Op::Lhu => load!(2, u16),
                Op::Lwu => load!(4, u32),
                Op::Sb => store!(1),
                Op::Sh => store!(2),
                Op::Sw => store!(4),
                Op::Sd => store!(8),
                Op::Addi => set!(a.wrapping_add(imm)),
                Op::Slti => set!(u64::from((a as i64) < imm as i64)),
                Op::Sltiu => set!(u64::from(a < imm)),
                Op::Xori => set!(a ^ imm),
                Op::Ori => set!(a | imm),
                Op::Andi => set!(a & imm),
                Op::Slli => set!(a << (imm & 63)),
                Op::Srli => set!(a >> (imm & 63)),
                Op::Srai => set!((a as i64 >> (imm & 63)) as u64),
                Op::Add => set!(a.wrapping_add(b)),
                Op::Sub => set!(a.wrapping_sub(b)),
                Op::Sll => set!(a << (b & 63)),
                Op::Slt => set!(u64::from((a as i64) < b as i64)),
                Op::Sltu => set!(u64::from(a < b)),
                Op::Xor => set!(a ^ b),
                Op::Srl => set!(a >> (b & 63)),
                Op::Sra => set!((a as i64 >> (b & 63)) as u64),
                Op::Or => set!(a | b),
                Op::And => set!(a & b),
                Op::Addiw => set!(word(a.wrapping_add(imm))),
                Op::Slliw => set!(word(a << (imm & 31))),
                Op::Srliw => set!(word(u64::from(a as u32 >> (imm & 31)))),
                Op::Sraiw => set!((a as i32 >> (imm & 31)) as i64 as u64),
                Op::Addw => set!(word(a.wrapping_add(b))),
                Op::Subw => set!(word(a.wrapping_sub(b))),
                Op::Sllw => set!(word(a << (b & 31))),
                Op::Srlw => set!(word(u64::from(a as u32 >> (b & 31)))),
                Op::Sraw => set!((a as i32 >> (b & 31)) as i64 as u64),
                Op::Mul => set!(a.wrapping_mul(b)),
                Op::Mulh => set!(((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64),
                Op::Mulhsu => set!(((i128::from(a as i64) * i128::from(b)) >> 64) as u64),
                Op::Mulhu => set!(((u128::from(a) * u128::from(b)) >> 64) as u64),
                Op::Div => set!(div(a as i64, b as i64) as u64),
                Op::Divu => set!(a.checked_div(b).unwrap_or(u64::MAX)),
                Op::Rem => set!(rem(a as i64, b as i64) as u64),
                Op::Remu => set!(a.checked_rem(b).unwrap_or(a)),
                Op::Mulw => set!(word(a.wrapping_mul(b))),
                Op::Divw => set!(word(div(a as i32 as i64, b as i32 as i64) as u64)),
                Op::Divuw => {
                    set!(word(u64::from(
                        (a as u32).checked_div(b as u32).unwrap_or(u32::MAX)
                    )));
                }
                Op::Remw => set!(word(rem(a as i32 as i64, b as i32 as i64) as u64)),
                Op::Remuw => {
                    set!(word(u64::from(
                        (a as u32).checked_rem(b as u32).unwrap_or(a as u32)
                    )));
                }
                // Only one hart executes at a time, and in program order, so a fence has no effect.
                Op::Fence => {}
                // Stores invalidate decoded blocks at once.
                Op::FenceI => {}
                Op::Flw | Op::Fld | Op::Fsw | Op::Fsd => {
                    attempt!(self.exec_fp_memory(insn, at));
                    left!();
                }
                Op::Ecall
                | Op::Ebreak
                | Op::Mret
                | Op::Sret
                | Op::Wfi
                | Op::SfenceVma
                | Op::Csrrw
                | Op::Csrrs
                | Op::Csrrc
                | Op::Csrrwi
                | Op::Csrrsi
                | Op::Csrrci => {
                    let next = pc.wrapping_add(u64::from(insn.len));
                    self.hart.pc = attempt!(self.exec_system(insn, at, next));
                    let attention = self.mode_changed() || std::mem::take(&mut self.leave);
                    let next = if attention { Next::Attention } else { Next::Go };
                    return Ran {
                        count: index + 1,
                        next,
                    };
                }
                op if is_atomic(op) => {
                    attempt!(self.exec_atomic(insn, at));
                    left!();
                }
                _ => attempt!(self.exec_fp(insn, at)),
            }
            pc = pc.wrapping_add(u64::from(insn.len));
        }
        self.hart.pc = pc;
        Ran {
            count: ops.len(),
            next: Next::Go,
        }
    }
}

impl Core<'_> {
    /// Ends a block after instruction `index`, which had an effect outside the hart.
    #[cold]
    fn left(&mut self, at: At, next_pc: u64) -> Ran {
        self.leave = false;
        self.report_watch_hits(at.pc);
        self.hart.pc = next_pc;
        Ran {
            count: at.index + 1,
            next: Next::Attention,
        }
    }
}

/// Sign-extends the low 32 bits.
fn word(value: u64) -> u64 {
    value as i32 as i64 as u64
}

fn div(a: i64, b: i64) -> i64 {
    if b == 0 { -1 } else { a.wrapping_div(b) }
}

fn rem(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { a.wrapping_rem(b) }
}
