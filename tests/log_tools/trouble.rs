//! Damaged files and wrong usage: one line that says what is wrong, status 2, and never a panic.

use crate::harness::{Dir, Ran, ndjson, sample, samples};
use crate::walker::count;

#[test]
fn files_that_are_no_logs() {
    let dir = Dir::new();
    dir.write("empty", b"");
    dir.write("short", &[0x00, 0xe0, 0x20]);
    dir.write("text", b"Dear diary, today I wrote a log.");
    dir.write(
        "newer",
        &[0x00, 0xe0, 0x20, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    );
    dir.write("zeros", &[0; 100]);
    dir.write("good", &sample("v7-start.bin"));
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, dir.path("fifo"), fifo, mode, 0).unwrap();
    let commands = [
        &["dump", "FILE"][..],
        &["inspect", "FILE"],
        &["diff", "FILE", "good"],
        &["diff", "good", "FILE"],
        &["slice", "FILE", "-o", "x"],
        &["export", "FILE", "--pcap", "x"],
        &["repair", "FILE", "-o", "x"],
    ];
    for command in commands {
        for (file, expected) in [
            ("empty", "empty: truncated inside the header: 0 of 12 bytes"),
            ("short", "short: truncated inside the header: 3 of 12 bytes"),
            (
                "text",
                "text: not a record/replay log: it begins with 44 65 61 72",
            ),
            ("newer", "newer: unknown version id 0x00e02055"),
            ("zeros", "zeros: not a record/replay log"),
            ("absent", "absent: no such file"),
            ("text/log.bin", "text/log.bin: cannot be read: "),
            (
                ".",
                ".: is a directory, but no recording: replay.bin is missing",
            ),
            ("/dev/null", "/dev/null: not a regular file"),
            ("fifo", "fifo: not a regular file"),
        ] {
            // Nothing is left of these files, and that is a valid result of a repair.
            if command[0] == "repair" && ["empty", "short"].contains(&file) {
                continue;
            }
            let command = command.iter().map(|word| match *word {
                "FILE" => file,
                word => word,
            });
            let command: Vec<&str> = command.collect();
            let ran = dir.rr(&command);
            assert_eq!(ran.out, "", "{command:?}");
            let said = ran.complaint();
            assert!(said.starts_with(expected), "{command:?}: {said}");
        }
    }
    assert!(!dir.path("x").exists());
}

/// A log that was killed before its first event: it is empty, and that is no error.
#[test]
fn a_log_of_a_header_alone() {
    let dir = Dir::new();
    dir.write("log", &sample("v7-start.bin")[..12]);
    dir.write("other", &sample("v7-start.bin"));
    for (command, code, out) in [
        (&["dump", "log"][..], 0, ""),
        (&["dump", "log", "--format", "ndjson"], 0, ""),
        (
            &["inspect", "log"],
            0,
            "no, 0 whole events in 12 of 12 bytes",
        ),
        (&["diff", "log", "log"], 0, "the same: 0 events"),
        (&["diff", "log", "other"], 1, "EVENT_CHECKPOINT_INIT"),
        (&["slice", "log", "-o", "x"], 0, ""),
        (&["export", "log", "--chrome-trace", "y"], 0, ""),
        (
            &["repair", "log", "-o", "z"],
            0,
            "12 of 12 bytes, 0 events, 0 instructions",
        ),
    ] {
        let ran = dir.rr(command);
        assert_eq!(ran.code, code, "{command:?}: {}", ran.err);
        assert!(ran.out.contains(out), "{command:?}: {}", ran.out);
        let told = ran.err.contains("log: truncated at offset 12, event 0");
        assert_eq!(told, command[0] != "repair", "{command:?}: {}", ran.err);
    }
    for name in ["x", "z"] {
        assert_eq!(dir.rr(&["dump", name]).fine().lines().count(), 1);
    }
}

