//! `rr replay --until POS`: stops at exactly that instruction.

use crate::harness::{Dir, sample};

fn recorded(guest: &str, append: &str, input: &[u8]) -> (Dir, u64) {
    let dir = Dir::new();
    let kernel = sample(guest);
    let args = [
        "record", "-o", "rec.rr", "--kernel", &kernel, "--append", append,
    ];
    let icount = dir.rr_with(&args, input).code(0).icount();
    (dir, icount)
}

#[track_caller]
fn check(dir: &Dir, position: &str, wanted: u64) {
    let ran = dir.rr(&["replay", "rec.rr", "--until", position]).code(0);
    assert_eq!(ran.icount(), wanted, "{position}: {}", ran.err);
    assert!(ran.err.contains("the position is reached"), "{}", ran.err);
}

#[test]
fn counts_and_shares() {
    let (dir, end) = recorded("mix", "n=3", b"");
    for (position, wanted) in [
        ("start", 0),
        ("0", 0),
        ("1", 1),
        ("12345", 12_345),
        ("12_345", 12_345),
        ("1.25M", 1_250_000),
        ("50%", end / 2),
        ("99.9%", end * 999 / 1000),
    ] {
        check(&dir, position, wanted);
    }
}

#[test]
fn any_instruction() {
    let (dir, end) = recorded("hello", "", b"");
    for wanted in (0..end).step_by(797) {
        check(&dir, &wanted.to_string(), wanted);
    }
}

/// Naps, alarms, interrupts, input: the machine stops before each of them.
#[test]
fn every_event() {
    for (guest, append, input) in [("clock", "n=2 ms=1", ""), ("echo", "", "a\ntime\nquit\n")] {
        let (dir, _) = recorded(guest, append, input.as_bytes());
        let dump = dir
            .rr(&["dump", "rec.rr", "--format", "ndjson"])
            .code(0)
            .text();
        let mut count = 0;
        for line in dump.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let (Some(index), Some(icount)) = (event["index"].as_u64(), event["icount"].as_u64())
            else {
                continue;
            };
            check(&dir, &format!("event#{index}"), icount);
            count += 1;
        }
        assert!(count > 15, "{dump}");
    }
}

/// The end is after the last event: the console is complete, and the digest is compared.
#[test]
fn the_end() {
    let (dir, end) = recorded("hello", "", b"");
    let whole = dir.rr(&["replay", "rec.rr"]).code(0);
    let until_end = dir.rr(&["replay", "rec.rr", "--until", "end"]).code(0);
    assert_eq!(until_end.text(), whole.text());
    assert_eq!(until_end.icount(), end);
}

#[test]
fn what_is_no_position() {
    let (dir, end) = recorded("hello", "", b"");
    let how = "write an instruction count (12345, 1.5M), a share (50%), event#17, start, end, or \
        @snapshot";
    for (position, message) in [
        (
            "",
            format!("--until: `` is no position: it is empty; {how}"),
        ),
        (
            "yesterday",
            format!("--until: `yesterday` is no position: a number must begin with a digit; {how}"),
        ),
        (
            "101%",
            format!("--until: `101%` is no position: a share is at most 100%; {how}"),
        ),
        (
            "99999999",
            format!("rec.rr: 99999999 is past the end, which is at icount {end}"),
        ),
        (
            "event#99",
            "rec.rr: event#99 is past the end: there are 12 events, counted from 0".to_owned(),
        ),
        (
            "@lunch",
            "rec.rr: @lunch: no snapshot of this name; there are: start".to_owned(),
        ),
    ] {
        let ran = dir.rr(&["replay", "rec.rr", "--until", position]).code(2);
        assert_eq!(ran.error(&dir), message);
        assert_eq!(ran.text(), "");
    }
}
