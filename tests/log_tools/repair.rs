//! `rr repair`: wherever the log is cut, its output can be read, and replayed in a recording.

use std::path::Path;

use crate::harness::{Dir, ROOT, ndjson, record, sample, samples};
use crate::walker::count;

/// Makes the recording one that was killed early: without a seal, and without digests of its end
/// and of its log.
fn forget_the_end(dir: &Dir) {
    let digests = std::fs::read(dir.path("rec.rr/digests.bin")).unwrap();
    dir.write("rec.rr/digests.bin", &digests[..16]);
    std::fs::remove_file(dir.path("rec.rr/seal.json")).unwrap();
}

/// Repairs `cut`, and compares the result with the whole events of `cut`. Returns the number of
/// instructions that survive.
fn repair(dir: &Dir, cut: &[u8], arguments: &[&str]) -> u64 {
    dir.write("cut", cut);
    let whole = [&["repair", "cut", "-o", "saved", "--overwrite"], arguments].concat();
    let said = dir.rr(&whole).fine();
    let out = dir.rr(&["inspect", "--json", "saved"]).fine();
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["complete"], true, "{said}");
    let saved = std::fs::read(dir.path("saved")).unwrap();
    assert_eq!(saved[..3], [0, 0xe0, 0x20]);
    json["instructions"].as_u64().unwrap()
}

/// Replays the recording with the cut log, as a killed one, and then with the repaired log: both
/// end at the same event.
fn replays_to(dir: &Dir, instructions: u64) {
    let replay = |log: &str| {
        std::fs::copy(dir.path(log), dir.path("rec.rr/replay.bin")).unwrap();
        dir.rr(&["replay", "rec.rr"])
    };
    let (cut, saved) = (replay("cut"), replay("saved"));
    assert_eq!(saved.code, 0, "{}", saved.err);
    assert_eq!(saved, cut);
    // An event inside an instruction completes that instruction.
    let said = saved.err.replace(',', "");
    let reached = [instructions, instructions + 1].map(|n| format!(" replayed {n} instructions"));
    assert!(
        reached.iter().any(|end| said.contains(end)),
        "{instructions}: {said}"
    );
}

#[test]
fn a_small_recording_cut_at_every_byte() {
    let dir = Dir::new();
    record(&dir, "hello", &["--icount", "sleep=on"], "");
    let log = std::fs::read(dir.path("rec.rr/replay.bin")).unwrap();
    assert!((40..1_000).contains(&log.len()), "{} bytes", log.len());
    forget_the_end(&dir);
    let mut reached = Vec::new();
    for len in 0..log.len() {
        // The version is known, because rr writes no other.
        let instructions = repair(&dir, &log[..len], &["--table", "7"]);
        if len >= 12 {
            replays_to(&dir, instructions);
        }
        reached.push(instructions);
    }
    assert!(reached.is_sorted());
    assert_eq!(reached[0], 0);
    assert!(reached[log.len() - 1] > 0);
}

/// The log is cut between events that belong together: interrupts, exceptions, idle time, input,
/// resets.
#[test]
fn a_larger_recording_cut_here_and_there() {
    let dir = Dir::new();
    let input = std::fs::read_to_string(Path::new(ROOT).join("samples/heisenbug/input.txt"));
    record(
        &dir,
        "heisenbug",
        &["--icount", "sleep=on"],
        &input.unwrap(),
    );
    let log = std::fs::read(dir.path("rec.rr/replay.bin")).unwrap();
    forget_the_end(&dir);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..60 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let len = 12 + (random >> 33) as usize % (log.len() - 12);
        let instructions = repair(&dir, &log[..len], &["--table", "7"]);
        replays_to(&dir, instructions);
    }
}

