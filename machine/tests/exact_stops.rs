//! A run depends neither on where it is stopped nor on what is cached or translated.
//!
//! The same guest is stopped every few instructions with all caches dropped. It is interpreted,
//! translated, or both in alternation. Each run must take the same traps at the same icounts, print
//! the same output, and end in the same state.

#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

mod common;

use common::{Guest, Script};
use machine::inputs::Arrival;
use machine::{Digest, Execution, Exit, Icount, Machine};
use std::collections::VecDeque;

/// The way in which a run is split into periods.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Instructions in a period.
    period: u64,
    /// Caches are dropped and a digest is taken at one in this many stops.
    disturb_every: u64,
    /// The ways of execution. Each is used until caches are dropped the next time.
    tiers: &'static [Execution],
}

/// Interpret everything.
const INTERPRETED: &[Execution] = &[Execution::Interpreter];
/// Translate every block before its first execution.
const TRANSLATED: &[Execution] = &[Execution::Translated { after: 0 }];
/// Alternate between the ways of execution.
const MIXED: &[Execution] = &[
    Execution::Translated { after: 2 },
    Execution::Interpreter,
    Execution::Translated { after: 0 },
];

fn run(guest: Guest<'_>, input: &[(u64, &[u8])], cut: Cut) -> (Script, Digest) {
    let mut machine = guest.machine();
    let mut tiers = cut.tiers.iter().cycle();
    machine.set_execution(*tiers.next().unwrap());
    let mut stops = 0;
    let mut script = Script::default();
    let mut input: VecDeque<_> = input.iter().copied().collect();
    loop {
        let next_input = input.front().map_or(u64::MAX, |(at, _)| *at);
        let until = (machine.icount() + cut.period).min(Icount::new(next_input));
        match machine.run(until, &mut script) {
            Exit::Count => {
                stops += 1;
                if stops % cut.disturb_every == 0 {
                    machine.digest();
                    match cut.tiers.len() {
                        1 => machine.drop_caches(),
                        _ => machine.set_execution(*tiers.next().unwrap()),
                    }
                    if stops % (cut.disturb_every * MOVED_EVERY) == 0 {
                        move_and_compare(&mut machine);
                    }
                }
            }
            // An idle guest gets its input; without input it skips to its next timer.
            Exit::Idle => {
                let waits = !script.wake(&mut machine);
                assert!(!(waits && input.is_empty()), "the guest waits for ever");
            }
            Exit::Request(_) => return (script, machine.digest()),
            other => panic!("{other:?}"),
        }
        let idle = machine.hart(0).unwrap().waiting && machine.wake_deadline().is_none();
        while let Some((at, data)) = input.front().copied() {
            if Icount::new(at) > machine.icount() && !idle {
                break;
            }
            let (port, data) = (0, data.to_vec());
            machine.arrive(&Arrival::Serial { port, data }).unwrap();
            input.pop_front();
        }
    }
}

/// At one in this many of these stops, move the state to another machine.
const MOVED_EVERY: u64 = 16;

/// Moves the state out and in, and compares the digests.
fn move_and_compare(machine: &mut Machine) {
    let digest = machine.digest();
    common::move_out_and_in(machine);
    assert_eq!(machine.digest(), digest);
}

/// In the run with the most stops: instructions between two comparisons of all pages.
const DISTURBED_EVERY: u64 = 313;

fn all_alike(guest: Guest<'_>, input: &[(u64, &[u8])]) -> Script {
    let whole = Cut {
        period: u64::MAX >> 1,
        disturb_every: u64::MAX,
        tiers: INTERPRETED,
    };
    let expected = run(guest, input, whole);
    assert!(!expected.0.output.is_empty());
    let alike = |cut: Cut| {
        let pieces = run(guest, input, cut);
        assert!(expected.0 == pieces.0, "{cut:?}: marks or output differ");
        assert_eq!(expected.1, pieces.1, "{cut:?}: the final digest differs");
    };
    let periods: [(_, &[u64]); 3] = [
        (INTERPRETED, &[1, 7, 313, 10_007]),
        (TRANSLATED, &[1, 7, 313, 10_007]),
        (MIXED, &[7, 10_007]),
    ];
    for (tiers, periods) in periods {
        alike(Cut { tiers, ..whole });
        for &period in periods {
            alike(Cut {
                period,
                disturb_every: (DISTURBED_EVERY / period).max(1),
                tiers,
            });
        }
    }
    expected.0
}

