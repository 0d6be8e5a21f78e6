//! A log that was damaged: one byte is flipped, or it is cut at any byte.
//!
//! Replay and verify always notice: as a divergence (1), or as an error (2) in one line. They do so
//! even if the machine's state at the end is the same: the time that `clock` printed is nowhere in
//! it.

use crate::harness::{Dir, Ran, sample};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A small recording, and the output of its replay and verify.
struct Original {
    dir: Dir,
    log: Vec<u8>,
    replayed: Ran,
}

impl Original {
    fn record(machine: &[&str], input: &[u8]) -> Self {
        let dir = Dir::new();
        let args = [&["record", "-o", "rec.rr"], machine].concat();
        dir.rr_with(&args, input).code(0);
        let log = dir.read("rec.rr/replay.bin");
        let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
        dir.rr(&["verify", "rec.rr"]).code(0);
        Self { dir, log, replayed }
    }

    /// Replays the recording with another log. Each thread has a folder of its own.
    fn with_log(&self, name: &str, log: &[u8]) -> Ran {
        let rec = self.dir.path(name);
        if !rec.exists() {
            std::fs::create_dir(&rec).unwrap();
            for file in ["machine.json", "digests.bin"] {
                let from = self.dir.path("rec.rr").join(file);
                std::fs::copy(from, rec.join(file)).unwrap();
            }
        }
        self.dir.write(&format!("{name}/replay.bin"), log);
        self.dir.rr(&["replay", name])
    }

    /// Checks how the replay with one flipped byte ends.
    fn check_flip(&self, name: &str, at: usize, mask: u8) {
        let mut log = self.log.clone();
        log[at] ^= mask;
        let replayed = self.with_log(name, &log);
        let what = format!("byte {at:#x} xor {mask:#04x}: {}", replayed.err);
        match replayed.code {
            1 => {
                let error = replayed.error(&self.dir);
                assert!(error.contains("diverged at icount"), "{what}");
            }
            2 => {
                let error = replayed.error(&self.dir);
                assert!(error.contains("replay.bin: "), "{what}");
                assert!(!error.contains("internal"), "{what}");
            }
            _ => panic!("{what}"),
        }
    }

    /// Flips every byte with each mask. The damage is always noticed, in reserved fields too.
    fn flip_all(&self, masks: &[u8]) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for name in ["a.rr", "b.rr"] {
                let next = &next;
                scope.spawn(move || {
                    loop {
                        let job = next.fetch_add(1, Ordering::Relaxed);
                        let at = job / masks.len();
                        if at >= self.log.len() {
                            return;
                        }
                        self.check_flip(name, at, masks[job % masks.len()]);
                    }
                });
            }
        });
    }
}

#[test]
fn flipped_bytes_of_output_and_counts() {
    let original = Original::record(&["--kernel", &sample("hello")], b"");
    original.flip_all(&[1, 2, 4, 8, 16, 32, 64, 128, 0xff]);
}

#[test]
fn flipped_bytes_of_input_and_clocks() {
    let kernel = sample("echo");
    let machine = ["--kernel", &kernel, "--digest-every", "5000"];
    let original = Original::record(&machine, b"ab\ntime\nquit\n");
    original.flip_all(&[1, 0xff]);
}

#[test]
fn flipped_bytes_of_naps_and_alarms() {
    let kernel = sample("clock");
    let machine = ["--kernel", &kernel, "--append", "n=2 ms=1"];
    let original = Original::record(&machine, b"");
    original.flip_all(&[1, 0x80]);
}