#[test]
fn bad_options() {
    let dir = Dir::new();
    dir.write("log", &sample("v7-start.bin"));
    for (options, expected) in [
        (
            &["--from", "yesterday"][..],
            "--from: `yesterday` is no position: ",
        ),
        (&["--to", "1.5"], "--to: `1.5` is no position: "),
        (
            &["--to", "101%"],
            "--to: `101%` is no position: a share is at most 100%",
        ),
        (&["--from", ""], "--from: `` is no position: it is empty"),
        (
            &["--from", "1G"],
            "log: --from: 1000000000 is past the end, which is at icount 262144",
        ),
        (
            &["--to", "event#8"],
            "log: --to: event#8 is past the end: there are 8 events",
        ),
        (
            &["--from", "@login"],
            "log: --from: @login: a bare log has no snapshots; name the directory of its recording",
        ),
        (
            &["--kind", "char_reed"],
            "--kind: no event is called `char_reed`; close to it: ",
        ),
        (
            &["--kind", "xyzzy"],
            "--kind: no event is called `xyzzy`; `rr dump --help`",
        ),
        (&["--kind", ""], "--kind: no event is called ``"),
        (&["--kind", "end,"], "--kind: no event is called ``"),
        (
            &["--format", "xml"],
            "--format: `xml` is none of text, ndjson, table",
        ),
        (&["--limit", "some"], "--limit: `some`: invalid digit"),
        (&["--limit=-1"], "--limit: `-1`: invalid digit"),
    ] {
        let mut arguments = vec!["dump", "log"];
        arguments.extend(options);
        let ran = dir.rr(&arguments);
        assert_eq!(ran.out, "", "{options:?}");
        let said = ran.complaint();
        assert!(said.starts_with(expected), "{options:?}: {said}");
    }
    // A command line that is not valid at all gets the usual page.
    for arguments in [
        &[][..],
        &["dump"],
        &["dump", "log", "--frobnicate"],
        &["frobnicate"],
    ] {
        let ran = dir.rr(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.contains("Usage: rr"), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_name_with_control_characters_stays_on_one_line() {
    let dir = Dir::new();
    let said = dir.rr(&["dump", "a\nb\x1b[31m"]).complaint();
    assert!(said.starts_with("a\\nb\\u{1b}[31m: no such file"), "{said}");
}

fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_log_that_is_cut_anywhere() {
    let dir = Dir::new();
    let whole = sample("v7-serial.bin");
    let events = ndjson(&{
        dir.write("whole", &whole);
        dir.rr(&["dump", "--format", "ndjson", "whole"]).fine()
    });
    for len in 12..whole.len() {
        dir.write("cut", &whole[..len]);
        let ran = dir.rr(&["dump", "--format", "ndjson", "cut"]);
        assert_eq!(ran.code, 0, "{len}: {}", ran.err);
        assert!(
            ran.err.starts_with("rr: note: cut: truncated at offset "),
            "{len}: {}",
            ran.err
        );
        assert_eq!(ran.err.lines().count(), 1);
        // Every whole event, and no other.
        let mut ends = events
            .iter()
            .skip(1)
            .map(|event| event["offset"].as_u64().unwrap());
        let fit = ends.by_ref().take_while(|&end| end <= len as u64).count();
        assert_eq!(ndjson(&ran.out), events[..fit], "{len}");

        let ran = dir.rr(&["inspect", "--json", "cut"]);
        let said = json(&ran);
        assert_eq!(ran.code, 0);
        assert_eq!(
            (&said["complete"], &said["status"]),
            (&false.into(), &"truncated".into())
        );
        assert_eq!(said["events"], fit);
        assert_eq!(said["bytes"], len);
        assert_eq!(said["whole_bytes"], said["error"]["offset"]);
    }
}

#[test]
fn a_recording_that_was_killed_has_no_version() {
    let dir = Dir::new();
    for (name, mut bytes) in samples() {
        let events = count(&bytes).events;
        bytes[..4].fill(0);
        let cut = bytes.len() - 1;
        dir.write(&name, &bytes[..cut]);
        let ran = dir.rr(&["inspect", "--json", &name]);
        let said = json(&ran);
        assert_eq!(ran.code, 0, "{name}");
        assert_eq!(said["version_id"], "0x00000000");
        assert_eq!(
            said["version"],
            if name.starts_with("v7") { 7 } else { 12 },
            "{name}"
        );
        assert_eq!(said["events"], events - 1, "{name}");
        let reason = said["table_reason"].as_str().unwrap();
        assert!(reason.contains("killed"), "{reason}");
        let ran = dir.rr(&["dump", "--format", "ndjson", &name]);
        assert_eq!(
            (ran.code, ran.out.lines().count() as u64),
            (0, events - 1),
            "{name}"
        );
    }
}

#[test]
fn damage_is_reported_behind_what_is_good() {
    let dir = Dir::new();
    let good = sample("v7-serial.bin");
    let mut unknown = good.clone();
    unknown[0x21] = 0xee;
    dir.write("unknown", &unknown);
    let ran = dir.rr(&["dump", "unknown"]);
    assert_eq!(ran.out.lines().count(), 5);
    let said = ran.complaint();
    assert!(
        said.starts_with("unknown: unknown event id 238 at offset 33, event 5, icount 0"),
        "{said}"
    );

    let ran = dir.rr(&["inspect", "--json", "unknown"]);
    let summary = json(&ran);
    assert_eq!(
        (&summary["complete"], &summary["status"]),
        (&false.into(), &"damaged".into())
    );
    assert_eq!(
        (&summary["events"], &summary["error"]["offset"]),
        (&5.into(), &33.into())
    );
    assert_eq!(ran.complaint(), said);
    let ran = dir.rr(&["inspect", "unknown"]);
    assert!(
        ran.out.contains("no, 5 whole events in 33 of 107 bytes"),
        "{}",
        ran.out
    );
    assert_eq!(ran.complaint(), said);

    let trailing = [&good[..], b"more"].concat();
    dir.write("trailing", &trailing);
    let ran = dir.rr(&["dump", "trailing"]);
    assert_eq!(ran.out.lines().count(), 15);
    let said = ran.complaint();
    assert!(
        said.starts_with("trailing: 4 bytes follow EVENT_END"),
        "{said}"
    );

    // With a limit before the damage, the damage is not reported.
    dir.rr(&["dump", "unknown", "--limit", "5"]).fine();
    dir.rr(&["dump", "unknown", "--to", "event#4"]).fine();
}

#[test]
fn a_claim_of_four_gigabytes_is_not_believed() {
    let dir = Dir::new();
    let mut log = vec![0x00, 0xe0, 0x20, 0x07, 0, 0, 0, 0, 0, 0, 0, 0];
    log.extend([3, 0, 3, 0, 0xff, 0xff, 0xff, 0xff, b'x']);
    dir.write("claim", &log);
    let ran = dir.rr(&["dump", "claim"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    let expected = "REPLAY_ASYNC_EVENT_CHAR_READ needs 4294967303 bytes, and 9 are left";
    assert!(ran.err.contains(expected), "{}", ran.err);
}

#[test]
fn mutated_logs_never_panic() {
    let dir = Dir::new();
    let good = sample("input-q7.bin");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..60 {
        let mut log = good.clone();
        for _ in 0..=round % 4 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695);
            let at = 12 + (random >> 33) as usize % (log.len() - 12);
            log[at] = (random >> 20) as u8;
        }
        dir.write("mutant", &log);
        let dumped = dir.rr(&["dump", "--format", "ndjson", "mutant"]);
        assert!(matches!(dumped.code, 0 | 2), "{dumped:?}");
        let said = dir.rr(&["inspect", "--json", "mutant"]);
        assert_eq!(said.code, dumped.code, "{}", said.err);
        assert_eq!(json(&said)["events"], ndjson(&dumped.out).len());
    }
}
