//! A planted fault: one instruction gives a wrong result, so that what hunts for faults can be tested. For tests alone.
//!
//! The machine runs exactly to the instruction, on whatever tier, executes it alone, and then changes what it left. So
//! nothing that executes instructions knows of this.

use crate::bus::RAM_BASE;
use crate::machine::Machine;
use riscv_isa::table::Format;
use riscv_isa::{Insn, decode};

/// The instruction that is about to go wrong.
pub(crate) struct Victim {
    insn: Insn,
    /// Where it stores to, if it is a store.
    address: u64,
    /// Instructions of the hart that had trapped before it.
    trapped: u64,
}

/// What an instruction leaves behind.
enum Result {
    Integer,
    Float,
    Memory,
    Nothing,
}

fn result(format: Format) -> Result {
    match format {
        Format::Store | Format::FStore => Result::Memory,
        Format::B | Format::Fence | Format::None | Format::SfenceVma => Result::Nothing,
        Format::FLoad
        | Format::F4
        | Format::F
        | Format::FRm
        | Format::FFRm
        | Format::FX
        | Format::FXRm => Result::Float,
        _ => Result::Integer,
    }
}

impl Machine {
    /// The instruction at this count gives a wrong result: bit 0 of its destination register, or of what it stores to
    /// RAM, is inverted. One that traps or has no result is left alone. `None`: all are right.
    pub fn plant_fault(&mut self, icount: Option<u64>) {
        self.fault = icount;
    }

    /// Where a run that may go on to `stop` must come back for the fault.
    pub(crate) fn stop_for_fault(&self, stop: u64) -> u64 {
        match self.fault {
            Some(at) if at >= self.icount => stop.min(at.max(self.icount.saturating_add(1))),
            _ => stop,
        }
    }

    /// The instruction that hart number `turn` executes next, if it is to go wrong.
    pub(crate) fn victim(&self, turn: usize) -> Option<Victim> {
        if self.fault != Some(self.icount) {
            return None;
        }
        let hart = self.harts.get(turn)?;
        let insn = decode(self.instruction(hart.id, hart.pc)?)?;
        Some(Victim {
            insn,
            address: hart.get_x(insn.rs1).wrapping_add_signed(insn.imm.into()),
            trapped: hart.trapped,
        })
    }

    /// Makes it go wrong, now that it has been executed.
    pub(crate) fn spoil(&mut self, turn: usize, victim: &Victim) {
        let Some(hart) = self.harts.get_mut(turn) else {
            return;
        };
        if hart.trapped != victim.trapped {
            return;
        }
        let rd = victim.insn.rd;
        match result(victim.insn.op.entry().format) {
            Result::Integer => hart.set_x(rd, hart.get_x(rd) ^ 1),
            Result::Float => hart.f[usize::from(rd & 31)] ^= 1,
            Result::Memory => {
                let id = hart.id;
                let place = self.physical(id, victim.address);
                let place = place.and_then(|address| address.checked_sub(RAM_BASE));
                if let Some(offset) = place
                    && let Some(&[byte]) = self.bus.ram.get(offset, 1)
                {
                    self.bus.ram.write(offset, &[byte ^ 1]);
                }
            }
            Result::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{Halted, Inputs, Moment};
    use crate::{Config, Exit, PowerOn};

    const GUEST: [u32; 6] = [
        0x0000_0517, // auipc a0,0
        0x0105_0593, // addi a1,a0,16
        0x0205_5003, // lhu zero,32(a0)
        0x02b5_3023, // sd a1,32(a0)
        0x0205_3603, // ld a2,32(a0)
        0x0000_006f, // j .
    ];

    struct Nothing;

    impl Inputs for Nothing {
        fn host_clock(&mut self, _: Moment) -> std::result::Result<i64, Halted> {
            Err(Halted)
        }
        fn serial_write(&mut self, _: Moment, _: u8, _: &[u8]) -> std::result::Result<(), Halted> {
            Err(Halted)
        }
        fn interrupt(&mut self, _: Moment, _: u64) -> std::result::Result<(), Halted> {
            Err(Halted)
        }
        fn exception(&mut self, _: Moment, _: u64) -> std::result::Result<(), Halted> {
            Err(Halted)
        }
    }

    /// The machine so many instructions after the boot ROM has jumped to the guest.
    fn after(count: u64, fault: Option<u64>) -> Machine {
        let guest = GUEST.iter().flat_map(|word| word.to_le_bytes()).collect();
        let power_on = PowerOn {
            segments: vec![(RAM_BASE, guest)],
            rom: crate::boot::reset_rom(RAM_BASE, 0, 0),
            ..PowerOn::default()
        };
        let mut machine = Machine::new(&Config::new(1 << 20), power_on);
        machine.plant_fault(fault);
        while machine.harts()[0].pc < RAM_BASE {
            let next = machine.icount() + 1;
            assert_eq!(machine.run(next, &mut Nothing), Exit::Count);
        }
        let until = machine.icount() + count;
        assert_eq!(machine.run(until, &mut Nothing), Exit::Count);
        machine
    }

    #[test]
    fn one_instruction_goes_wrong_and_no_other() {
        let start = after(0, None).icount();
        let x = |machine: &Machine, register: usize| machine.harts()[0].x[register];
        let all = GUEST.len() as u64;
        let mut right = after(all, None);
        // An addition, a store, a load.
        for (at, register) in [(1, 11), (3, 12), (4, 12)] {
            let before = after(at, Some(start + at)).digest();
            assert_eq!(before, after(at, None).digest(), "{at}: too early");
            let mut wrong = after(at + 1, Some(start + at));
            assert_ne!(wrong.digest(), after(at + 1, None).digest(), "{at}");
            let wrong = after(all, Some(start + at));
            assert_eq!(x(&wrong, register), x(&right, register) ^ 1, "{at}");
        }
        // Neither x0 nor a jump without a link has a result.
        for at in [2, 5] {
            let mut machine = after(all, Some(start + at));
            assert_eq!(machine.digest(), right.digest(), "{at}");
        }
    }
}
