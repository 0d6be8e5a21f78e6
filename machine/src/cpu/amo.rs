//! The A extension: load-reserved, store-conditional, and atomic memory operations (unprivileged
//! specification 20191213, chapter 8).

use super::mem::At;
use super::mmu::access_fault;
use super::pmp::Access;
use super::trap::cause;
use super::{Core, Trap};
use riscv_isa::{Insn, Op};

/// Whether [`Core::exec_atomic`] executes this instruction.
pub(super) fn is_atomic(op: Op) -> bool {
    (Op::LrW as u8..=Op::AmomaxuD as u8).contains(&(op as u8))
}

impl Core<'_> {
    /// Executes an instruction of the A extension. Atomics work only on RAM: the PMAs of the device
    /// regions support none (privileged specification, section 3.6).
    pub(super) fn exec_atomic(&mut self, insn: &Insn, at: At) -> Result<(), Trap> {
        let address = self.hart.get_x(insn.rs1);
        let double = insn.op as u8 >= Op::LrD as u8;
        let size: usize = if double { 8 } else { 4 };
        let reserve = matches!(insn.op, Op::LrW | Op::LrD);
        if !address.is_multiple_of(size as u64) {
            let cause = if reserve {
                cause::LOAD_MISALIGNED
            } else {
                cause::STORE_MISALIGNED
            };
            return Err(Trap::Exception {
                cause,
                tval: address,
            });
        }
        let access = if reserve { Access::Load } else { Access::Store };
        let offset = self.ram_offset(address, size, access)?;
        if matches!(insn.op, Op::ScW | Op::ScD) {
            let holds = self.hart.reservation.take() == Some(offset);
            if holds {
                self.write_back(address, size, self.hart.get_x(insn.rs2), at)?;
            }
            self.hart.set_x(insn.rd, u64::from(!holds));
            return Ok(());
        }
        let old = self
            .read(offset, size)
            .ok_or(access_fault(access, address))?;
        self.check_load(offset, size);
        if reserve {
            self.hart.reservation = Some(offset);
        } else {
            let new = combine(insn.op, old, self.hart.get_x(insn.rs2));
            self.write_back(address, size, new, at)?;
        }
        self.hart.set_x(insn.rd, old);
        Ok(())
    }

    /// The value in RAM, sign-extended.
    fn read(&self, offset: u64, size: usize) -> Option<u64> {
        let bytes = self.bus.ram.get(offset, size)?;
        Some(match bytes.first_chunk::<8>() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => i32::from_le_bytes(*bytes.first_chunk::<4>()?) as i64 as u64,
        })
    }

    fn write_back(&mut self, address: u64, size: usize, value: u64, at: At) -> Result<(), Trap> {
        if size == 8 {
            self.store::<8>(address, value, at)
        } else {
            self.store::<4>(address, value, at)
        }
    }
}

/// The value that an AMO stores. The words of a 32-bit AMO are sign-extended, and only the low half
/// of the result is stored.
fn combine(op: Op, old: u64, operand: u64) -> u64 {
    let word = operand as i32 as i64;
    match op {
        Op::AmoswapW | Op::AmoswapD => operand,
        Op::AmoaddW | Op::AmoaddD => old.wrapping_add(operand),
        Op::AmoxorW | Op::AmoxorD => old ^ operand,
        Op::AmoandW | Op::AmoandD => old & operand,
        Op::AmoorW | Op::AmoorD => old | operand,
        Op::AmominW => (old as i64).min(word) as u64,
        Op::AmomaxW => (old as i64).max(word) as u64,
        Op::AmominuW => u64::from((old as u32).min(operand as u32)),
        Op::AmomaxuW => u64::from((old as u32).max(operand as u32)),
        Op::AmominD => (old as i64).min(operand as i64) as u64,
        Op::AmomaxD => (old as i64).max(operand as i64) as u64,
        Op::AmominuD => old.min(operand),
        Op::AmomaxuD => old.max(operand),
        _ => old,
    }
}
