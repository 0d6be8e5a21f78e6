//! A timeline has the same state at a place, however it got there.

mod stops;

use super::{Direction, Halt, Keep, Options, Timeline};
use crate::error::Error;
use crate::host::serial::Backend;
use crate::recording::Recording;
use crate::recording::options::MachineOptions;
use crate::recording::place::Place;
use crate::run::snapshots::Plan;
use crate::session::context::RunContext;
use crate::session::launch::{RecordTo, run};
use machine::{Breakpoint, Cause, Digest, Execution, Icount, Probe, Stop, VirtAddr};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use replay_format::Log;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// A machine for a sample.
fn sample(sample: &str, harts: u8, append: &str) -> MachineOptions {
    let kernel = format!("{}/samples/bin/{sample}.elf", env!("CARGO_MANIFEST_DIR"));
    MachineOptions {
        memory: 16 << 20,
        harts,
        chaos: (harts > 1).then_some(7),
        kernel: Some(kernel.into()),
        append: append.to_owned(),
        ..MachineOptions::default()
    }
}

/// Records a machine into a folder. `every`: with a snapshot at every so many instructions.
fn record(folder: &TempDir, options: &MachineOptions, every: Option<u64>) -> Recording {
    let dir = folder.path().join("rec.rr");
    let to = RecordTo {
        dir: &dir,
        overwrite: false,
        digest_interval: 10_000,
        sync: false,
        plan: Plan {
            every,
            ..Plan::recording()
        },
    };
    run(options, &Backend::Null, Some(&to), RunContext::default()).unwrap();
    Recording::open(&dir).unwrap()
}

/// Records a sample. `every`: with a snapshot at every so many instructions.
fn recorded(name: &str, harts: u8, append: &str, every: Option<u64>) -> (TempDir, Recording) {
    let folder = tempfile::tempdir().unwrap();
    let recording = record(&folder, &sample(name, harts, append), every);
    (folder, recording)
}

fn open<'l>(recording: &Recording, log: &'l Log<'l>) -> Timeline<'l> {
    Timeline::open(recording, log, Options::default()).unwrap()
}

/// A move of a timeline.
#[derive(Debug, Clone)]
enum Move {
    /// Goes to this share of all instructions.
    Goto(u16),
    /// Goes to the place before this event. That may be in the middle of idle time.
    Event(u16),
    Step,
    StepBack,
    Checkpoint,
    /// Saves a snapshot into the recording, unless there is one for this instruction count.
    Save,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => any::<u16>().prop_map(Move::Goto),
        4 => any::<u16>().prop_map(Move::Event),
        2 => Just(Move::Step),
        2 => Just(Move::StepBack),
        1 => Just(Move::Checkpoint),
        1 => Just(Move::Save),
    ];
    prop::collection::vec(one, 1..24)
}

/// The place with so many instructions.
fn at(instructions: u64) -> Place {
    Place::at(Icount::new(instructions))
}

/// The first place with all instructions of a log.
fn end(log: &Log<'_>) -> Place {
    at(log.end().icount)
}

/// The place before the event at this share of all events.
fn event(log: &Log<'_>, share: u16) -> Place {
    let index = log.end().index * u64::from(share) / u64::from(u16::MAX);
    let mut events = log.events().map_while(Result::ok);
    let record = events.find(|record| record.index >= index);
    record.map_or(end(log), |record| Place {
        icount: Icount::new(record.icount),
        event: record.index,
    })
}

