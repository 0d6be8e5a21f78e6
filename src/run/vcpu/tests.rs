//! Digests are taken at every count that is due, however the machine came to it.

use super::*;
use crate::run::driver::{Closed, Snapshots};
use machine::boot::reset_rom;
use machine::bus::RAM_BASE;
use machine::inputs::{Halted, Inputs, Mark, Moment, Output};
use machine::{Config, Digest, Harts, Icount, PhysAddr, PowerOn, Probe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `ebreak`, whose handler is itself: every instruction raises an exception.
const EBREAK: u32 = 0x0010_0073;
/// `auipc t0,0; csrw mtvec,t0`.
const START: [u32; 2] = [0x0000_0297, 0x3052_9073];

/// Lets the machine run, and raises the kick flag at some exceptions.
struct Kicking {
    kick: Arc<AtomicBool>,
    /// At one exception in so many.
    every: u64,
    exceptions: u64,
    digests: Vec<u64>,
}

impl Inputs for Kicking {
    fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
        Err(Halted)
    }
    fn output(&mut self, _: Moment, _: Output<'_>) -> Result<(), Halted> {
        Err(Halted)
    }
    fn mark(&mut self, _: Moment, _: Mark) -> Result<(), Halted> {
        self.exceptions += 1;
        let kicks = self.exceptions.is_multiple_of(self.every);
        self.kick.store(kicks, Ordering::Relaxed);
        Ok(())
    }
}

impl Driver for Kicking {
    fn next(&mut self, _: &Situation) -> Result<Step, Error> {
        // The message that the kick was for is taken.
        self.kick.store(false, Ordering::Relaxed);
        Ok(Step::Run { until: Icount::MAX })
    }
    fn digest(&mut self, at: Moment, _: Digest, _: DigestOf) -> Result<(), Error> {
        self.digests.push(at.icount.get());
        Ok(())
    }
    fn failure(&mut self) -> Failure {
        Failure::Error(Error::Internal("nothing halts"))
    }
    fn close(&mut self, _: Finish) -> Result<Closed, Error> {
        Ok(Closed::default())
    }
    fn snapshots(&mut self) -> Option<&mut dyn Snapshots> {
        None
    }
}

/// The counts at which digests were taken, up to a count.
fn digests(kick_every: u64, digest_every: u64, probe: Option<Probe>) -> Vec<u64> {
    let code = [&START[..], &[EBREAK; 100]].concat();
    let code = code.into_iter().flat_map(u32::to_le_bytes).collect();
    let power_on = PowerOn {
        segments: vec![(RAM_BASE, code)],
        rom: reset_rom(RAM_BASE, PhysAddr::default(), None),
        ..PowerOn::default()
    };
    let mut machine = Machine::new(&Config::new(1 << 20), power_on).unwrap();
    probe
        .into_iter()
        .for_each(|probe| machine.insert_probe(probe));
    let kick = Arc::new(AtomicBool::new(false));
    machine.set_kick(Arc::clone(&kick));
    let mut driver = Kicking {
        kick,
        every: kick_every,
        exceptions: 0,
        digests: Vec::new(),
    };
    let limits = Limits {
        until: Icount::new(END),
        digest_every,
    };
    let mut vcpu = Vcpu::default();
    while machine.icount() < Icount::new(END) {
        let period = vcpu.period(&mut driver, &mut machine, &limits, None);
        assert!(!matches!(period.unwrap().after, After::Over(_)));
    }
    driver.digests
}

const END: u64 = 420;

#[test]
fn a_digest_is_taken_where_a_kick_or_a_probe_ends_the_period() {
    for digest_every in [1, 2, 3, 5, 7, 60] {
        let due: Vec<u64> = (1..=END / digest_every).map(|n| n * digest_every).collect();
        for kick_every in [1, 2, 3, 5, u64::MAX] {
            for probe in [None, Some(Probe::Step(Harts::All))] {
                let taken = digests(kick_every, digest_every, probe);
                assert_eq!(taken, due, "{kick_every}, {digest_every}, {probe:?}");
            }
        }
    }
}
