//! The run loop: executes up to an icount, until all harts wait, or until the guest asks for a
//! stop.

use crate::bus::Devices;
use crate::cpu::{Core, Environment, Hart, Leave, Power, Tlbs, irq};
use crate::device::Context;
use crate::device::test_finisher::Request;
use crate::ecall::ECALL_LEN;
use crate::inputs::{Halted, Inputs, Mark, Moment};
use crate::machine::Machine;
use crate::probe::{Accessor, Cause, Stop};
use crate::units::{Icount, VirtAddr};
use std::sync::atomic::Ordering;

/// Why [`Machine::run`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The icount has reached the limit. Nothing that is due at this icount has happened yet.
    Count,
    /// Every hart waits for an interrupt (WFI) or is stopped.
    Idle,
    /// The kick flag is set: see [`Machine::set_kick`].
    Kicked,
    /// The guest asks the board for power-off, reset or the like.
    Request(Request),
    /// The engine stopped the machine; the reason is with the [`Inputs`] that returned [`Halted`].
    Halted,
    /// A probe stopped the machine: see [`Machine::insert_probe`]. The next run continues from
    /// here.
    Stopped(Stop),
}

impl Machine {
    /// Runs until the icount is exactly `until`, or until another [`Exit`] ends the run before.
    pub fn run(&mut self, until: Icount, inputs: &mut dyn Inputs) -> Exit {
        loop {
            // Before the icount check: the stop belongs to an instruction that has executed.
            if let Some(stop) = self.take_stop() {
                return Exit::Stopped(stop);
            }
            if self.icount >= until {
                return Exit::Count;
            }
            if self.kick.load(Ordering::Relaxed) {
                return Exit::Kicked;
            }
            match self.run_once(until, inputs) {
                Ok(None) => {}
                Ok(Some(exit)) => return exit,
                Err(Halted) => {
                    // Perhaps within an instruction, so what the probes saw of it is incomplete.
                    self.bus.ram.clear_watch_hits();
                    return Exit::Halted;
                }
            }
        }
    }

    fn run_once(&mut self, until: Icount, inputs: &mut dyn Inputs) -> Result<Option<Exit>, Halted> {
        let now = self.now();
        let at = self.moment();
        let mut cx = Context { now, at, inputs };
        self.bus.tick(&mut cx)?;
        if self.bus.ram.has_watch_hits() {
            return Ok(None);
        }
        if let Some(request) = self.bus.devices.take_request() {
            self.bus.devices.flush(&mut cx)?;
            return Ok(Some(Exit::Request(request)));
        }
        self.refresh_lines(now);
        let Some(turn) = self.schedule.choose(&mut self.harts) else {
            self.bus.devices.flush(&mut Context { now, at, inputs })?;
            return Ok(Some(Exit::Idle));
        };
        let at = self.moment();
        let deadline = self.deadline(now);
        let Some(hart) = self.harts.get_mut(turn) else {
            return Ok(Some(Exit::Idle));
        };
        if let Some(number) = hart.pending_interrupt() {
            inputs.mark(at, Mark::Interrupt(number))?;
            hart.take_interrupt(number);
            let cause = Cause::Interrupt(number);
            self.probes.trapped(hart.id, at.pc.get(), cause, 0);
        }
        hart.waiting = false;
        hart.power = Power::Started;
        if self.probes.stopped() {
            return Ok(None);
        }
        let stepping = self.probes.steps(hart.id);
        let mut stop = until.min(self.icount.saturating_add(self.schedule.left()));
        if let Some(deadline) = deadline {
            stop = stop.min(self.clock.icount_at(deadline));
        }
        let (stop, faulty) = match &self.probes.fault {
            Some(injected) => injected.stop(self.icount, stop),
            None => (stop, false),
        };
        let before = self.icount;
        let stop = match stepping {
            true => stop.min(before.saturating_add(1)),
            false => stop,
        };
        let leave = match faulty || self.probes.witness.is_some() {
            false => self.execute(turn, stop, inputs),
            true => self.execute_singly(turn, stop, faulty, inputs),
        };
        let exit = match leave {
            Leave::Call => {
                self.firmware(inputs)?;
                None
            }
            Leave::NoFirmware => Some(Exit::Request(Request::NoFirmware)),
            Leave::Halted => return Err(Halted),
            Leave::Kicked => Some(Exit::Kicked),
            Leave::Count | Leave::Attention | Leave::Stopped => None,
        };
        if stepping && self.icount > before {
            self.stepped(turn);
        }
        Ok(exit)
    }

