//! Stops where a replay has something of its own to do: at digests, at the ends of periods, where
//! something arrives, in front of what the log holds.

use super::{at, open, record, recorded, sample};
use crate::host::disk::{DriveOptions, Format};
use crate::host::net::{DEFAULT_ID, NetdevKind, NetdevOptions, UserOptions};
use crate::recording::Recording;
use crate::recording::place::Place;
use crate::timeline::{Direction, Ending, Halt, Timeline};
use machine::bus::RAM_BASE;
use machine::{
    Accessor, Breakpoint, Harts, Icount, PhysAddr, Probe, Stop, VirtAddr, WatchHit, WatchKind,
    Watchpoint,
};
use replay_format::Log;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

fn breakpoint(address: VirtAddr) -> Probe {
    let space = None;
    Probe::Breakpoint(Breakpoint { address, space })
}

fn watch(address: PhysAddr, len: u64, kind: WatchKind) -> Probe {
    Probe::Watch(Watchpoint { address, len, kind })
}

/// A guest that uses a disk and a network.
fn recorded_with_devices() -> (TempDir, Recording) {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.raw");
    let bytes: Vec<u8> = (0..1u32 << 16)
        .map(|index| (index * 7 + index / 251) as u8)
        .collect();
    std::fs::write(&image, bytes).unwrap();
    let mut options = sample("virtio", 1, "n=3");
    options.drives.push(DriveOptions {
        file: image,
        format: Some(Format::Raw),
        id: None,
        readonly: false,
    });
    options.netdevs.push(NetdevOptions {
        id: DEFAULT_ID.to_owned(),
        kind: NetdevKind::User(UserOptions::default()),
    });
    let recording = record(&folder, &options, None);
    (folder, recording)
}

/// The counts of everything that the log holds, and of all digests and ends of periods.
fn borders(log: &Log<'_>, digest_every: u64) -> BTreeSet<u64> {
    let end = log.end().icount;
    let events = log
        .events()
        .map_while(Result::ok)
        .map(|record| record.icount);
    let digests = (1..).map(|number| number * digest_every);
    let periods = (1..).map(|number| number * 100_000);
    let regular = digests
        .take_while(|at| *at < end)
        .chain(periods.take_while(|at| *at < end));
    events
        .chain(regular)
        .filter(|at| *at > 0 && *at < end)
        .collect()
}

/// A breakpoint at the instruction that is next at a border stops there, and nothing else changes.
fn at_borders(recording: &Recording, most: usize) -> u64 {
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let all = borders(&log, recording.manifest.digest_interval);
    let every = all.len().div_ceil(most);
    let (mut plain, mut probed) = (open(recording, &log), open(recording, &log));
    let mut stopped = 0;
    for border in all.into_iter().step_by(every) {
        // Behind all that arrives there; an interrupt may still be taken in front of it.
        probed.goto(at(border - 1)).unwrap();
        let before = probed.machine().moment().pc;
        plain.goto(at(border + 1)).unwrap();
        plain.step_back().unwrap();
        let pc = plain.machine().moment().pc;
        probed.machine_mut().insert_probe(breakpoint(pc));
        let limit = Some(at(border + 1));
        let halt = probed.run(Direction::Forward, limit).unwrap();
        probed.machine_mut().clear_probes();
        if before == pc {
            continue;
        }
        let Halt::Stop(Stop::Breakpoint { pc: stop, .. }) = halt else {
            // An interrupt was taken in its place, or the machine waits there.
            assert_eq!(halt, Halt::Limit, "at {border}");
            continue;
        };
        assert_eq!((stop, probed.icount()), (pc, Icount::new(border)));
        stopped += 1;
        // What was due there, timers of devices too, has happened in front of a breakpoint.
        let after = at(border + 1);
        let digests = [&mut plain, &mut probed].map(|line| {
            line.run_to(after).unwrap();
            line.machine_mut().digest()
        });
        assert_eq!(digests[0], digests[1], "at {border}");
    }
    stopped
}

