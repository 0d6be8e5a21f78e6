//! Going on from a place that has a breakpoint, or that a watchpoint has stopped at, executes
//! exactly one instruction there, whichever hart's turn it is.

#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

mod common;

use common::Script;
use machine::boot::reset_rom;
use machine::bus::RAM_BASE;
use machine::{
    Breakpoint, Config, Execution, Exit, Icount, Machine, PhysAddr, PowerOn, Probe, Stop, VirtAddr,
    WatchKind, Watchpoint,
};

/// `auipc t0,1`, then for ever `sd t0,0(t0)` and `j` back to it.
const GUEST: [u32; 3] = [0x0000_1297, 0x0052_b023, 0xffdf_f06f];
const STORE: VirtAddr = VirtAddr::new(RAM_BASE.get() + 4);
const JUMP: VirtAddr = VirtAddr::new(RAM_BASE.get() + 8);

const TIERS: [Execution; 2] = [Execution::Interpreter, Execution::Translated { after: 0 }];

fn machine(harts: u8, chaos: Option<u64>, tier: Execution) -> Machine {
    let code = GUEST.iter().flat_map(|word| word.to_le_bytes()).collect();
    let power_on = PowerOn {
        segments: vec![(RAM_BASE, code)],
        rom: reset_rom(RAM_BASE, PhysAddr::default(), None),
        ..PowerOn::default()
    };
    let config = Config {
        harts,
        chaos,
        ..Config::new(1 << 20)
    };
    let mut machine = Machine::new(&config, power_on).unwrap();
    machine.set_execution(tier);
    machine
}

fn everywhere() -> [Probe; 2] {
    let space = None;
    [STORE, JUMP].map(|address| Probe::Breakpoint(Breakpoint { address, space }))
}

/// A machine of three harts that has executed so many instructions.
fn at(tier: Execution, chaos: u64, icount: Icount) -> Machine {
    let mut machine = machine(3, Some(chaos), tier);
    assert_eq!(machine.run(icount, &mut Script::default()), Exit::Count);
    machine
}

fn stopped_at(machine: &mut Machine, until: Icount) -> Option<Icount> {
    match machine.run(until, &mut Script::default()) {
        Exit::Stopped(Stop::Breakpoint { .. }) => Some(machine.icount()),
        Exit::Count => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_breakpoint_that_is_passed_is_passed_once_whoever_is_next() {
    for (tier, chaos) in TIERS.into_iter().flat_map(|tier| [(tier, 3), (tier, 4)]) {
        // All harts are in the loop by then.
        let mut machine = at(Execution::Interpreter, chaos, Icount::new(60_000));
        let mut turns = 0;
        while turns < 20 {
            let hart = machine.moment().hart;
            let here = machine.icount();
            machine.run(here + 1, &mut Script::default());
            let turned = machine.moment().hart != hart;
            turns += u64::from(turned);
            if !turned && !here.get().is_multiple_of(1024) {
                continue;
            }
            // The state before that instruction, anew: a copy for each would take long.
            let mut passes = at(tier, chaos, here);
            for probe in everywhere() {
                passes.insert_probe(probe);
            }
            let mut begins = passes.clone();
            assert_eq!(
                stopped_at(&mut begins, here + 9),
                Some(here),
                "it begins there"
            );
            assert_eq!(
                stopped_at(&mut begins, here + 9),
                Some(here + 1),
                "and goes on"
            );
            passes.pass_breakpoints();
            assert_eq!(
                stopped_at(&mut passes, here + 9),
                Some(here + 1),
                "{tier:?}"
            );
            assert_eq!(stopped_at(&mut passes, here + 9), Some(here + 2));
        }
    }
}

#[test]
fn a_hit_at_the_present_is_told_once_and_the_breakpoint_there_is_passed() {
    for tier in TIERS {
        let mut machine = machine(1, None, tier);
        machine.run(Icount::new(1_000), &mut Script::default());
        machine.insert_probe(Probe::Watch(Watchpoint {
            address: RAM_BASE + 0x1000,
            len: 1,
            kind: WatchKind::Write,
        }));
        for probe in everywhere() {
            machine.insert_probe(probe);
        }
        let mut script = Script::default();
        while machine.hart(0).unwrap().pc != STORE.get() {
            assert!(stopped_at(&mut machine, Icount::new(2_000)).is_some());
        }
        let here = machine.icount();
        for round in 0..20 {
            let hit = machine.run(here + 99, &mut script);
            assert!(matches!(hit, Exit::Stopped(Stop::Watch(_))), "{hit:?}");
            let behind = here + 2 * round + 1;
            assert_eq!(machine.icount(), behind);
            if round % 2 == 0 {
                machine.pass_breakpoints();
            } else {
                assert_eq!(stopped_at(&mut machine, here + 99), Some(behind));
            }
            // The jump alone; then the store is next.
            assert_eq!(stopped_at(&mut machine, here + 99), Some(behind + 1));
        }
    }
}
