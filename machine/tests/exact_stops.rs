//! A run does not depend on where it is stopped, nor on what is cached: the same guest, stopped every
//! few instructions with all caches dropped, takes the same interrupts and exceptions at the same
//! instruction counts, prints the same, and ends in the same state.

#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

use machine::boot::{self, BootConfig};
use machine::inputs::{Halted, Inputs, Moment};
use machine::{Config, Exit, Machine, PowerOn};
use std::collections::VecDeque;

/// Inputs that are a function of the instruction count, and everything that happened.
#[derive(Debug, Default, PartialEq, Eq)]
struct Script {
    /// (icount, pc, number), exceptions with the top bit.
    marks: Vec<(u64, u64, u64)>,
    output: Vec<u8>,
    /// How far the host's clock has jumped, ns.
    jumped: i64,
}

impl Inputs for Script {
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted> {
        Ok(1_700_000_000_000_000_000 + at.icount as i64 * 1000 + self.jumped)
    }

    fn serial_write(&mut self, _: Moment, _: u8, data: &[u8]) -> Result<(), Halted> {
        self.output.extend(data);
        Ok(())
    }

    fn interrupt(&mut self, at: Moment, cause: u64) -> Result<(), Halted> {
        self.marks.push((at.icount, at.pc, cause));
        Ok(())
    }

    fn exception(&mut self, at: Moment, cause: u64) -> Result<(), Halted> {
        self.marks.push((at.icount, at.pc, 1 << 63 | cause));
        Ok(())
    }
}

/// How a run is cut into pieces.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Instructions of a piece.
    period: u64,
    /// At each stop all caches are dropped, and a digest is taken.
    disturb: bool,
}

fn run(guest: &[u8], append: &str, input: &[(u64, &[u8])], cut: Cut) -> (Script, u128) {
    let config = BootConfig {
        kernel: Some(guest),
        append,
        ..BootConfig::new(4 << 20)
    };
    let power_on = PowerOn::from(boot::plan(&config).unwrap());
    let mut machine = Machine::new(
        &Config {
            shift: 2,
            ..Config::new(4 << 20)
        },
        power_on,
    );
    let mut script = Script::default();
    let mut input: VecDeque<_> = input.iter().copied().collect();
    loop {
        let next_input = input.front().map_or(u64::MAX, |(at, _)| *at);
        let until = (machine.icount() + cut.period).min(next_input);
        match machine.run(until, &mut script) {
            Exit::Count => {
                if cut.disturb {
                    machine.digest();
                    machine.drop_caches();
                }
            }
            // An idle guest gets its input, or else skips to its next timer.
            Exit::Idle => match machine.wake_deadline() {
                Some(deadline) => machine.warp(deadline - machine.now()),
                None if machine.host_deadline().is_some() => {
                    script.jumped += 1_000_000_000;
                    machine.host_timers(&mut script).unwrap();
                }
                None => assert!(!input.is_empty(), "the guest waits for ever"),
            },
            Exit::Request(_) => return (script, machine.digest()),
            other => panic!("{other:?}"),
        }
        let idle = machine.hart(0).unwrap().waiting && machine.wake_deadline().is_none();
        while let Some((at, data)) = input.front().copied() {
            if at > machine.icount() && !idle {
                break;
            }
            machine.serial_input(0, data);
            input.pop_front();
        }
    }
}

fn all_alike(guest: &[u8], append: &str, input: &[(u64, &[u8])]) {
    let whole = run(
        guest,
        append,
        input,
        Cut {
            period: u64::MAX >> 1,
            disturb: false,
        },
    );
    assert!(!whole.0.output.is_empty());
    for period in [1, 7, 313, 10_007] {
        // Single steps are slow: without the digest, whose cost is a scan of all pages.
        let cut = Cut {
            period,
            disturb: period > 100,
        };
        let pieces = run(guest, append, input, cut);
        assert!(whole.0 == pieces.0, "{cut:?}: marks or output differ");
        assert_eq!(whole.1, pieces.1, "{cut:?}: the final digest differs");
    }
}

#[test]
fn traps() {
    all_alike(include_bytes!("../../samples/bin/traps.elf"), "", &[]);
}

#[test]
fn clock() {
    all_alike(include_bytes!("../../samples/bin/clock.elf"), "n=5", &[]);
}

#[test]
fn mix_with_floating_point() {
    all_alike(include_bytes!("../../samples/bin/mix.elf"), "n=1 fp=1", &[]);
}

#[test]
fn echo_with_input_at_odd_places() {
    let input: [(u64, &[u8]); 3] = [
        (101, b"early\n"),
        (20_001, b"some words\ntime\n"),
        (60_013, b"quit\n"),
    ];
    all_alike(include_bytes!("../../samples/bin/echo.elf"), "", &input);
}
