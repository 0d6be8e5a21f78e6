//! A replay that is paused, moved by seeks, and ended.

use crate::client::{Client, damage, echo, start};
use crate::harness::{Dir, sample};
use serde_json::json;
use std::time::{Duration, Instant};

/// Records `mix` with snapshots. Returns its instruction count.
fn record(dir: &Dir, iterations: u32) -> u64 {
    let append = format!("n={iterations}");
    let args = [
        "record",
        "--kernel",
        &sample("mix"),
        "--append",
        &append,
        "-o",
        "rec.rr",
    ];
    let snapshots = ["--snapshot-every", "2M"];
    dir.rr(&[&args[..], &snapshots].concat()).code(0).icount()
}

#[test]
fn breaks_and_seeks() {
    let dir = Dir::new();
    let end = record(&dir, 20);
    let running = start(&dir, &["replay", "rec.rr", "-S", "--no-shutdown"]);
    let mut client = Client::new(&dir);
    let info = client.get("query-replay");
    assert_eq!(
        info,
        json!({"mode": "play", "filename": "rec.rr/replay.bin", "icount": 0})
    );
    client.ok("replay-break", json!({"icount": 3_000_001}));
    assert_eq!(client.get("query-replay")["break-icount"], 3_000_001);
    client.get("cont");
    client.event("STOP");
    assert_eq!(
        (
            client.icount(),
            client.get("query-status")["status"].clone()
        ),
        (3_000_001, json!("paused"))
    );
    assert_eq!(client.get("query-replay").get("break-icount"), None);
    let registers = client.human("info registers");
    let past = client.refused("replay-break", json!({"icount": 3_000_001}));
    assert!(past.contains("in the past"), "{past}");
    client.refused("replay-break", json!({"icount": -1}));
    // Forward, back past a snapshot, back to the start, and forward to the first place.
    for to in [5_000_000, 4_100_000, 1, 0, end, 3_000_001] {
        client.ok("replay-seek", json!({"icount": to}));
        client.event("STOP");
        assert_eq!(client.icount(), to);
    }
    assert_eq!(client.human("info registers"), registers);
    assert_eq!(client.human("replay_seek 77"), "");
    client.event("STOP");
    assert_eq!(client.icount(), 77);
    client.refused("replay-seek", json!({"icount": end + 1}));
    client.refused("replay-seek", json!({"icount": -1}));
    let reset = client.refused("system_reset", json!({}));
    assert!(reset.contains("cannot be reset"), "{reset}");
    // A break that is removed does not stop the replay.
    client.ok("replay-break", json!({"icount": 100}));
    client.get("replay-delete-break");
    client.get("cont");
    client.event("SHUTDOWN");
    client.event("STOP");
    assert_eq!(client.get("query-status")["status"], "shutdown");
    assert_eq!(client.icount(), end);
    client.get("quit");
    running.ran().code(0);
}

/// A damaged snapshot is refused before anything is changed. The replay goes on, and can seek
/// elsewhere.
#[test]
fn a_seek_to_a_damaged_snapshot() {
    let dir = Dir::new();
    let end = record(&dir, 20);
    let running = start(&dir, &["replay", "rec.rr", "-S", "--no-shutdown"]);
    let mut client = Client::new(&dir);
    client.ok("replay-seek", json!({"icount": 3_000_000}));
    client.event("STOP");
    let registers = client.human("info registers");
    damage(&dir, "at-4000000");
    // Its children are refused, too.
    for to in [4_000_001, end] {
        let refused = client.refused("replay-seek", json!({"icount": to}));
        assert!(
            refused.contains("at-4000000") && refused.contains("is damaged"),
            "{refused}"
        );
    }
    let refused = client.human("loadvm at-4000000");
    assert!(
        refused.starts_with("Error: ") && refused.contains("is damaged"),
        "{refused}"
    );
    assert_eq!(
        (client.icount(), client.human("info registers")),
        (3_000_000, registers)
    );
    assert_eq!(client.get("query-status")["status"], "paused");
    client.ok("replay-seek", json!({"icount": 2_000_001}));
    client.event("STOP");
    assert_eq!(client.icount(), 2_000_001);
    client.get("cont");
    client.event("SHUTDOWN");
    assert_eq!(client.icount(), end);
    client.get("quit");
    running.ran().code(0);
}