/// A killed recording has a prefix of the log, of any length, and no digest of the end.
#[test]
fn killed_at_every_byte() {
    for (guest, append, input) in [
        ("hello", "", ""),
        ("echo", "", "ab\ntime\nquit\n"),
        ("clock", "n=2 ms=1", ""),
    ] {
        let kernel = sample(guest);
        let machine = ["--kernel", &kernel, "--append", append];
        let original = Original::record(&machine, input.as_bytes());
        let digests = original.dir.read("rec.rr/digests.bin");
        let without_end = &digests[..digests.len() - 64];
        original.dir.write("rec.rr/digests.bin", without_end);
        let mut console = 0;
        for len in 0..original.log.len() {
            let what = format!("{guest}, {len} of {} bytes", original.log.len());
            let replayed = original.with_log("cut.rr", &original.log[..len]);
            if len < 12 {
                assert_eq!(replayed.code, 2, "{what}: {}", replayed.err);
                let error = replayed.error(&original.dir);
                assert!(error.contains("truncated inside the header"), "{error}");
                continue;
            }
            assert_eq!(replayed.code, 0, "{what}: {}", replayed.err);
            assert!(original.replayed.out.starts_with(&replayed.out), "{what}");
            assert!(replayed.out.len() >= console, "{what}");
            console = replayed.out.len();
            let shut_down = len == original.log.len() - 1;
            let says_cut = replayed.err.contains("the recording was cut off here");
            assert_eq!(says_cut, !shut_down, "{what}: {}", replayed.err);
            if len < 40 {
                // Such a short log could belong to other tables, too; in a recording it belongs to
                // rr's.
                let inspected = original.dir.rr(&["inspect", "--json", "cut.rr"]).code(0);
                let summary: serde_json::Value = serde_json::from_slice(&inspected.out).unwrap();
                assert_eq!(summary["table"], "7", "{what}");
            }
        }
        let verified = original.dir.rr(&["verify", "cut.rr"]).code(4);
        let said = verified.text();
        assert!(said.starts_with("unchecked behind icount 0: "), "{said}");
    }
}

/// A finished recording whose log lost its end is an error, and is not taken for a killed one.
#[test]
fn finished_and_then_cut() {
    let original = Original::record(&["--kernel", &sample("hello")], b"");
    for len in [12, 14, 20, 40, original.log.len() - 3] {
        let replayed = original.with_log("cut.rr", &original.log[..len]).code(2);
        let error = replayed.error(&original.dir);
        assert!(
            error.starts_with("cut.rr/replay.bin: is cut off at icount "),
            "{error}"
        );
        assert!(error.ends_with("restore it from a copy"), "{error}");
        original.dir.rr(&["verify", "cut.rr"]).code(2);
    }
}

/// If the end of the run moves, or digests are passed by, the digests that were not compared are
/// missed.
#[test]
fn digests_that_are_passed_by() {
    let kernel = sample("mix");
    let machine = [
        "--kernel",
        &kernel,
        "--append",
        "n=1",
        "--digest-every",
        "10000",
    ];
    let original = Original::record(&machine, b"");
    let manifest = String::from_utf8(original.dir.read("rec.rr/machine.json")).unwrap();
    let changed = manifest.replace("\"digest_interval\": 10000", "\"digest_interval\": 30000");
    assert_ne!(manifest, changed);
    original.dir.write("rec.rr/machine.json", changed);
    let error = original
        .dir
        .rr(&["verify", "rec.rr"])
        .code(2)
        .error(&original.dir);
    assert!(
        error.contains("digests.bin: ") && error.contains("state digests"),
        "{error}"
    );
}

/// A flipped byte in a file beside the log is noticed, or the run is the same.
#[test]
fn flipped_bytes_beside_the_log() {
    let kernel = sample("hello");
    let machine = ["--kernel", &kernel, "--digest-every", "5000"];
    let original = Original::record(&machine, b"");
    let dir = &original.dir;
    // Names and spaces of machine.json do not matter.
    for (file, strict) in [("rec.rr/digests.bin", true), ("rec.rr/machine.json", false)] {
        let bytes = dir.read(file);
        for (at, mask) in (0..bytes.len()).map(|at| (at, if at % 4 == 0 { 0x80 } else { 1 })) {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            dir.write(file, &changed);
            let replayed = dir.rr(&["replay", "rec.rr"]);
            let what = format!("{file}: byte {at} xor {mask:#x}: {}", replayed.err);
            match replayed.code {
                0 => {
                    assert_eq!(replayed.out, original.replayed.out, "{what}");
                    assert!(!strict, "unnoticed: {what}");
                }
                1 | 2 => drop(replayed.error(dir)),
                _ => panic!("{what}"),
            }
        }
        dir.write(file, bytes);
    }
}