    /// Serves the SBI call that the current hart has just made.
    fn firmware(&mut self, inputs: &mut dyn Inputs) -> Result<(), Halted> {
        let Hart { id, pc, .. } = *self.current();
        self.bus.ram.set_accessor(Accessor::Firmware);
        let served = self.sbi_call(inputs);
        self.bus.ram.set_accessor(Accessor::Hart);
        self.report_watch_hits(id, pc.wrapping_sub(ECALL_LEN));
        served
    }

    /// Executes hart `turn` until the icount is `stop` or something else ends it.
    pub(crate) fn execute(&mut self, turn: usize, stop: Icount, inputs: &mut dyn Inputs) -> Leave {
        let (Some(hart), Some(tlbs)) = (self.harts.get_mut(turn), Tlbs::new(&mut self.tlbs, turn))
        else {
            return Leave::Attention;
        };
        let environment = Environment {
            bus: &mut self.bus,
            tlbs,
            clock: &self.clock,
            inputs,
            icount: self.icount.get(),
            sbi: self.config.sbi,
            probes: &mut self.probes,
        };
        let mut core = Core::new(hart, environment);
        let (icount, leave) = core.run(&mut self.blocks, stop.get(), &self.kick);
        let icount = Icount::new(icount);
        self.schedule.ran(icount - self.icount);
        self.icount = icount;
        leave
    }

    /// Virtual time in nanoseconds since power-on.
    pub fn now(&self) -> u64 {
        self.clock.now(self.icount)
    }

    /// The current point of the run: icount, current hart, and its program counter.
    pub fn moment(&self) -> Moment {
        Moment {
            icount: self.icount,
            hart: self.current().id,
            pc: VirtAddr::new(self.current().pc),
        }
    }

    /// The earliest virtual time (ns) after `now` at which a timer or a device is due.
    fn deadline(&self, now: u64) -> Option<u64> {
        let Devices { clint, .. } = &self.bus.devices;
        // For all harts, not only the one that executes: `mip` of each is state and must change on
        // time.
        let of_hart = |hart: &Hart| {
            let supervisor = match hart.csrs.sstc() {
                true => clint.ns_of_mtime(hart.csrs.stimecmp),
                false => None,
            };
            [clint.timer_deadline(usize::from(hart.id)), supervisor]
        };
        let timers = self.harts.iter().flat_map(of_hart);
        let later = |due: &u64| *due > now;
        timers
            .chain([self.bus.devices.deadline()])
            .flatten()
            .filter(later)
            .min()
    }

    /// The earliest virtual time (ns) at which an idle machine may wake; `None` if no timer or
    /// device can wake it.
    pub fn wake_deadline(&self) -> Option<u64> {
        let Devices { clint, .. } = &self.bus.devices;
        let of_hart = |hart: &Hart| {
            let machine = clint
                .timer_deadline(usize::from(hart.id))
                .filter(|_| hart.timer_wakes());
            let supervisor = match hart.stimer_wakes() {
                true => clint.ns_of_mtime(hart.csrs.stimecmp),
                false => None,
            };
            [machine, supervisor]
        };
        let on = |hart: &&Hart| hart.power != Power::Stopped;
        let timers = self.harts.iter().filter(on).flat_map(of_hart);
        timers.chain([self.bus.devices.deadline()]).flatten().min()
    }

    /// Advances virtual time by `ns` nanoseconds without executing an instruction.
    pub fn warp(&mut self, ns: u64) {
        self.clock.warp(ns);
        // Refill here, as the run loop would. Otherwise the state depends on whether the machine
        // runs before the next arrival: a recording does and a replay need not.
        let now = self.now();
        self.bus.devices.uart.refill(now);
    }

    /// Number of bytes that have arrived at the UART and that the guest has not read.
    pub fn serial_backlog(&self) -> usize {
        self.bus.devices.uart.backlog_len()
    }

