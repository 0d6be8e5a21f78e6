//! Tests of probes against a reference.
//!
//! A run without probes executes one instruction at a time. The states in between show what every
//! possible probe would report. Then random probes are inserted and the machine runs at full speed,
//! in each way of execution. It must stop where the reference says, and the guest must not be
//! affected.

#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

mod common;
mod programs;
mod reference;

use common::{Guest, Script, move_out_and_in};
use machine::inputs::Arrival;
use machine::{
    Accessor, Breakpoint, Cause, Digest, Execution, Exit, Harts, Icount, Machine, PhysAddr, Probe,
    Stop, VirtAddr, WatchKind, Watchpoint,
};
use programs::Program;
use reference::{Seen, Trace};
use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;

/// The icount of a stop, and the stop.
type At = (Icount, Stop);

const TIERS: [Execution; 3] = [
    Execution::Interpreter,
    Execution::Translated { after: 0 },
    Execution::Translated { after: 3 },
];

/// Generated programs, and runs of each with probes of their own.
const PROGRAMS: u64 = 150;
const ROUNDS: u64 = 9;

/// A random generator: additive, with mixed output (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
            mixed = (mixed ^ mixed >> 30).wrapping_mul(factor);
        }
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}

/// Random probes of each kind, at places that the run reaches.
fn probes(trace: &Trace, random: &mut Random) -> Vec<Probe> {
    let mut probes = Vec::new();
    for _ in 0..random.below(4) {
        if let Some((_, seen)) = random.pick(&trace.seen)
            && let Seen::Execute { pc, space, .. } = seen
        {
            let space = (random.below(3) == 0).then_some(*space).flatten();
            let address = VirtAddr::new(pc + [0, 0, 0, 2][random.below(4)]);
            probes.push(Probe::Breakpoint(Breakpoint { address, space }));
        }
    }
    for _ in 0..random.below(4) {
        let accesses = trace.accesses();
        if let Some(address) = random.pick(&accesses) {
            let kinds = [WatchKind::Write, WatchKind::Read, WatchKind::Access];
            probes.push(Probe::Watch(Watchpoint {
                address: PhysAddr::new(address.wrapping_sub(random.below(3) as u64)),
                len: [1, 2, 4, 8, 64, 4096][random.below(6)],
                kind: kinds[random.below(3)],
            }));
        }
    }
    if random.below(2) == 0
        && let Some(cause) = random.pick(&trace.causes())
    {
        probes.push(Probe::Catch(*cause));
    }
    if random.below(8) == 0 {
        let hart = random.below(trace.harts.into()) as u8;
        let harts = [Harts::All, Harts::One(hart)];
        probes.push(Probe::Step(harts[random.below(2)]));
    }
    probes
}

/// The end of a run.
#[derive(Debug, PartialEq, Eq)]
struct End {
    script: Script,
    icount: Icount,
    digest: Digest,
}

/// Runs the guest to an icount or to its end. `stop` is called at every stop.
fn run(
    machine: &mut Machine,
    input: &[(u64, &[u8])],
    limit: u64,
    mut cut: impl FnMut(&mut Machine, &Script) -> Icount,
    mut stop: impl FnMut(&mut Machine, Stop),
) -> End {
    let mut script = Script::default();
    let limit = Icount::new(limit);
    let mut input: VecDeque<_> = input.iter().copied().collect();
    loop {
        let next_input = input.front().map_or(u64::MAX, |(at, _)| *at);
        let next_input = Icount::new(next_input);
        let until = cut(machine, &script).min(next_input).min(limit);
        let mut idle = false;
        match machine.run(until, &mut script) {
            Exit::Count if machine.icount() >= limit => break,
            Exit::Count => {}
            Exit::Stopped(what) => {
                stop(machine, what);
                continue;
            }
            Exit::Idle => idle = !script.wake(machine),
            Exit::Request(_) => break,
            other => panic!("{other:?}"),
        }
        while let Some((at, data)) = input.front().copied() {
            if Icount::new(at) > machine.icount() && !idle {
                break;
            }
            let data = data.to_vec();
            machine.arrive(&Arrival::Serial { port: 0, data }).unwrap();
            input.pop_front();
        }
    }
    End {
        script,
        icount: machine.icount(),
        digest: machine.digest(),
    }
}

