//! The ISA, compared with an independent reference: random instruction streams run on `rr` and on
//! QEMU, and must give the same traps, registers and memory. `rr` runs them twice: interpreted, and
//! all translated.
//!
//! A test program holds many streams. The guest hashes the result of each, and prints the hash.
//! After a mismatch, that one stream is run alone, and its whole result is printed.
//!
//! - `RR_ISA_SEEDS=N`: this number of streams of each kind, instead of 200.
//! - `RR_ISA_SEED=S`: only the stream with this seed, as a failure names it.
//! - `RR_ISA_OPTIONS="..."`: more options for `rr run`.
//! - `RR_REQUIRE_TOOLS=1`: without QEMU the test fails, and is not skipped.
#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

mod asm;
mod elf;
mod handler;
mod layout;
mod machine_mode;
mod machines;
mod paging;
mod program;
mod random;
mod runtime;
mod signature;
mod stream;
mod tables;

use std::collections::BTreeSet;
use std::path::PathBuf;

use program::{Kind, Program};
use riscv_isa::Op;
use riscv_isa::table::TABLE;
use runtime::Machine;
use signature::Signature;

/// Streams in one program.
const BATCH: u64 = 50;

/// Streams of each kind if the environment sets no number: about a second.
const DEFAULT: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    let parsed = match value.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16),
        None => value.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{variable}={value} is no number")))
}

/// The name of a program's files.
fn name(kind: Kind, seeds: &[u64]) -> String {
    format!("isa-{kind:?}-{:#x}-{}", seeds[0], seeds.len()).to_lowercase()
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// How `rr` executes; a stream is translated before its first instruction.
const CORES: [&str; 2] = ["interp", "jit"];

/// The signatures of these streams on both machines, rr's first.
fn run(kind: Kind, seeds: &[u64], full: bool, core: &str) -> [Result<Vec<Signature>, String>; 2] {
    [Machine::Rr, Machine::Qemu].map(|machine| run_on(machine, kind, seeds, full, core))
}

fn run_on(
    machine: Machine,
    kind: Kind,
    seeds: &[u64],
    full: bool,
    core: &str,
) -> Result<Vec<Signature>, String> {
    let suffix = match machine {
        Machine::Rr => "rr",
        Machine::Qemu => "qemu",
    };
    let path = file(&format!("{}-{suffix}.elf", name(kind, seeds)));
    std::fs::write(&path, Program::new(kind, seeds, full, machine).elf()).unwrap();
    let text = match machine {
        Machine::Rr => machines::rr(&path, core),
        Machine::Qemu => machines::qemu(&path),
    };
    signature::parse(&text?, full)
}

/// Removes the files of a batch without a difference.
fn remove_files(kind: Kind, seeds: &[u64]) {
    for end in [
        "rr.elf", "rr.txt", "rr.log", "qemu.elf", "qemu.txt", "qemu.log",
    ] {
        let _ = std::fs::remove_file(file(&format!("{}-{end}", name(kind, seeds))));
    }
}

/// Runs one stream alone, and reports where the machines differ.
fn look_into(kind: Kind, seed: u64, core: &str) -> String {
    let seeds = [seed];
    let program = Program::new(kind, &seeds, true, Machine::Rr);
    let name = name(kind, &seeds);
    let head = format!(
        "stream {:#x} differs with --core {core} (again with RR_ISA_SEED={:#x}; files: {}-*)\n",
        seed,
        seed,
        file(&name).display()
    );
    match run(kind, &seeds, true, core) {
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

/// Fails with the differences of the first stream that has any.
fn check(
    kind: Kind,
    seeds: &[u64],
    core: &str,
    ours: Result<Vec<Signature>, String>,
    theirs: &[Signature],
) {
    let differ: Vec<u64> = match &ours {
        Ok(ours) => (0..seeds.len())
            .filter(|&i| ours.get(i) != theirs.get(i))
            .map(|i| seeds[i])
            .collect(),
        // A machine stopped in the middle: each stream is tried alone.
        Err(_) => seeds.to_vec(),
    };
    if let Some(first) = differ.first() {
        let ours = ours.err().unwrap_or_default();
        panic!(
            "{} of {} streams differ {ours}\n{}",
            differ.len(),
            seeds.len(),
            look_into(kind, *first, core)
        );
    }
}

/// Runs and compares the streams of a kind. The environment sets their number.
fn compare(kind: Kind) {
    if !machines::have_qemu() {
        return;
    }
    let count = number("RR_ISA_SEEDS").unwrap_or(DEFAULT);
    let seeds: Vec<u64> = match number("RR_ISA_SEED") {
        Some(seed) => vec![seed],
        None => (0..count).collect(),
    };
    let mut causes = 0;
    for seeds in seeds.chunks(BATCH as usize) {
        let theirs = run_on(Machine::Qemu, kind, seeds, false, "").unwrap();
        assert_eq!(
            theirs.len(),
            seeds.len(),
            "QEMU ran only some of the streams"
        );
        causes |= theirs.iter().fold(0, |causes, s| causes | s.causes);
        for core in CORES {
            let ours = run_on(Machine::Rr, kind, seeds, false, core);
            check(kind, seeds, core, ours, &theirs);
        }
        remove_files(kind, seeds);
    }
    // Streams that never do what they are made for would agree as well.
    if seeds.len() as u64 >= DEFAULT {
        let missing = signature::missing(causes, kind.causes());
        assert!(missing.is_empty(), "no stream met these: {missing:?}");
    }
}

/// Every instruction occurs in some stream. Otherwise the test would not check it.
#[test]
fn every_instruction_is_in_some_stream() {
    let seeds: Vec<u64> = (0..BATCH).collect();
    let mut seen = BTreeSet::new();
    for kind in [Kind::Machine, Kind::Paging] {
        let program = Program::new(kind, &seeds, false, Machine::Rr);
        for place in &program.places {
            let mut pc = place.start;
            while pc < place.end {
                let raw = program.instruction(pc).unwrap();
                let insn = riscv_isa::decode(raw);
                let len = if raw & 3 == 3 { 4 } else { 2 };
                seen.extend(insn.map(|insn| (insn.op, len)));
                pc += len;
            }
        }
    }
    for entry in &TABLE {
        let op = entry.op;
        assert!(seen.contains(&(op, 4)), "no stream has {}", op.mnemonic());
    }
    let compressed: BTreeSet<Op> = (0..=u16::MAX)
        .filter(|half| half & 3 != 3)
        .filter_map(|half| riscv_isa::decode(u32::from(half)))
        .map(|insn| insn.op)
        .collect();
    for op in compressed {
        assert!(
            seen.contains(&(op, 2)),
            "no stream has a compressed {}",
            op.mnemonic()
        );
    }
}

#[test]
fn machine_mode() {
    compare(Kind::Machine);
}

#[test]
fn paging() {
    compare(Kind::Paging);
}