#[test]
fn a_breakpoint_at_a_digest_a_period_and_an_arrival() {
    // Idle guests have little but interrupts at their borders, and these come first.
    let stopped = [
        at_borders(&recorded_with_devices().1, 200),
        at_borders(&recorded("clock", 1, "", Some(3_000)).1, 200),
        at_borders(&recorded("smp", 3, "", Some(50_000)).1, 100),
        at_borders(&recorded("traps", 1, "", None).1, 100),
    ];
    assert!(stopped.iter().all(|count| *count > 3), "{stopped:?}");
    assert!(stopped.iter().sum::<u64>() > 100, "{stopped:?}");
}

/// Everything that can stop the machine does, at every instruction: often there are several stops
/// in front of what the log holds next. All digests are compared, and the end is that of the log.
fn stops_everywhere(recording: &Recording, until: u64) {
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let mut plain = open(recording, &log);
    plain.goto(at(0)).unwrap();
    plain.run_to(at(until)).unwrap();
    let mut timeline = open(recording, &log);
    timeline.goto(at(0)).unwrap();
    let whole = watch(PhysAddr::default(), u64::MAX, WatchKind::Access);
    let machine = timeline.machine_mut();
    machine.insert_probe(Probe::Step(Harts::All));
    machine.insert_probe(whole);
    let (mut steps, mut others) = (0, 0);
    let limit = Some(at(until));
    let halt = loop {
        match timeline.run(Direction::Forward, limit).unwrap() {
            Halt::Stop(Stop::Step { pc, .. }) => {
                steps += 1;
                assert_eq!(timeline.icount(), Icount::new(steps));
                if steps % 64 < 8 {
                    // One more stop in front of the next instruction.
                    timeline.machine_mut().insert_probe(breakpoint(pc));
                    let again = timeline.run_to_stop(at(steps + 1)).unwrap();
                    timeline.machine_mut().remove_probe(breakpoint(pc));
                    match again {
                        Some(Stop::Breakpoint { .. }) => others += 1,
                        // An interrupt was taken in front of it.
                        Some(Stop::Step { .. }) => steps += 1,
                        // In its handler.
                        Some(_) => others += 1,
                        None => assert!(timeline.ended().is_some()),
                    }
                }
            }
            Halt::Stop(_) => others += 1,
            halt => break halt,
        }
    };
    assert_eq!(timeline.digests_checked(), plain.digests_checked());
    assert_eq!(timeline.place(), plain.place());
    match plain.ended() {
        Some(ending) => assert_eq!(halt, Halt::End(ending.clone())),
        None => assert_eq!(halt, Halt::Limit),
    }
    assert!(timeline.icount().distance(Icount::new(steps)) < 2 && others > steps / 4);
    timeline.machine_mut().clear_probes();
    let digests = [timeline, plain].map(|mut line| line.machine_mut().digest());
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn stops_everywhere_change_nothing() {
    stops_everywhere(&recorded("traps", 1, "", None).1, u64::MAX);
    stops_everywhere(&recorded("clock", 1, "n=3", Some(3_000)).1, u64::MAX);
    stops_everywhere(&recorded("smp", 3, "harts=3 n=20", None).1, 60_000);
    stops_everywhere(&recorded_with_devices().1, 100_000);
}

/// Where the run stops for what devices write to memory.
fn by_devices(timeline: &mut Timeline<'_>) -> Vec<(Place, WatchHit)> {
    let mut found = Vec::new();
    timeline.goto(at(0)).unwrap();
    while let Halt::Stop(stop) = timeline.run(Direction::Forward, None).unwrap() {
        if let Stop::Watch(hit) = stop
            && matches!(hit.by, Accessor::Virtio { .. })
        {
            found.push((timeline.place(), hit));
        }
    }
    found
}

#[test]
fn what_a_disk_and_a_network_card_write_stops_both_ways() {
    let (_folder, recording) = recorded_with_devices();
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let mut timeline = open(&recording, &log);
    let everything = watch(RAM_BASE, 16 << 20, WatchKind::Write);
    timeline.machine_mut().insert_probe(everything);
    let all = by_devices(&mut timeline);
    timeline.machine_mut().clear_probes();
    // Only those bytes: the same.
    for (_, hit) in &all {
        let probe = watch(hit.address, hit.len, WatchKind::Write);
        timeline.machine_mut().insert_probe(probe);
    }
    let mut few = by_devices(&mut timeline);
    assert_eq!(few.last().map(|(at, _)| *at), all.last().map(|(at, _)| *at));
    let slots: BTreeSet<Accessor> = few.iter().map(|(_, hit)| hit.by).collect();
    let slots: Vec<Accessor> = slots.into_iter().collect();
    let [
        Accessor::Virtio { slot: one },
        Accessor::Virtio { slot: other },
    ] = slots[..]
    else {
        panic!("a disk and a network card: {slots:?}");
    };
    assert_eq!((one, other), (0, 1), "the last slot has the entropy device");
    few.reverse();
    few.dedup_by_key(|(place, _)| *place);
    for (place, hit) in few {
        // Whatever else there is on the way.
        loop {
            let halt = timeline.run(Direction::Backward, None).unwrap();
            assert!(
                timeline.place() >= place,
                "{halt:?} at {:?}",
                timeline.place()
            );
            if timeline.place() == place {
                assert_eq!(halt, Halt::Stop(Stop::Watch(hit)));
                break;
            }
        }
    }
}

#[test]
fn going_to_a_place_leaves_no_stop_there() {
    let (_folder, recorded) = recorded("mix", 1, "n=1", None);
    let bytes = recorded.map_log().unwrap();
    let log = recorded.whole_log(&bytes).unwrap();
    let mut timeline = open(&recorded, &log);
    // Two that see one store.
    for len in [16 << 20, (16 << 20) - 1] {
        let probe = watch(RAM_BASE, len, WatchKind::Write);
        timeline.machine_mut().insert_probe(probe);
    }
    timeline.goto(at(1_000)).unwrap();
    let first = timeline.run(Direction::Forward, None).unwrap();
    let (place, pc) = (timeline.place(), pc_of(&first));
    let second = timeline.run(Direction::Forward, None).unwrap();
    assert_eq!(
        (timeline.place(), pc_of(&second)),
        (place, pc),
        "the other one"
    );
    for way in 0..3 {
        timeline
            .goto(Place::at(place.icount.saturating_sub(1)))
            .unwrap();
        match way {
            0 => timeline.goto(place).unwrap(),
            1 => timeline.step().unwrap(),
            _ => {
                timeline.goto(Place::at(place.icount + 1)).unwrap();
                timeline.step_back().unwrap();
            }
        }
        assert_eq!(timeline.icount(), place.icount);
        let next = timeline.run(Direction::Forward, None).unwrap();
        assert!(timeline.icount() > place.icount, "{next:?} was before");
    }
}

/// Two watchpoints see each store: where a run ends and where a checkpoint is make no difference to
/// what stops it.
#[test]
fn limits_and_checkpoints_hide_no_stop() {
    let (_folder, recording) = recorded("mix", 1, "n=1", None);
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let (from, to) = [2_001, 2_300]
        .map(|icount| Place::at(Icount::new(icount)))
        .into();
    let mut timeline = open(&recording, &log);
    for len in [16 << 20, (16 << 20) - 1] {
        let probe = watch(RAM_BASE, len, WatchKind::Write);
        timeline.machine_mut().insert_probe(probe);
    }
    let mut run = |limits: &[Place], checkpoints: bool| {
        let mut found = Vec::new();
        timeline.goto(from).unwrap();
        for limit in limits {
            while let Halt::Stop(stop) = timeline.run(Direction::Forward, Some(*limit)).unwrap() {
                found.push((timeline.place(), stop));
            }
            if checkpoints {
                timeline.checkpoint().unwrap();
            }
        }
        let mut backward = Vec::new();
        while let Halt::Stop(stop) = timeline.run(Direction::Backward, Some(from)).unwrap() {
            backward.push((timeline.place(), stop));
        }
        (found, backward)
    };
    let whole = run(&[to], false);
    assert!(whole.0.len() > 20, "{whole:?}");
    // Backward a place is told once, by its last stop.
    let mut last = whole.0.clone();
    last.reverse();
    last.dedup_by_key(|(place, _)| *place);
    last.retain(|(place, _)| *place < to);
    assert!(whole.1 == last, "{:?}", (whole.1.len(), last.len()));
    let each = from.icount.get()..=to.icount.get();
    let each: Vec<Place> = each.map(|icount| Place::at(Icount::new(icount))).collect();
    let cut = run(&each, true);
    let counts = [&cut, &whole].map(|found| (found.0.len(), found.1.len()));
    assert!(cut == whole, "{counts:?}");
}

fn pc_of(halt: &Halt) -> Option<VirtAddr> {
    match halt {
        Halt::Stop(Stop::Watch(hit)) => Some(hit.pc),
        _ => None,
    }
}

#[test]
fn going_on_from_a_breakpoint_executes_one_instruction_there() {
    let (_folder, recording) = recorded("smp", 3, "", Some(50_000));
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let (mut plain, mut timeline) = (open(&recording, &log), open(&recording, &log));
    plain.goto(at(20_000)).unwrap();
    timeline.goto(at(20_000)).unwrap();
    // Every instruction that the harts come to has one, and so each run goes on by one.
    for count in 20_000..36_000 {
        let pcs: Vec<u64> = plain.machine().harts().iter().map(|hart| hart.pc).collect();
        for pc in pcs {
            let probe = breakpoint(VirtAddr::new(pc));
            timeline.machine_mut().insert_probe(probe);
        }
        plain.step().unwrap();
        for hart in plain.machine().harts() {
            let probe = breakpoint(VirtAddr::new(hart.pc));
            timeline.machine_mut().insert_probe(probe);
        }
        if count % 97 == 0 {
            // It came here in another way.
            timeline.goto(at(count)).unwrap();
        }
        let limit = Some(at(count + 2));
        let halt = timeline.run(Direction::Forward, limit).unwrap();
        assert!(
            matches!(halt, Halt::Stop(Stop::Breakpoint { .. })),
            "{halt:?}"
        );
        assert_eq!(timeline.icount(), Icount::new(count + 1));
    }
}

#[test]
fn what_is_known_of_the_code_does_not_hide_a_new_breakpoint() {
    let (_folder, recording) = recorded("smp", 2, "", Some(20_000));
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let end = at(log.end().icount - 10);
    let mut warm = open(&recording, &log);
    warm.goto(end).unwrap();
    warm.goto(at(30_000)).unwrap();
    let address = warm.machine().moment().pc;
    warm.goto(end).unwrap();
    let mut fresh = open(&recording, &log);
    let probes = [
        breakpoint(address),
        watch(RAM_BASE, 8 << 20, WatchKind::Read),
    ];
    for probe in &probes {
        warm.machine_mut().insert_probe(*probe);
        fresh.machine_mut().insert_probe(*probe);
    }
    // Over a snapshot, which leaves them where they are.
    warm.goto(at(25_000)).unwrap();
    fresh.goto(at(0)).unwrap();
    fresh.run_to(at(25_000)).unwrap();
    for _ in 0..2_000 {
        let halts = [&mut warm, &mut fresh].map(|line| {
            let halt = line.run(Direction::Forward, None).unwrap();
            (line.place(), halt)
        });
        assert!(matches!(halts[0].1, Halt::Stop(_)), "{halts:?}");
        assert_eq!(halts[0], halts[1]);
    }
}

/// A kick that comes in front of what the log holds next is no chance that it missed.
#[test]
fn a_kick_is_no_divergence() {
    let (_folder, recording) = recorded("traps", 1, "", None);
    let bytes = recording.map_log().unwrap();
    let log = recording.whole_log(&bytes).unwrap();
    let mut timeline = open(&recording, &log);
    timeline.goto(at(0)).unwrap();
    let kick = Arc::new(AtomicBool::new(false));
    timeline.machine_mut().set_kick(Arc::clone(&kick));
    for border in borders(&log, u64::MAX) {
        timeline.run_to(at(border)).unwrap();
        kick.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            timeline.period(at(u64::MAX)).unwrap();
        }
        kick.store(false, Ordering::Relaxed);
    }
    timeline.run_to_end().unwrap();
    assert!(matches!(timeline.ended(), Some(Ending::Finished(_))));
}
