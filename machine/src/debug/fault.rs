//! Fault injection: the machine executes each instruction alone and then changes its result. So the
//! execution engines need no code for it.

use super::single::{ResultKind, Single, result_kind};
use crate::bus::RAM_BASE;
use crate::machine::Machine;
use crate::units::Icount;

impl Machine {
    /// The icount at which the injected fault first happened; `None` if it has not happened.
    pub fn fault_at(&self) -> Option<Icount> {
        self.probes.fault?.at
    }

    /// Changes the result of an instruction that has just been executed, if the fault applies to
    /// it. `icount` is the icount before the instruction.
    pub(super) fn inject_fault(&mut self, turn: usize, single: &Single, icount: Icount) {
        let (Some(injected), Some(insn)) = (self.probes.fault, single.insn) else {
            return;
        };
        let other = injected.fault.only.is_some_and(|only| only != insn.op);
        if other || self.trapped(turn, single) {
            return;
        }
        let rd = usize::from(insn.rd & 31);
        let Some(hart) = self.harts.get_mut(turn) else {
            return;
        };
        let wrong = match result_kind(insn.op.entry().format) {
            ResultKind::Integer | ResultKind::Both => {
                hart.set_x(insn.rd, hart.get_x(insn.rd) ^ 1);
                rd != 0
            }
            ResultKind::Float => {
                hart.f[rd] ^= 1;
                true
            }
            ResultKind::Memory => {
                let id = hart.id;
                let place = self.physical(id, single.address);
                let place = place.and_then(|address| address.checked_sub(RAM_BASE));
                let byte = place.and_then(|offset| Some((offset, self.bus.ram.get(offset, 1)?[0])));
                byte.is_some_and(|(offset, byte)| self.bus.ram.write(offset, &[byte ^ 1]))
            }
            ResultKind::Nothing => false,
        };
        if let Some(injected) = self.probes.fault.as_mut().filter(|_| wrong) {
            injected.at = Some(injected.at.map_or(icount, |at| at.min(icount)));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::inputs::{Halted, Inputs, Mark, Moment, Output};
    use crate::{Config, Exit, Fault, PhysAddr, PowerOn, Probe};
    use riscv_isa::Op;

    const GUEST: [u32; 9] = [
        0x0000_0517, // auipc a0,0
        0x0105_0593, // addi a1,a0,16
        0x0405_5003, // lhu zero,64(a0)
        0x04b5_3023, // sd a1,64(a0)
        0x0405_3603, // ld a2,64(a0)
        0x0000_0517, // auipc a0,0
        0x0000_0537, // lui a0,0
        0x0015_8693, // addi a3,a1,1
        0x0000_006f, // j .
    ];

    struct Nothing;

    impl Inputs for Nothing {
        fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
            Err(Halted)
        }
        fn output(&mut self, _: Moment, _: Output<'_>) -> Result<(), Halted> {
            Err(Halted)
        }
        fn mark(&mut self, _: Moment, _: Mark) -> Result<(), Halted> {
            Err(Halted)
        }
    }

    /// A test guest of a few instructions.
    pub(crate) struct Guest;

    impl Guest {
        /// The machine before the first instruction.
        pub(crate) fn started() -> Machine {
            let guest = GUEST.iter().flat_map(|word| word.to_le_bytes()).collect();
            let power_on = PowerOn {
                segments: vec![(RAM_BASE, guest)],
                rom: crate::boot::reset_rom(RAM_BASE, PhysAddr::default(), None),
                ..PowerOn::default()
            };
            let mut machine = Machine::new(&Config::new(1 << 20), power_on).unwrap();
            while machine.harts()[0].pc < RAM_BASE.get() {
                let next = machine.icount() + 1;
                Self::run(&mut machine, next);
            }
            machine
        }

        /// Runs to an icount.
        pub(crate) fn run(machine: &mut Machine, until: Icount) {
            assert_eq!(machine.run(until, &mut Nothing), Exit::Count);
        }
    }

    /// The machine after `count` instructions, and the icount of the fault.
    fn after(count: u64, from: Option<u64>, only: Option<Op>) -> (Machine, Option<u64>) {
        let mut machine = Guest::started();
        let start = machine.icount();
        if let Some(from) = from {
            let from = start + from;
            machine.insert_probe(Probe::Fault(Fault { from, only }));
        }
        Guest::run(&mut machine, start + count);
        let at = machine.fault_at().map(|at| at - start);
        (machine, at)
    }

    #[test]
    fn one_instruction_goes_wrong_and_no_other() {
        let x = |machine: &Machine, register: usize| machine.harts()[0].x[register];
        let all = GUEST.len() as u64;
        // An addition, a store, a load. The third has no result, so the fault hits the next one.
        for (from, at, register) in [(1, 1, 11), (2, 3, 12), (3, 3, 12), (4, 4, 12)] {
            let same = |count| {
                let (mut right, mut wrong) =
                    (after(count, None, None).0, after(count, Some(from), None).0);
                right.digest() == wrong.digest()
            };
            assert!(same(at), "{from}: too early");
            assert!(!same(at + 1), "{from}");
            let (wrong, went) = after(all, Some(from), None);
            assert_eq!(went, Some(at));
            let right = after(all, None, None).0;
            assert_eq!(x(&wrong, register), x(&right, register) ^ 1, "{from}");
        }
        // Neither an instruction with rd=x0 nor a jump without a link has a result.
        assert_eq!(after(all, Some(8), None).1, None);
    }

    #[test]
    fn every_execution_of_an_instruction_goes_wrong() {
        let all = GUEST.len() as u64;
        let (machine, at) = after(all, Some(1), Some(Op::Addi));
        assert_eq!(at, Some(1));
        let right = after(all, None, None).0;
        let [a1, a3] = [11, 13].map(|register| machine.harts()[0].x[register]);
        assert_eq!(a1, right.harts()[0].x[11] ^ 1);
        assert_eq!(a3, (a1 + 1) ^ 1);
        assert_eq!(after(all, Some(2), Some(Op::Addi)).1, Some(7));
        assert_eq!(after(all, Some(2), Some(Op::Xor)).1, None);
    }
}