/// Makes the moves, and compares the state at each place with the first one that was seen there.
fn walk(recording: &Recording, moves: &[Move], known: &mut BTreeMap<Place, Digest>) {
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let end = log.end().icount;
    let mut timeline = open(recording, &log);
    timeline.goto(at(0)).unwrap();
    for step in moves {
        let before = timeline.place();
        match step {
            Move::Goto(share) => {
                let to = end * u64::from(*share) / u64::from(u16::MAX);
                timeline.goto(at(to)).unwrap();
                assert_eq!(timeline.icount(), Icount::new(to));
            }
            Move::Event(share) => {
                let to = event(&log, *share);
                timeline.goto(to).unwrap();
                assert!(timeline.place() >= to || timeline.ended().is_some());
            }
            Move::Step => timeline.step().unwrap(),
            Move::StepBack => {
                let moved = timeline.step_back().unwrap();
                assert_eq!(moved, before.icount > Icount::ZERO);
                assert_eq!(timeline.icount(), before.icount.saturating_sub(1));
            }
            Move::Checkpoint => timeline.checkpoint().unwrap(),
            Move::Save => save(recording, &log, before),
        }
        if timeline.ended().is_none() {
            let (place, digest) = (timeline.place(), timeline.machine_mut().digest());
            let first = *known.entry(place).or_insert(digest);
            assert_eq!(first, digest, "at {place:?} after {step:?}");
        }
    }
}

/// Saves a snapshot at a place, by another timeline.
fn save(recording: &Recording, log: &Log<'_>, at: Place) {
    let options = Options {
        keep: Keep::Recording,
        ..Options::default()
    };
    let mut timeline = Timeline::open(recording, log, options).unwrap();
    timeline.goto(at).unwrap();
    if timeline.ended().is_none() {
        timeline.checkpoint().unwrap();
    }
}

fn walks(sample: &str, harts: u8, append: &str, every: Option<u64>, cases: u32) {
    let (_folder, recording) = recorded(sample, harts, append, every);
    let known = std::cell::RefCell::new(BTreeMap::new());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let walked = TestRunner::new(config).run(&moves(), |moves| {
        walk(&recording, &moves, &mut known.borrow_mut());
        Ok(())
    });
    walked.unwrap();
    // The same places from power-on, in a recording without snapshots.
    let (_folder, plain) = recorded(sample, harts, append, None);
    let bytes = plain.map_log().unwrap();
    let log = plain.whole_log(&bytes).unwrap();
    if bytes[..] == recording.map_log().unwrap()[..] {
        let mut timeline = open(&plain, &log);
        timeline.goto(at(0)).unwrap();
        for (place, digest) in known.borrow().iter() {
            timeline.run_to(*place).unwrap();
            assert_eq!(
                (timeline.place(), timeline.machine_mut().digest()),
                (*place, *digest)
            );
        }
    }
}

#[test]
fn one_state_at_one_place_with_idle_time() {
    walks("clock", 1, "", Some(3_000), 24);
}

#[test]
fn one_state_at_one_place_among_harts() {
    walks("smp", 3, "", Some(20_000), 12);
}

#[test]
fn two_timelines_live_on_one_thread() {
    let (_folder, recording) = recorded("smp", 2, "", None);
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let end = log.end().icount;
    let (mut one, mut two) = (open(&recording, &log), open(&recording, &log));
    for share in [1, 3, 2, 5, 4] {
        let place = at(end * share / 6);
        one.goto(place).unwrap();
        two.goto(place).unwrap();
        assert_eq!(one.machine_mut().digest(), two.machine_mut().digest());
        one.step_back().unwrap();
        assert_ne!(one.place(), two.place());
    }
}

/// The first stops from the start on, and their places. The timeline is after the last of them.
fn stops(timeline: &mut Timeline<'_>) -> Vec<(Place, Stop)> {
    timeline.goto(at(0)).unwrap();
    let mut found = Vec::new();
    while let Halt::Stop(stop) = timeline.run(Direction::Forward, None).unwrap() {
        found.push((timeline.place(), stop));
        if found.len() == 30 {
            timeline.step().unwrap();
            break;
        }
    }
    found
}

