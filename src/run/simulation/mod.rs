//! Recordings on a simulated host. Its clocks, serial port, disks, networks and the disk of the log
//! do everything that a host may do, only more often. A seed determines the whole run, on one
//! thread.
//!
//! Each seed is recorded and replayed, with the same result, and recorded again, with the same
//! bytes. For a tenth of the seeds the log's disk becomes full, the recording is killed, or the
//! system crashes. Then the recording must replay to its last whole event, as it is and after `rr
//! repair`, and after a crash all events are there that were synced.
//!
//! `.ci/simulate COUNT FIRST` runs many seeds. `RR_SIMULATE=FIRST..END` sets the seeds of the test.

mod chance;
mod course;
mod scenario;
mod storage;
mod world;

use crate::recording::LOG;
use crate::run::report::Finish;
use course::{Recorded, record, replay};
use machine::Icount;
use replay_format::{Salvage, Table};
use scenario::Scenario;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use storage::Trouble;

/// The seeds of an ordinary test. Seed 6736 once failed: serial input that came while the machine
/// waited was taken in other portions by the replay.
const SEEDS: Range<u64> = 6500..6800;

/// The result of a seed.
#[derive(Debug, Default)]
struct Outcome {
    instructions: u64,
    events: u64,
    in_trouble: bool,
}

/// Compares a result with the expected one.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, was: &T) -> Result<(), String> {
    match is == was {
        true => Ok(()),
        false => Err(format!("{what}: {is:?}, not {was:?}")),
    }
}

fn same_bytes(what: &str, is: &[u8], was: &[u8]) -> Result<(), String> {
    if is == was {
        return Ok(());
    }
    let at = is.iter().zip(was).take_while(|(is, was)| is == was).count();
    let (is, was) = (is.len(), was.len());
    Err(format!(
        "{what}: {is} bytes, not {was}; the same up to {at}"
    ))
}

/// Records a seed, and checks its results.
fn simulate(seed: u64, folder: &Path, image: &Path) -> Result<Outcome, String> {
    let scenario = Scenario::of(seed, image);
    let dir = folder.join("first.rr");
    let recorded = record(&scenario, &dir, None).map_err(|error| format!("record: {error}"))?;
    let Some(report) = &recorded.report else {
        return Err("record: it ended in trouble, though there was none".to_owned());
    };
    let replayed = replay(&dir, &scenario);
    let (again, console) = replayed.map_err(|error| format!("replay: {error}"))?;
    same("the end of the replay", &again.finish, &report.finish)?;
    same("its instructions", &again.icount, &report.icount)?;
    same(
        "its virtual time",
        &again.virtual_time,
        &report.virtual_time,
    )?;
    same("its last state", &again.digest, &report.digest)?;
    same_bytes("its console", &console, &recorded.console)?;
    let trouble = scenario.trouble.map(|trouble| within(trouble, &recorded));
    let dir = folder.join("second.rr");
    let second = record(&scenario, &dir, trouble);
    let second = second.map_err(|error| format!("record it again: {error}"))?;
    match trouble {
        None => {
            same_bytes("the log of the same seed", &second.log, &recorded.log)?;
            same_bytes("its digests", &second.digests, &recorded.digests)?;
            same("all else of the same seed", &second, &recorded)?;
        }
        Some(_) if second.report.is_some() => {
            return Err(format!("{trouble:?} was no trouble"));
        }
        Some(_) => left(&scenario, &dir, &second, &recorded)?,
    }
    let salvage = Salvage::with_table(&recorded.log, Table::RR);
    Ok(Outcome {
        instructions: report.icount.get(),
        events: salvage.map_or(0, |salvage| salvage.end().index),
        in_trouble: trouble.is_some(),
    })
}

/// Moves the trouble into the time of the recording, whose length is known from `whole`.
fn within(trouble: Trouble, whole: &Recorded) -> Trouble {
    match trouble {
        Trouble::Full(any) => Trouble::Full(any % whole.written),
        Trouble::KilledAtByte(any) => Trouble::KilledAtByte(any % whole.written),
        Trouble::KilledAtPeriod(any) => Trouble::KilledAtPeriod(any % whole.periods),
        Trouble::Crash(any, seed) => Trouble::Crash(any % whole.written, seed),
    }
}

