//! `pace.tsv`: how fast a recording went on the host. Only the plot depends on it.

use crate::harness::{Dir, eventually, sample};
use rustix::process::Signal;
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

const FILE: &str = "rec.rr/pace.tsv";

/// The whole lines: instruction count, wall time and CPU time (ns). No column ever falls.
#[track_caller]
fn paces(dir: &Dir) -> Vec<[u64; 3]> {
    let text = String::from_utf8(dir.read(FILE)).unwrap();
    let whole = &text[..text.rfind('\n').unwrap() + 1];
    let mut lines = whole.lines();
    assert_eq!(lines.next(), Some("icount\twall_ns\tcpu_ns"));
    let numbers = lines.map(|line| {
        let mut numbers = line.split('\t').map(|number| number.parse().unwrap());
        let pace = [(); 3].map(|()| numbers.next().unwrap());
        assert_eq!(numbers.next(), None, "{line}");
        pace
    });
    let paces: Vec<[u64; 3]> = numbers.collect();
    assert_eq!(paces[0], [0, 0, 0]);
    let falls = |pair: &[[u64; 3]]| pair[0].iter().zip(&pair[1]).any(|(one, two)| one > two);
    assert!(!paces.windows(2).any(falls), "{text}");
    paces
}

fn record(dir: &Dir, more: &[&str]) -> u64 {
    let mix = sample("mix");
    let args = [
        &[
            "record", "-o", "rec.rr", "--kernel", &mix, "--append", "n=100",
        ],
        more,
    ];
    dir.rr(&args.concat()).code(0).icount()
}

#[test]
fn from_the_start_to_the_end() {
    let dir = Dir::new();
    let end = record(&dir, &["--digest-every", "100000"]);
    let first = paces(&dir);
    let [icount, wall, cpu] = *first.last().unwrap();
    assert_eq!(icount, end);
    assert!(first.len() > 5 && cpu > 0 && cpu <= wall, "{first:?}");
    // At most one line a millisecond, without the first and the last.
    assert!(first.len() as u64 <= 3 + wall / 1_000_000, "{first:?}");
    // A new recording in the same place.
    record(&dir, &["--overwrite"]);
    assert_ne!(paces(&dir), first);
}

/// Whatever the file holds, everything but the plot is the same.
#[test]
fn nothing_else_depends_on_it() {
    let dir = Dir::new();
    record(&dir, &["--snapshot-every", "1M"]);
    let whole = dir.read(FILE);
    let verified = dir.rr(&["verify", "rec.rr"]).code(0);
    let inspected = dir.rr(&["inspect", "rec.rr"]).code(0);
    let lane = "instructions / CPU second";
    for (content, known) in [
        (Some(&whole[..]), true),
        (Some(&whole[..whole.len() - 2]), true),
        (None, false),
        (Some(b""), false),
        (Some(b"icount\twall_ns\tcpu_ns\n1\t2\n"), false),
        (Some(b"icount\twall_ns\tcpu_ns\n9\t9\t9\n8\t9\t9\n"), false),
        (Some(b"\xff\0"), false),
    ] {
        match content {
            Some(content) => dir.write(FILE, content),
            None => fs::remove_file(dir.path(FILE)).unwrap(),
        }
        assert_eq!(dir.rr(&["verify", "rec.rr"]), verified);
        assert_eq!(dir.rr(&["inspect", "rec.rr"]), inspected);
        let args = ["inspect", "rec.rr", "--plot", "run.svg", "--overwrite"];
        let drawn = dir.rr(&args).code(0);
        let drawing = String::from_utf8(dir.read("run.svg")).unwrap();
        assert_eq!(drawing.contains(lane), known, "{content:?}");
        let damaged = "pace.tsv: line ";
        let is_damaged = content.is_some_and(|content| !known && !content.is_empty());
        assert_eq!(drawn.err.contains(damaged), is_damaged, "{}", drawn.err);
        let note = "is damaged; the speed of the host is not drawn\n";
        assert_eq!(drawn.err.ends_with(note), is_damaged, "{}", drawn.err);
    }
    let args = ["verify", "rec.rr", "--jobs", "2"];
    assert_eq!(dir.rr(&args).code(0).text(), verified.text());
    dir.rr(&["snapshot", "save", "rec.rr", "more", "--at", "50%"])
        .code(0);
    let part = [
        "slice", "rec.rr", "--from", "25%", "--to", "75%", "-o", "part.rr",
    ];
    dir.rr(&part).code(0);
    assert!(!dir.path("part.rr/pace.tsv").exists());
    dir.rr(&["inspect", "part.rr", "--plot", "part.svg"])
        .code(0);
}

#[test]
fn of_a_killed_recording() {
    let dir = Dir::new();
    let mix = sample("mix");
    let args = [
        "record",
        "-o",
        "rec.rr",
        "--kernel",
        &mix,
        "--append",
        "n=1000000",
    ];
    let mut running = dir.start(&args);
    eventually("some lines", || {
        fs::read(dir.path(FILE)).is_ok_and(|file| file.len() > 100)
    });
    running.signal(Signal::KILL);
    running.wait();
    assert!(paces(&dir).len() > 2);
    dir.rr(&["inspect", "rec.rr", "--plot", "run.svg"]).code(0);
    let drawing = String::from_utf8(dir.read("run.svg")).unwrap();
    assert!(drawing.contains("instructions / CPU second"));
    assert!(drawing.contains("the log is cut off here"));
}

/// The part of a recording that was dropped by loading a snapshot takes no time.
#[test]
fn of_a_recording_that_went_back() {
    let dir = Dir::new();
    let lost = Duration::from_millis(400);
    let started = Instant::now();
    let qmp = ["--qmp", "unix:qmp.sock"];
    let args = [
        &["record", "-o", "rec.rr", "--kernel", &sample("echo")],
        &qmp[..],
    ];
    let mut running = dir.start(&args.concat());
    let human = |line: &str| {
        let line = format!("command-line={line}");
        let said = dir.rr(&["qmp", "qmp.sock", "human-monitor-command", &line]);
        assert_eq!(said.code(0).text(), "\"\"\n");
    };
    running.wait_for("echo:");
    let mut stdin = running.child.stdin.take().unwrap();
    stdin.write_all(b"before\n").unwrap();
    running.wait_for("before");
    human("savevm here");
    stdin.write_all(b"lost\n").unwrap();
    running.wait_for("lost");
    std::thread::sleep(lost);
    human("loadvm here");
    stdin.write_all(b"after\nquit\n").unwrap();
    let recorded = running.ran().code(0);
    let elapsed = started.elapsed();
    let list = dir.rr(&["snapshot", "list", "rec.rr", "--json"]).text();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let here = &list["snapshots"].as_array().unwrap()[1];
    assert_eq!(here["name"], "here");
    let paces = paces(&dir);
    let icounts: Vec<u64> = paces.iter().map(|pace| pace[0]).collect();
    assert!(
        icounts.contains(&here["icount"].as_u64().unwrap()),
        "{icounts:?}"
    );
    assert_eq!(icounts.last(), Some(&recorded.icount()));
    let wall = Duration::from_nanos(paces.last().unwrap()[1]);
    assert!(wall + lost <= elapsed, "{wall:?} of {elapsed:?}");
    dir.rr(&["verify", "rec.rr"]).code(0);
}