/// A replay cannot begin after the end of the log. A slice cannot be replayed if its log is cut
/// before its start.
#[test]
fn snapshots_behind_the_cut() {
    let dir = Dir::new();
    record(&dir, "clock", &["--append", "n=3 ms=1"], "");
    for (name, at) in [("early", "30%"), ("late", "90%")] {
        dir.rr(&["-q", "snapshot", "save", "rec.rr", name, "--at", at])
            .fine();
    }
    dir.rr(&["-q", "slice", "rec.rr", "--from", "70%", "-o", "part.rr"])
        .fine();
    let events = ndjson(&dir.rr(&["dump", "rec.rr", "--format", "ndjson"]).fine());
    let middle = &events[events.len() / 2];
    let log = std::fs::read(dir.path("rec.rr/replay.bin")).unwrap();
    forget_the_end(&dir);
    let reached = repair(
        &dir,
        &log[..middle["offset"].as_u64().unwrap() as usize],
        &[],
    );
    replays_to(&dir, reached);
    let from_early = dir.rr(&["replay", "rec.rr", "--from", "early"]);
    assert_eq!(from_early.code, 0, "{}", from_early.err);
    let end = dir.rr(&["replay", "rec.rr"]).err;
    assert_eq!(from_early.err, end);
    let said = dir.rr(&["replay", "rec.rr", "--from", "late"]).complaint();
    let behind = "lies behind the end of the log, which is cut off at icount ";
    assert!(
        said.starts_with("rec.rr/replay.bin: snapshot `late`, at icount "),
        "{said}"
    );
    assert!(said.contains(behind), "{said}");
    let said = dir
        .rr(&["replay", "rec.rr", "--until", "@late"])
        .complaint();
    assert!(
        said.contains("@late is past the end, which is at icount"),
        "{said}"
    );

    let log = std::fs::read(dir.path("part.rr/replay.bin")).unwrap();
    dir.write("cut", &log[..13]);
    dir.rr(&[
        "-q",
        "repair",
        "cut",
        "-o",
        "part.rr/replay.bin",
        "--overwrite",
    ])
    .fine();
    let said = dir.rr(&["replay", "part.rr"]).complaint();
    assert!(
        said.starts_with("part.rr/replay.bin: snapshot `start`, at icount "),
        "{said}"
    );
    assert!(said.contains(behind), "{said}");
}

#[test]
fn a_recording_whose_log_has_no_header() {
    let dir = Dir::new();
    record(&dir, "hello", &[], "");
    let log = std::fs::read(dir.path("rec.rr/replay.bin")).unwrap();
    let mut killed = log.clone();
    killed[..12].fill(0);
    dir.write("rec.rr/replay.bin", &killed);
    let said = dir.rr(&["repair", "rec.rr", "-o", "saved"]).fine();
    assert!(said.contains("rr records no other"), "{said}");
    assert!(
        said.contains("nothing but the version in the header"),
        "{said}"
    );
    assert_eq!(std::fs::read(dir.path("saved")).unwrap(), log);
}

#[test]
fn logs_of_qemu_that_were_killed() {
    let dir = Dir::new();
    for (name, whole) in samples() {
        let mut killed = whole.clone();
        killed[..4].fill(0);
        killed.pop();
        dir.write("killed", &killed);
        let said = dir
            .rr(&["repair", "killed", "-o", "saved", "--overwrite"])
            .fine();
        assert!(
            said.contains("the header names no version"),
            "{name}: {said}"
        );
        assert_eq!(std::fs::read(dir.path("saved")).unwrap(), whole, "{name}");
        let events = (count(&whole).events - 1).to_string();
        assert!(
            said.replace(',', "").contains(&format!("{events} events")),
            "{name}: {said}"
        );
    }
}

#[test]
fn damage_ends_what_is_saved() {
    let dir = Dir::new();
    let mut log = sample("v7-serial.bin");
    log[0x21] = 0xee;
    dir.write("damaged", &log);
    let said = dir.rr(&["repair", "damaged", "-o", "saved"]).fine();
    assert!(said.contains("33 of 107 bytes, 5 events"), "{said}");
    assert!(said.contains("74 bytes; unknown event id 238"), "{said}");
    assert_eq!(dir.rr(&["dump", "saved"]).fine().lines().count(), 6);
}

#[test]
fn nothing_is_written_over() {
    let dir = Dir::new();
    dir.write("log", &sample("v7-start.bin"));
    dir.write("there", b"dear to me");
    for command in ["repair", "slice"] {
        let said = dir.rr(&[command, "log", "-o", "there"]).complaint();
        assert!(said.starts_with("there: already exists; "), "{said}");
        assert_eq!(std::fs::read(dir.path("there")).unwrap(), b"dear to me");
    }
    let said = dir
        .rr(&["repair", "log", "-o", "no/such/place"])
        .complaint();
    assert!(
        said.starts_with("no/such/place: cannot be written: "),
        "{said}"
    );
    let said = dir
        .rr(&["repair", "log", "--table", "77", "-o", "x"])
        .complaint();
    assert!(
        said.starts_with("--table: `77` is none of 5, 6, 7, "),
        "{said}"
    );
    dir.write("text", b"Dear diary, today I wrote a log.");
    let said = dir.rr(&["repair", "text", "-o", "x"]).complaint();
    assert!(said.starts_with("text: not a record/replay log"), "{said}");
    // No temporary file is left behind.
    let names = std::fs::read_dir(dir.path("")).unwrap();
    assert_eq!(names.count(), 3);
}