#[test]
fn traps() {
    let elf = include_bytes!("../../samples/bin/traps.elf");
    all_alike(Guest::alone(elf, ""), &[]);
}

#[test]
fn clock() {
    let elf = include_bytes!("../../samples/bin/clock.elf");
    all_alike(Guest::alone(elf, "n=5"), &[]);
}

#[test]
fn mix_with_floating_point() {
    let elf = include_bytes!("../../samples/bin/mix.elf");
    all_alike(Guest::alone(elf, "n=1 fp=1"), &[]);
}

#[test]
fn echo_with_input_at_odd_places() {
    let input: [(u64, &[u8]); 3] = [
        (101, b"early\n"),
        (20_001, b"some words\ntime\n"),
        (60_013, b"quit\n"),
    ];
    let elf = include_bytes!("../../samples/bin/echo.elf");
    all_alike(Guest::alone(elf, ""), &input);
}

/// Harts that contend for locks and interrupt each other. The sample checks its own result.
fn several_harts(harts: u8, append: &str, chaos: Option<u64>) -> Script {
    let guest = Guest {
        harts,
        chaos,
        ..Guest::alone(include_bytes!("../../samples/bin/smp.elf"), append)
    };
    let script = all_alike(guest, &[]);
    let output = String::from_utf8_lossy(&script.output);
    assert!(output.ends_with("smp: ok\n"), "{output}");
    script
}

#[test]
fn two_harts_and_eight() {
    several_harts(2, "harts=2 n=100", None);
    several_harts(8, "harts=8 n=20", None);
}

#[test]
fn chaos_differs_by_seed_and_repeats() {
    let runs =
        [None, Some(1), Some(2), Some(3)].map(|chaos| several_harts(3, "harts=3 n=120", chaos));
    for (index, run) in runs.iter().enumerate() {
        for other in &runs[index + 1..] {
            assert!(run.output != other.output, "the order of the harts shows");
        }
    }
}

#[test]
fn calls_of_the_sbi_and_suspended_harts() {
    for chaos in [None, Some(4)] {
        let guest = Guest {
            harts: 2,
            chaos,
            sbi: true,
            ..Guest::alone(include_bytes!("guests/sbi.bin"), "")
        };
        let script = all_alike(guest, &[]);
        let letters = |letter| script.output.iter().filter(|&&byte| byte == letter).count();
        assert!(letters(b'A') > 20 && letters(b'B') > 20);
        assert_eq!(script.output.len(), letters(b'A') + letters(b'B'));
    }
}

#[test]
fn caches_of_one_hart_follow_the_stores_of_another() {
    for chaos in [None, Some(2)] {
        let guest = Guest {
            harts: 2,
            chaos,
            ..Guest::alone(include_bytes!("guests/caches.elf"), "")
        };
        // The guest prints nothing and reports a failure if a result is wrong.
        assert_eq!(all_alike(guest, &[]).output, b"k");
    }
}

#[test]
fn code_that_changes_while_it_is_hot() {
    let guest = Guest::alone(include_bytes!("guests/code.elf"), "");
    assert_eq!(all_alike(guest, &[]).output, b"abcde");
}

#[test]
fn chaos_changes_nothing_for_one_hart() {
    let elf = include_bytes!("../../samples/bin/clock.elf");
    let one = |chaos| {
        let guest = Guest {
            chaos,
            ..Guest::alone(elf, "n=5")
        };
        let cut = Cut {
            period: 1 << 40,
            disturb_every: 1,
            tiers: TRANSLATED,
        };
        run(guest, &[], cut).0
    };
    assert!(one(None) == one(Some(1)));
}
