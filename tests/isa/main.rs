//! The ISA against an independent reference: random instruction streams run on `rr` and on QEMU, and must leave the same
//! traps, registers and memory.
//!
//! A test program holds many streams. The guest itself hashes what each leaves behind, and prints the hash: a
//! mismatch is then looked into by running that one stream alone, with all of it printed.
//!
//! - `RR_ISA_SEEDS=N`: so many streams of each kind, instead of a few.
//! - `RR_ISA_SEED=S`: only the stream with this seed, as a failure names it.
//! - `RR_ISA_OPTIONS="..."`: more options for `rr run`.
//! - `RR_REQUIRE_TOOLS=1`: without QEMU the test fails, where otherwise it says that it is skipped.
#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

mod asm;
mod elf;
mod layout;
mod machines;
mod program;
mod random;
mod runtime;
mod signature;
mod stream;

use std::path::PathBuf;

use program::{Program, Seed};
use runtime::Machine;
use signature::Signature;

/// Streams of each kind in one program.
const BATCH: u64 = 50;

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    let parsed = match value.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16),
        None => value.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{variable}={value} is no number")))
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The signatures of these streams on both machines, ours first.
fn run(seeds: &[Seed], name: &str, full: bool) -> [Result<Vec<Signature>, String>; 2] {
    [Machine::Rr, Machine::Qemu].map(|machine| {
        let suffix = match machine {
            Machine::Rr => "rr",
            Machine::Qemu => "qemu",
        };
        let path = file(&format!("{name}-{suffix}.elf"));
        std::fs::write(&path, Program::new(seeds, full, machine).elf()).unwrap();
        let text = match machine {
            Machine::Rr => machines::rr(&path),
            Machine::Qemu => machines::qemu(&path),
        };
        signature::parse(&text?, full)
    })
}

/// Runs one stream alone, and says where the machines part.
fn look_into(seed: Seed, kind: &str) -> String {
    let program = Program::new(&[seed], true, Machine::Rr);
    let name = format!("isa-{kind}-{:#x}", seed.0);
    let head = format!(
        "stream {:#x} differs (again with RR_ISA_SEED={:#x}; files: {}-*)\n",
        seed.0,
        seed.0,
        file(&name).display()
    );
    match run(&[seed], &name, true) {
        [Ok(ours), Ok(theirs)] if ours != theirs => {
            head + &signature::explain(
                &program,
                &program.places[0],
                &ours[0].words,
                &theirs[0].words,
            )
        }
        [Ok(_), Ok(_)] => {
            head + "alone it is the same on both: what is before it in the program matters\n"
        }
        [ours, theirs] => {
            let say = |result: Result<Vec<Signature>, String>| match result {
                Ok(_) => "ran".to_owned(),
                Err(error) => error,
            };
            format!("{head}rr: {}\nQEMU: {}\n", say(ours), say(theirs))
        }
    }
}

fn compare(seeds: &[Seed], kind: &str) {
    if !machines::have_qemu() {
        return;
    }
    let seeds = match number("RR_ISA_SEED") {
        Some(seed) => vec![Seed(seed)],
        None => seeds.to_vec(),
    };
    for (i, seeds) in seeds.chunks(BATCH as usize).enumerate() {
        let [ours, theirs] = run(seeds, &format!("isa-{kind}-{i}"), false);
        let theirs = theirs.unwrap();
        assert_eq!(
            theirs.len(),
            seeds.len(),
            "QEMU ran only some of the streams"
        );
        let differ: Vec<Seed> = match &ours {
            Ok(ours) => (0..seeds.len())
                .filter(|&i| ours.get(i) != theirs.get(i))
                .map(|i| seeds[i])
                .collect(),
            // It stopped in the middle: each is tried alone.
            Err(_) => seeds.to_vec(),
        };
        if let Some(first) = differ.first() {
            let ours = ours.err().unwrap_or_default();
            panic!(
                "{} of {} streams differ {ours}\n{}",
                differ.len(),
                seeds.len(),
                look_into(*first, kind)
            );
        }
    }
}

#[test]
fn machine_mode() {
    let count = number("RR_ISA_SEEDS").unwrap_or(BATCH);
    let seeds: Vec<Seed> = (0..count).map(Seed).collect();
    compare(&seeds, "machine");
}
