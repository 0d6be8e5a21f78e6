//! CSR instructions, environment calls, trap returns, WFI and fences (Zicsr; privileged
//! specification, chapter 3).

use super::csr::{CsrContext, mstatus};
use super::mem::At;
use super::trap::cause;
use super::{Core, Mode, Trap};
use crate::units::Icount;
use riscv_isa::{Insn, Op};

impl Core<'_> {
    /// Executes an instruction that ends its block. `next` is the address after it. Returns the new
    /// pc.
    pub(super) fn exec_system(&mut self, insn: &Insn, at: At, next: u64) -> Result<u64, Trap> {
        let mode = self.hart.mode;
        let status = self.hart.csrs.mstatus;
        let illegal = Trap::Exception {
            cause: cause::ILLEGAL,
            tval: u64::from(insn.raw),
        };
        match insn.op {
            Op::Ecall => {
                let cause = cause::CALL_FROM_USER + mode as u64;
                return Err(Trap::Exception { cause, tval: 0 });
            }
            Op::Ebreak => {
                return Err(Trap::Exception {
                    cause: cause::BREAKPOINT,
                    tval: at.pc,
                });
            }
            Op::Mret => {
                if mode != Mode::Machine {
                    return Err(illegal);
                }
                self.hart.machine_return();
                return Ok(self.hart.pc);
            }
            Op::Sret => {
                let trapped = mode == Mode::Supervisor && status & mstatus::TSR != 0;
                if mode == Mode::User || trapped {
                    return Err(illegal);
                }
                self.hart.supervisor_return();
                return Ok(self.hart.pc);
            }
            Op::Wfi => {
                let trapped = mode == Mode::Supervisor && status & mstatus::TW != 0;
                if mode == Mode::User || trapped {
                    return Err(illegal);
                }
                self.hart.waiting = !self.hart.wakes();
                self.leave = true;
            }
            Op::SfenceVma => {
                let trapped = mode == Mode::Supervisor && status & mstatus::TVM != 0;
                if mode == Mode::User || trapped {
                    return Err(illegal);
                }
                // Stores to page tables flush cached translations at once, so nothing is left to
                // do.
            }
            _ => self.exec_csr(insn, at).ok_or(illegal)?,
        }
        Ok(next)
    }

    /// Executes a CSR instruction; `None` if it is illegal.
    fn exec_csr(&mut self, insn: &Insn, at: At) -> Option<()> {
        let number = insn.imm as u16;
        let steps = self.steps(at);
        let now = self.clock.now(Icount::new(self.icount(at)));
        let cx = CsrContext {
            mode: self.hart.mode,
            hart: self.hart.id,
            steps,
            retired: steps.wrapping_sub(self.hart.trapped),
            time: self.bus.devices.clint.mtime(now),
        };
        let immediate = matches!(insn.op, Op::Csrrwi | Op::Csrrsi | Op::Csrrci);
        let operand = if immediate {
            u64::from(insn.rs1)
        } else {
            self.hart.get_x(insn.rs1)
        };
        let swap = matches!(insn.op, Op::Csrrw | Op::Csrrwi);
        // Only CSRRW with rd=x0 does not read. Only set and clear with a zero operand field do not
        // write.
        let reads = !swap || insn.rd != 0;
        let writes = swap || insn.rs1 != 0;
        let csrs = &mut self.hart.csrs;
        let old = if reads {
            csrs.read(number, &cx).ok()?
        } else {
            0
        };
        if writes {
            // A bit that a device sets must not become a bit that software set.
            let base = if number == riscv_isa::csr::MIP && !swap {
                csrs.mip_written
            } else {
                old
            };
            let new = match insn.op {
                Op::Csrrs | Op::Csrrsi => base | operand,
                Op::Csrrc | Op::Csrrci => base & !operand,
                _ => operand,
            };
            let effect = csrs.write(number, new, &cx).ok()?;
            if effect.flush {
                self.flush_tlb();
            }
            self.leave |= effect.timer;
        }
        self.hart.set_x(insn.rd, old);
        Some(())
    }
}