/// Checks a recording that met trouble: its log is a prefix of the whole one, and replays to its
/// last whole event.
fn left(scenario: &Scenario, dir: &Path, left: &Recorded, whole: &Recorded) -> Result<(), String> {
    let salvaged = |log| Salvage::with_table(log, Table::RR).map_err(|error| error.to_string());
    let salvage = salvaged(&left.log)?;
    let kept = usize::try_from(salvage.end().offset).unwrap_or(usize::MAX);
    let crash = left.durable.is_some();
    let kept = match crash {
        // The last event may end in zeroes that were something else. Nothing vouches for it.
        true => before_zeroes(&left.log[..kept]),
        false => &left.log,
    };
    let common = &whole.log[..whole.log.len().min(kept.len())];
    same_bytes("what is left of the log", kept, common)?;
    let end = Icount::new(salvage.end().icount);
    if let Some(durable) = left.durable {
        let promised = salvaged(&whole.log[..durable])?.end().index;
        // Zeroes behind the last event may also be its own.
        if salvage.end().index + 1 < promised {
            return Err(format!(
                "{} events outlived the crash, and {promised} were synced",
                salvage.end().index
            ));
        }
    } else if end < left.safe {
        return Err(format!(
            "the log ends at icount {end}, and {} was reached long before",
            left.safe
        ));
    }
    let as_it_is = replay(dir, scenario);
    let as_it_is = as_it_is.map_err(|error| format!("replay what is left: {error}"))?;
    let mut repaired = Vec::new();
    let written = salvage.write(&mut repaired);
    written.map_err(|error| error.to_string())?;
    fs::write(dir.join(LOG), repaired).map_err(|error| error.to_string())?;
    let replayed = replay(dir, scenario);
    let replayed = replayed.map_err(|error| format!("replay what was repaired: {error}"))?;
    same("the repaired log", &replayed, &as_it_is)?;
    let (report, console) = replayed;
    if !whole.console.starts_with(&console) {
        return Err("what is left has another console".to_owned());
    }
    // A log that was cut off inside its last event has all other events.
    let ended = matches!(report.finish, Finish::Shutdown { .. });
    let whole_instruction = end..=end + 1;
    match ended || report.finish == Finish::LogCut && whole_instruction.contains(&report.icount) {
        true => Ok(()),
        false => Err(format!(
            "what is left ends {:?} at {}, not at {end}",
            report.finish, report.icount
        )),
    }
}

fn before_zeroes(bytes: &[u8]) -> &[u8] {
    let zeroes = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    &bytes[..bytes.len() - zeroes]
}

/// The seeds to run.
fn wanted() -> Range<u64> {
    let Ok(text) = std::env::var("RR_SIMULATE") else {
        return SEEDS;
    };
    let (first, end) = text.split_once("..").expect("RR_SIMULATE=FIRST..END");
    first.parse().expect("a number")..end.parse().expect("a number")
}

#[test]
fn every_seed_replays_and_every_seed_gives_the_same_run() {
    let seeds = wanted();
    let shared = tempfile::tempdir().unwrap();
    let image = shared.path().join("disk.raw");
    fs::write(&image, chance::Chance::new(1).bytes(1 << 16)).unwrap();
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut failures = Vec::new();
        let mut total = (0, 0, 0);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return (failures, total);
            }
            let folder = tempfile::tempdir().unwrap();
            match simulate(seed, folder.path(), &image) {
                Ok(outcome) => {
                    total.0 += outcome.instructions;
                    total.1 += outcome.events;
                    total.2 += u64::from(outcome.in_trouble);
                }
                Err(why) => failures.push((seed, why)),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    let (mut failures, mut total) = (Vec::new(), (0, 0, 0));
    for (failed, (instructions, events, in_trouble)) in results {
        failures.extend(failed);
        total.0 += instructions;
        total.1 += events;
        total.2 += in_trouble;
    }
    failures.sort();
    for (seed, why) in &failures {
        println!("seed {seed}: {why}\n  again: .ci/simulate 1 {seed}");
    }
    let (instructions, events, in_trouble) = total;
    println!(
        "simulate: seeds {seeds:?}, {in_trouble} of them in trouble, {instructions} instructions, \
         {events} events, {} failures",
        failures.len()
    );
    assert!(failures.is_empty(), "{} seeds failed", failures.len());
}