/// Whether a probe that is inserted at count `from` sees this: what belongs to the instruction
/// before is over.
fn still_comes((icount, stop): &At, from: Icount) -> bool {
    let next = match stop {
        Stop::Breakpoint { .. } => true,
        Stop::Trap { cause, .. } => matches!(cause, Cause::Interrupt(_)),
        Stop::Watch(_) | Stop::Step { .. } => false,
    };
    *icount > from || *icount == from && next
}

/// The part of a stop that is compared. The reference knows no `tval`, and only accesses by harts.
fn comparable((icount, mut stop): At) -> Option<At> {
    match &mut stop {
        Stop::Trap { tval, .. } => *tval = 0,
        Stop::Watch(hit) if hit.by != Accessor::Hart => return None,
        _ => {}
    }
    Some((icount, stop))
}

/// How often probes of each kind stopped a run.
#[derive(Debug, Default)]
struct Stops {
    breakpoints: u64,
    watchpoints: u64,
    traps: u64,
    steps: u64,
}

impl Stops {
    fn count(&mut self, stop: &Stop) {
        *match stop {
            Stop::Breakpoint { .. } => &mut self.breakpoints,
            Stop::Watch(_) => &mut self.watchpoints,
            Stop::Trap { .. } => &mut self.traps,
            Stop::Step { .. } => &mut self.steps,
        } += 1;
    }
}

fn as_the_reference(guest: Guest<'_>, input: &[(u64, &[u8])], limit: u64, rounds: u64) {
    let mut stops = Stops::default();
    let touches = compare(&|| guest.machine(), input, limit, 0..rounds, &mut stops);
    let watched = stops.watchpoints > 0 || !touches;
    assert!(stops.breakpoints > 0 && watched, "{stops:?}");
}

/// Runs a guest with random probes, by the seeds of `rounds`, against the reference. Says whether
/// it accesses anything at all.
fn compare(
    guest: &dyn Fn() -> Machine,
    input: &[(u64, &[u8])],
    limit: u64,
    rounds: Range<u64>,
    stops: &mut Stops,
) -> bool {
    let mut machine = guest();
    machine.set_execution(Execution::Interpreter);
    let mut trace = Trace::new(&machine);
    let expected = trace.record(&mut machine, input, limit);
    for round in rounds {
        let tier = TIERS[round as usize % TIERS.len()];
        let mut random = Random(round);
        let probes = probes(&trace, &mut random);
        let mut machine = guest();
        machine.set_execution(tier);
        // Some are inserted late: translated code and cached pages are there already.
        let from = if round % 4 == 0 {
            Icount::new(random.next() % (limit / 2))
        } else {
            Icount::ZERO
        };
        let mut inserted = false;
        let mut found = Vec::new();
        let mut disturb = Random(!round);
        let stopped_at = Cell::new(None);
        let cut = |machine: &mut Machine, _: &Script| {
            if !inserted && machine.icount() >= from {
                probes.iter().for_each(|probe| machine.insert_probe(*probe));
                inserted = true;
            }
            if !inserted {
                return from;
            }
            let length = [1, 100, 10_000, 1 << 40][disturb.below(4)];
            // Where a stop was, there may be another one, and the state of the probes counts.
            let here = Some(machine.icount()) == stopped_at.get();
            match disturb.below(1024) {
                0..16 => machine.drop_caches(),
                16..32 => _ = machine.digest(),
                32 if !here => move_out_and_in(machine),
                33 if !here => {
                    // Every one of them removed, and inserted again.
                    machine.clear_probes();
                    probes.iter().for_each(|probe| machine.insert_probe(*probe));
                }
                _ => {}
            }
            machine.icount() + length
        };
        let end = run(&mut machine, input, limit, cut, |machine, stop| {
            stopped_at.set(Some(machine.icount()));
            found.push((machine.icount(), stop));
        });
        let found: Vec<At> = found.into_iter().filter_map(comparable).collect();
        let mut wanted = trace.stops(&probes);
        wanted.retain(|at| from == Icount::ZERO || still_comes(at, from));
        let differ = found.iter().zip(&wanted).position(|(a, b)| a != b);
        let at = differ.unwrap_or(found.len().min(wanted.len()));
        assert!(
            found == wanted,
            "round {round}, {tier:?}, {probes:x?}: {} stops, {} wanted; {:x?} is not {:x?}",
            found.len(),
            wanted.len(),
            found.get(at),
            wanted.get(at),
        );
        assert!(end == expected, "round {round}, {tier:?}, {probes:x?}");
        found.iter().for_each(|(_, stop)| stops.count(stop));
    }
    !trace.accesses().is_empty()
}