/// Backward, a timeline stops at the same places as forward.
fn to_and_fro(sample: &str, harts: u8, every: Option<u64>, probes: &[Probe]) {
    let (_folder, recording) = recorded(sample, harts, "", every);
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let mut timeline = open(&recording, &log);
    for probe in probes {
        timeline.machine_mut().insert_probe(*probe);
    }
    let mut forward = stops(&mut timeline);
    assert!(forward.len() > 3, "{forward:?}");
    // Of several stops at one place, the last one counts, because a debugger stays there.
    forward.reverse();
    forward.dedup_by_key(|(place, _)| *place);
    for (place, stop) in forward {
        let halt = timeline.run(Direction::Backward, None).unwrap();
        assert_eq!((timeline.place(), halt), (place, Halt::Stop(stop)));
        let (digest, _) = (timeline.machine_mut().digest(), timeline.checkpoint());
        let mut other = open(&recording, &log);
        other.goto(place).unwrap();
        if other.place() == place {
            assert_eq!(other.machine_mut().digest(), digest, "at {place:?}");
        }
    }
    let first = timeline.place().icount;
    let limit = Place::at(first.saturating_sub(1));
    let halt = timeline.run(Direction::Backward, Some(limit)).unwrap();
    assert!(
        matches!(halt, Halt::Limit | Halt::Stop(_) | Halt::Start),
        "{halt:?}"
    );
}

/// The pc in the middle of a recording of this sample, where code runs.
fn a_busy_pc(sample: &str, harts: u8) -> VirtAddr {
    let (_folder, recording) = recorded(sample, harts, "", None);
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let mut timeline = open(&recording, &log);
    timeline.goto(at(log.end().icount / 2)).unwrap();
    timeline.machine().moment().pc
}

#[test]
fn backward_to_a_breakpoint_among_harts() {
    let address = a_busy_pc("smp", 3);
    let probe = Probe::Breakpoint(Breakpoint {
        address,
        space: None,
    });
    to_and_fro("smp", 3, Some(50_000), &[probe]);
}

#[test]
fn backward_to_a_trap_over_idle_time() {
    let timer = Probe::Catch(Cause::Interrupt(7));
    to_and_fro("clock", 1, Some(3_000), &[timer]);
}

#[test]
fn without_a_stop_it_is_at_the_start() {
    let (_folder, recording) = recorded("clock", 1, "", Some(3_000));
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let mut timeline = open(&recording, &log);
    timeline.goto(end(&log)).unwrap();
    assert_eq!(
        timeline.run(Direction::Backward, None).unwrap(),
        Halt::Start
    );
    assert_eq!(timeline.icount(), Icount::ZERO);
    let limit = Some(at(100));
    assert_eq!(
        timeline.run(Direction::Forward, limit).unwrap(),
        Halt::Limit
    );
    assert_eq!(timeline.icount(), Icount::new(100));
    assert!(matches!(
        timeline.run(Direction::Forward, None),
        Ok(Halt::End(_))
    ));
}

#[test]
fn the_tiers_agree() {
    let (_folder, recording) = recorded("mix", 1, "n=1", None);
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let place = at(log.end().icount / 2 + 1);
    let digests = [Execution::Interpreter, Execution::default()].map(|execution| {
        let options = Options {
            execution,
            ..Options::default()
        };
        let mut timeline = Timeline::open(&recording, &log, options).unwrap();
        timeline.goto(place).unwrap();
        timeline.step_back().unwrap();
        timeline.machine_mut().digest()
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_cancelled_timeline_goes_on_later() {
    let (_folder, recording) = recorded("mix", 1, "n=1", None);
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let cancel = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&cancel);
    let middle = Icount::new(log.end().icount / 2);
    let mut told = |icount| {
        raised.fetch_or(icount > middle, Ordering::AcqRel);
    };
    let options = Options {
        cancel: Arc::clone(&cancel),
        progress: Some(&mut told),
        ..Options::default()
    };
    let mut timeline = Timeline::open(&recording, &log, options).unwrap();
    let end = end(&log);
    assert!(matches!(timeline.goto(end), Err(Error::Cancelled)));
    let stopped = timeline.icount();
    assert!((middle..end.icount).contains(&stopped), "{stopped}");
    cancel.store(false, Ordering::Release);
    timeline.step_back().unwrap();
    assert_eq!(timeline.icount() + 1, stopped);
}