    /// Reads the host's wall clock and raises the alarm of the real-time clock if it is due.
    ///
    /// # Errors
    /// [`Halted`] if the engine stops the machine at the read of the clock.
    pub fn host_timers(&mut self, inputs: &mut dyn Inputs) -> Result<(), Halted> {
        let now = inputs.host_clock(self.moment())?;
        self.bus.devices.rtc.host_timer(now);
        Ok(())
    }

    /// Host time (ns since the Unix epoch) at which [`Machine::host_timers`] must be called next.
    /// `None` if no alarm is set.
    pub fn host_deadline(&self) -> Option<i64> {
        self.bus.devices.rtc.alarm_deadline()
    }

    /// Recomputes the interrupt lines (`mip`). They are a function of the devices' state and the
    /// time.
    fn refresh_lines(&mut self, now: u64) {
        self.bus.devices.route_interrupts();
        let Devices { clint, plic, .. } = &self.bus.devices;
        for hart in &mut self.harts {
            let id = usize::from(hart.id);
            let csrs = &mut hart.csrs;
            let machine_context = 2 * id;
            let supervisor_timer = csrs.sstc() && clint.mtime(now) >= csrs.stimecmp;
            let lines = [
                (irq::MSI, clint.msip(id)),
                (irq::MTI, clint.mtip(id, now)),
                (irq::STI, supervisor_timer),
                (irq::MEI, plic.external(machine_context)),
                (irq::SEI, plic.external(machine_context + 1)),
            ];
            csrs.lines.mip = lines
                .into_iter()
                .filter(|(_, high)| *high)
                .map(|(bit, _)| bit)
                .sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::reset_rom;
    use crate::bus::RAM_BASE;
    use crate::inputs::Output;
    use crate::{Config, PhysAddr, PowerOn};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// Raises a software interrupt for its own hart and waits for it.
    const GUEST: [u32; 12] = [
        0x0000_0297, // auipc t0,0
        0x0282_8293, // addi t0,t0,40
        0x3052_9073, // csrw mtvec,t0
        0x0080_0313, // li t1,8
        0x3043_1073, // csrw mie,t1
        0x0200_03b7, // lui t2,0x2000
        0x0010_0e13, // li t3,1
        0x01c3_a023, // sw t3,0(t2)
        0x3004_6073, // csrsi mstatus,8
        0x0000_006f, // j .
        0x0000_0013, // handler: nop
        0xffdf_f06f, // j handler
    ];

    /// Sets the kick flag at the moment an interrupt is taken.
    struct Kicker {
        kick: Arc<AtomicBool>,
        interrupt_at: Option<Icount>,
    }

    impl Inputs for Kicker {
        fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
            Err(Halted)
        }
        fn output(&mut self, _: Moment, _: Output<'_>) -> Result<(), Halted> {
            Err(Halted)
        }
        fn mark(&mut self, at: Moment, mark: Mark) -> Result<(), Halted> {
            match mark {
                Mark::Interrupt(_) => self.interrupt_at = Some(at.icount),
                Mark::Exception(_) => return Err(Halted),
            }
            self.kick.store(true, Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn an_interrupt_and_its_first_instruction_are_not_parted_by_a_kick() {
        let config = Config::new(1 << 20);
        let guest = GUEST.iter().flat_map(|word| word.to_le_bytes()).collect();
        let power_on = PowerOn {
            segments: vec![(RAM_BASE, guest)],
            rom: reset_rom(RAM_BASE, PhysAddr::default(), None),
            ..PowerOn::default()
        };
        let mut machine = Machine::new(&config, power_on).unwrap();
        let kick = Arc::new(AtomicBool::new(false));
        machine.set_kick(Arc::clone(&kick));
        let mut inputs = Kicker {
            kick,
            interrupt_at: None,
        };
        assert_eq!(machine.run(Icount::new(1000), &mut inputs), Exit::Kicked);
        let taken = inputs.interrupt_at.expect("the guest interrupts itself");
        assert!(machine.icount() > taken, "{} > {taken}", machine.icount());
        let icount = machine.icount();
        assert_eq!(machine.run(Icount::new(1000), &mut inputs), Exit::Kicked);
        assert_eq!(machine.icount(), icount, "a kick that stays up");
    }
}