#[test]
fn traps() {
    let elf = include_bytes!("../../samples/bin/traps.elf");
    as_the_reference(Guest::alone(elf, ""), &[], 40_000, 40);
}

#[test]
fn interrupts_of_timers() {
    let elf = include_bytes!("../../samples/bin/clock.elf");
    as_the_reference(Guest::alone(elf, "n=5"), &[], 40_000, 30);
}

#[test]
fn floating_point() {
    let elf = include_bytes!("../../samples/bin/mix.elf");
    as_the_reference(Guest::alone(elf, "n=1 fp=1"), &[], 60_000, 30);
}

#[test]
fn input() {
    let input: [(u64, &[u8]); 3] = [
        (101, b"early\n"),
        (20_001, b"some words\ntime\n"),
        (60_013, b"quit\n"),
    ];
    let elf = include_bytes!("../../samples/bin/echo.elf");
    as_the_reference(Guest::alone(elf, ""), &input, 80_000, 30);
}

#[test]
fn harts_that_contend() {
    let elf = include_bytes!("../../samples/bin/smp.elf");
    for chaos in [None, Some(3)] {
        let guest = Guest {
            harts: 3,
            chaos,
            ..Guest::alone(elf, "harts=3 n=40")
        };
        as_the_reference(guest, &[], 80_000, 40);
    }
}

#[test]
fn calls_of_the_sbi() {
    let guest = Guest {
        harts: 2,
        chaos: Some(4),
        sbi: true,
        ..Guest::alone(include_bytes!("guests/sbi.bin"), "")
    };
    as_the_reference(guest, &[], 60_000, 40);
}

#[test]
fn page_tables_that_change() {
    let guest = Guest {
        harts: 2,
        chaos: Some(2),
        ..Guest::alone(include_bytes!("guests/caches.elf"), "")
    };
    as_the_reference(guest, &[], 60_000, 60);
}

#[test]
fn code_that_changes_and_code_across_pages() {
    let guest = Guest::alone(include_bytes!("guests/code.elf"), "");
    as_the_reference(guest, &[], 60_000, 60);
}

/// Programs drawn from seeds, each in runs with several random sets of probes. A failure names the
/// program; its round is that of the message before.
#[test]
fn generated_programs() {
    let mut stops = Stops::default();
    for seed in 0..PROGRAMS {
        let program = Program::new(seed);
        let rounds = seed * ROUNDS..(seed + 1) * ROUNDS;
        compare(&|| program.machine(), &[], 3_000, rounds, &mut stops);
    }
    let Stops {
        breakpoints,
        watchpoints,
        traps,
        steps,
    } = stops;
    let fewest = breakpoints.min(watchpoints).min(traps).min(steps);
    assert!(fewest > 1000, "{stops:?}");
}
