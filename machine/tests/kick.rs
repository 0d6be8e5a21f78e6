//! The kick flag ends a run whatever the guest does: also in loops that nothing else would end, on both tiers.

#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

use machine::boot::reset_rom;
use machine::bus::RAM_BASE;
use machine::inputs::{Halted, Inputs, Moment};
use machine::{Config, Execution, Exit, Machine, PowerOn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Nothing ever happens.
struct Silent;

impl Inputs for Silent {
    fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
        Err(Halted)
    }
    fn serial_write(&mut self, _: Moment, _: u8, _: &[u8]) -> Result<(), Halted> {
        Err(Halted)
    }
    fn interrupt(&mut self, _: Moment, _: u64) -> Result<(), Halted> {
        Err(Halted)
    }
    fn exception(&mut self, _: Moment, _: u64) -> Result<(), Halted> {
        Err(Halted)
    }
}

/// Pieces of code and where they are, as distances from the start of RAM.
const LOOPS: &[&[(u64, &[u32])]] = &[
    // j .
    &[(0, &[0x0000_006f])],
    // addi a0,a0,1; bnez a0,.-4; j .-8
    &[(0, &[0x0015_0513, 0xfe05_1ee3, 0xff9f_f06f])],
    // j .+4096, and back
    &[(0, &[0x0000_106f]), (4096, &[0x800f_f06f])],
    // auipc t0,0; jr t0
    &[(0, &[0x0000_0297, 0x0002_8067])],
];

/// A run that is never kicked would go on for seconds.
const FAR: u64 = 20_000_000_000;

#[test]
fn every_loop_can_be_left() {
    for (number, code) in LOOPS.iter().enumerate() {
        for execution in [
            Execution::Interpreter,
            Execution::default(),
            Execution::Translated { after: 0 },
        ] {
            let segments = code.iter().map(|(at, words)| {
                let bytes = words.iter().flat_map(|word| word.to_le_bytes());
                (RAM_BASE + at, bytes.collect())
            });
            let power_on = PowerOn {
                segments: segments.collect(),
                rom: reset_rom(RAM_BASE, 0, 0),
                ..PowerOn::default()
            };
            let mut machine = Machine::new(&Config::new(1 << 20), power_on);
            machine.set_execution(execution);
            let kick = Arc::new(AtomicBool::new(false));
            machine.set_kick(Arc::clone(&kick));
            let exit = thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(10));
                    kick.store(true, Ordering::Release);
                });
                machine.run(FAR, &mut Silent)
            });
            assert_eq!(exit, Exit::Kicked, "loop {number}, {execution:?}");
            assert!(machine.icount() > 1000, "it had begun");
        }
    }
}
