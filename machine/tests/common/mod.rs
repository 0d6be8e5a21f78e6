//! Guests, and inputs that are a function of the icount.

#![allow(dead_code, reason = "each test uses a part of it")]

use machine::boot::{self, BootConfig};
use machine::inputs::{Halted, Inputs, Mark, Moment, Output};
use machine::{Config, Machine, PowerOn};

/// The bit in the number of a mark that means an exception.
pub(crate) const EXCEPTION: u64 = 1 << 63;

/// Inputs that are a function of the icount, and a record of marks and output.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// The marks: point of the run, and number. Exceptions have the top bit set.
    pub(crate) marks: Vec<(Moment, u64)>,
    pub(crate) output: Vec<u8>,
    /// The total of the jumps of the host's clock in ns.
    jumped: i64,
}

impl Inputs for Script {
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted> {
        Ok(1_700_000_000_000_000_000 + at.icount.get() as i64 * 1000 + self.jumped)
    }

    fn output(&mut self, _: Moment, output: Output<'_>) -> Result<(), Halted> {
        let Output::Serial { data, .. } = output else {
            return Err(Halted);
        };
        self.output.extend(data);
        Ok(())
    }

    fn mark(&mut self, at: Moment, mark: Mark) -> Result<(), Halted> {
        let number = match mark {
            Mark::Interrupt(cause) => cause,
            Mark::Exception(cause) => EXCEPTION | cause,
        };
        self.marks.push((at, number));
        Ok(())
    }
}

impl Script {
    /// Lets an idle machine's time pass. Returns false if it waits for input.
    pub(crate) fn wake(&mut self, machine: &mut Machine) -> bool {
        match machine.wake_deadline() {
            Some(deadline) => machine.warp(deadline - machine.now()),
            None if machine.host_deadline().is_some() => {
                self.jumped += 1_000_000_000;
                machine.host_timers(self).unwrap();
            }
            None => return false,
        }
        true
    }
}

/// A guest to run, and the machine that it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guest<'a> {
    pub(crate) elf: &'a [u8],
    pub(crate) append: &'a str,
    pub(crate) harts: u8,
    pub(crate) chaos: Option<u64>,
    /// The machine implements the SBI itself.
    pub(crate) sbi: bool,
}

impl<'a> Guest<'a> {
    /// A guest on one hart.
    pub(crate) fn alone(elf: &'a [u8], append: &'a str) -> Self {
        Self {
            elf,
            append,
            harts: 1,
            chaos: None,
            sbi: false,
        }
    }

    /// A machine at power-on with the guest loaded.
    pub(crate) fn machine(self) -> Machine {
        let config = BootConfig {
            kernel: Some(self.elf),
            append: self.append,
            harts: self.harts.into(),
            sbi: self.sbi,
            ..BootConfig::new(4 << 20)
        };
        let power_on = PowerOn::from(boot::plan(&config).unwrap());
        let config = Config {
            shift: 2,
            harts: self.harts,
            chaos: self.chaos,
            sbi: self.sbi,
            ..Config::new(4 << 20)
        };
        Machine::new(&config, power_on).unwrap()
    }
}

/// Saves the state and restores it into the machine at power-on, as loading a snapshot does. The
/// probes stay.
pub(crate) fn move_out_and_in(machine: &mut Machine) {
    let state = machine.save();
    let pages = (0..).map_while(|page| machine.page(page).map(<[u8]>::to_vec));
    let pages: Vec<_> = pages.collect();
    machine.rewind().unwrap();
    for (number, page) in (0..).zip(&pages) {
        assert!(machine.restore_page(number, page));
    }
    machine.restore(&state).unwrap();
}