/// The event of a user's reset names the user as its cause, in a replay too.
#[test]
fn a_recorded_reset() {
    let dir = Dir::new();
    let mut recording = echo(&dir);
    let mut client = Client::new(&dir);
    recording.wait_for("echo:");
    client.get("system_reset");
    client.get("quit");
    recording.ran().code(0);
    let running = start(&dir, &["replay", "rec.rr", "-S", "--no-shutdown"]);
    let mut client = Client::new(&dir);
    client.get("cont");
    let data = client.event("RESET")["data"].clone();
    assert_eq!(
        data,
        json!({"guest": false, "reason": "host-qmp-system-reset"})
    );
    client.event("SHUTDOWN");
    client.get("quit");
    running.ran().code(0);
}

/// Only out-of-band execution can cancel a seek.
#[test]
fn a_seek_is_cancelled() {
    let dir = Dir::new();
    let end = record(&dir, 300);
    dir.rr(&["snapshot", "list", "rec.rr"]).code(0);
    for name in std::fs::read_dir(dir.path("rec.rr/snapshots")).unwrap() {
        let name = name.unwrap().file_name().into_string().unwrap();
        if name.starts_with("at-") {
            dir.rr(&["snapshot", "delete", "rec.rr", &name]).code(0);
        }
    }
    let _running = start(&dir, &["replay", "rec.rr", "-S"]);
    let mut client = Client::new(&dir);
    for _ in 0..3 {
        client.ok("replay-seek", json!({"icount": 0}));
        client.event("STOP");
        client.ok("replay-seek", json!({"icount": end}));
        let work = loop {
            let info = client.get("query-replay");
            if info["icount"].as_u64().unwrap() > 100_000 {
                break info["work"].clone();
            }
        };
        assert_eq!(work["type"], "seek", "{work}");
        assert_eq!(work["to"], json!(end));
        let asked = Instant::now();
        client.send(&json!({"exec-oob": "replay-cancel", "id": 1}));
        assert_eq!(client.reply()["id"], 1);
        let answered = asked.elapsed();
        client.event("STOP");
        let stopped = asked.elapsed();
        assert!(answered < Duration::from_millis(100), "{answered:?}");
        assert!(stopped < Duration::from_secs(1), "{stopped:?}");
        let at = client.icount();
        assert!(at < end, "{at}");
        assert_eq!(client.get("query-replay").get("work"), None);
    }
    // A replay that runs without a seek stops, too.
    client.get("cont");
    client.event("RESUME");
    client.get("replay-cancel");
    client.event("STOP");
    assert_eq!(client.get("query-status")["status"], "paused");
}

#[test]
fn only_a_replay_has_a_past_and_a_future() {
    let dir = Dir::new();
    let running = start(&dir, &["run", "--kernel", &sample("echo")]);
    let mut client = Client::new(&dir);
    assert_eq!(client.get("query-replay")["mode"], "none");
    assert_eq!(
        client.human("info replay"),
        "Record/replay is not active\r\n"
    );
    for (command, arguments) in [
        ("replay-break", json!({"icount": 5})),
        ("replay-delete-break", json!({})),
        ("replay-seek", json!({"icount": 5})),
    ] {
        client.refused(command, arguments);
    }
    assert!(client.human("savevm x").starts_with("Error: "));
    assert!(client.human("info snapshots").starts_with("Error: "));
    let save = json!({"job-id": "j", "tag": "t", "vmstate": "", "devices": []});
    client.ok("snapshot-save", save);
    assert!(client.job("j").unwrap().contains("not recorded"));
    client.get("quit");
    running.ran().code(0);
}
