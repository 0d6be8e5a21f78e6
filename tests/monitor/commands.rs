//! Every command, during a recording.

use crate::client::{Client, damage, echo, start};
use crate::guest::{HERE, T0, T1, ZERO, addi, elf, lui, sw};
use crate::harness::{Dir, Running, sample};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::ChildStdin;

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect()
}

#[test]
fn it_describes_itself() {
    let dir = Dir::new();
    let _running = echo(&dir);
    let mut client = Client::new(&dir);
    let version = client.get("query-version");
    assert!(version["package"].as_str().unwrap().starts_with("rr "));
    let (commands, events) = (client.get("query-commands"), client.get("query-events"));
    let schema = client.get("query-qmp-schema");
    let of = |kind: &str| -> Vec<&Value> {
        schema
            .as_array()
            .unwrap()
            .iter()
            .filter(|entity| entity["meta-type"] == kind)
            .collect()
    };
    assert_eq!(names(&commands), names(&json!(of("command"))));
    assert_eq!(names(&events), names(&json!(of("event"))));
    // For every command it is said whether it may be executed out of band.
    let oob: BTreeSet<&str> = of("command")
        .iter()
        .filter(|command| command["allow-oob"].as_bool().unwrap())
        .map(|command| command["name"].as_str().unwrap())
        .collect();
    let wanted = [
        "query-replay",
        "query-status",
        "replay-cancel",
        "x-oob-test",
    ];
    assert_eq!(oob, BTreeSet::from(wanted));
    for name in [
        "quit",
        "stop",
        "cont",
        "human-monitor-command",
        "snapshot-save",
        "replay-seek",
    ] {
        assert!(names(&commands).contains(name), "{name}");
    }
    // A command without required arguments succeeds without any.
    for command in names(&commands) {
        if ["quit", "qmp_capabilities"].contains(&command) {
            continue;
        }
        let reply = client.ask(command, json!({}));
        let desc = reply["error"]["desc"].as_str().unwrap_or_default();
        let fine =
            desc.is_empty() || desc.ends_with("is missing") || desc.contains("only in play mode");
        assert!(fine, "{command}: {reply}");
    }
}

#[test]
fn the_machine() {
    let dir = Dir::new();
    dir.write("disk.raw", vec![0; 1 << 20]);
    let drive = "file=disk.raw,format=raw,id=d0,readonly=on";
    let args = [
        "record",
        "--kernel",
        &sample("echo"),
        "-o",
        "rec.rr",
        "--smp",
        "2",
        "-m",
        "64M",
    ];
    let _running = start(&dir, &[&args[..], &["--drive", drive]].concat());
    let mut client = Client::new(&dir);
    assert_eq!(client.get("query-target"), json!({"arch": "riscv64"}));
    assert_eq!(client.get("query-name"), json!({}));
    assert_eq!(
        client.get("query-memory-size-summary"),
        json!({"base-memory": 64 << 20})
    );
    let harts = client.get("query-cpus-fast");
    assert_eq!(harts.as_array().unwrap().len(), 2);
    assert_eq!(
        (&harts[1]["cpu-index"], &harts[1]["target"]),
        (&json!(1), &json!("riscv64"))
    );
    let disk = client.get("query-block")[0].clone();
    assert_eq!(disk["device"], "d0");
    assert_eq!(
        (&disk["inserted"]["ro"], &disk["inserted"]["drv"]),
        (&json!(true), &json!("raw"))
    );
    assert_eq!(disk["inserted"]["image"]["virtual-size"], 1 << 20);
    let chardevs = client.get("query-chardev");
    assert_eq!(chardevs[0]["label"], "serial0");
    assert_eq!(chardevs[1]["filename"], "unix:qmp.sock,server=on");
}

#[test]
fn stop_and_go_and_what_others_hear() {
    let dir = Dir::new();
    let mut running = echo(&dir);
    let mut client = Client::new(&dir);
    running.wait_for("echo:");
    assert_eq!(
        client.get("query-status"),
        json!({"running": true, "singlestep": false, "status": "running"})
    );
    // A client that is connected at the start gets the event.
    client.events.clear();
    client.get("stop");
    assert_eq!(client.events.len(), 1, "STOP comes before the reply");
    client.event("STOP");
    client.get("stop");
    assert_eq!(
        client.events,
        Vec::<Value>::new(),
        "a repeated stop sends none"
    );
    assert_eq!(client.get("query-status")["status"], "paused");
    // The guest does not execute.
    let mut stdin = running.child.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    let icount = client.icount();
    assert_eq!(
        (client.icount(), running.stdout().contains("one")),
        (icount, false)
    );
    client.get("cont");
    assert_eq!(client.events.len(), 1);
    client.event("RESUME");
    running.wait_for("one");
    client.get("system_powerdown");
    client.event("POWERDOWN");
    client.get("system_reset");
    let data = client.event("RESET")["data"].clone();
    assert_eq!(
        data,
        json!({"guest": false, "reason": "host-qmp-system-reset"})
    );
    client.get("query-status");
    stdin.write_all(b"two\nquit\n").unwrap();
    let data = client.event("SHUTDOWN")["data"].clone();
    assert_eq!(data, json!({"guest": true, "reason": "guest-shutdown"}));
    assert_eq!(client.line(), None);
    let recorded = running.ran().code(0);
    dir.check_replay("rec.rr", &recorded);
}

#[test]
fn it_starts_when_it_is_told_and_stays_when_it_is_over() {
    let dir = Dir::new();
    let args = [
        "record",
        "--kernel",
        &sample("hello"),
        "-o",
        "rec.rr",
        "-S",
        "--no-shutdown",
    ];
    let running = start(&dir, &args);
    let mut client = Client::new(&dir);
    assert_eq!(client.get("query-status")["status"], "prelaunch");
    assert_eq!((client.icount(), running.stdout()), (0, String::new()));
    assert_eq!(
        client.human("info status"),
        "VM status: paused (prelaunch)\r\n"
    );
    client.get("cont");
    client.event("SHUTDOWN");
    client.event("STOP");
    assert_eq!(client.get("query-status")["status"], "shutdown");
    assert!(client.human("info registers").contains("pc"));
    client.get("quit");
    assert_eq!(client.line(), None);
    let recorded = running.ran().code(0);
    dir.check_replay("rec.rr", &recorded);
}

/// QEMU does not have this event: its RISC-V machines do not send it.
#[test]
fn the_guest_sets_its_clock() {
    let dir = Dir::new();
    // TIME_HIGH of the goldfish RTC: some seconds after 1970.
    let code = [
        lui(T0, 0x101),
        addi(T0, T0, 4),
        addi(T1, ZERO, 1),
        sw(T1, T0),
        HERE,
    ];
    dir.write("guest.elf", elf(&code));
    let _running = start(&dir, &["run", "--kernel", "guest.elf", "-S"]);
    let mut client = Client::new(&dir);
    client.get("cont");
    let offset = client.event("RTC_CHANGE")["data"]["offset"]
        .as_i64()
        .unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let set = now.as_secs() as i64 + offset;
    assert!((0..60).contains(&set), "{offset}");
}

#[test]
fn memory_and_registers() {
    let dir = Dir::new();
    let mut running = echo(&dir);
    let mut client = Client::new(&dir);
    running.wait_for("echo:");
    client.get("stop");
    let base = 0x8000_0000u64;
    client.ok(
        "pmemsave",
        json!({"val": base, "size": 8192, "filename": "physical"}),
    );
    client.ok(
        "memsave",
        json!({"val": base, "size": 8192, "filename": "virtual", "cpu-index": 0}),
    );
    let memory = dir.read("physical");
    assert_eq!(memory.len(), 8192);
    assert_eq!(memory, dir.read("virtual"));
    let word = u32::from_le_bytes(memory[..4].try_into().unwrap());
    assert_eq!(
        client.human("x/1xw 0x80000000"),
        format!("0000000080000000: 0x{word:08x}\r\n")
    );
    assert_eq!(
        client.human("xp /xw 0x80000000"),
        format!("0000000080000000: 0x{word:08x}\r\n")
    );
    let registers = client.human("info registers");
    let pc = registers
        .lines()
        .find_map(|line| line.trim().strip_prefix("pc "))
        .unwrap()
        .trim();
    let code = client.human("x /i $pc");
    assert!(code.starts_with(&format!("0x{pc}:  ")), "{code}");
    for (val, size) in [
        (0x1000_0000i64, 1),
        (0, 4),
        (-1, 2),
        (0x8000_0000, 1i64 << 40),
    ] {
        let arguments = json!({"val": val, "size": size, "filename": "nothing"});
        client.refused("pmemsave", arguments);
    }
    assert!(!dir.path("nothing").exists());
    let arguments = json!({"val": base, "size": 1, "filename": "no/such/folder"});
    assert_eq!(
        client.refused("pmemsave", arguments),
        "Could not open 'no/such/folder': No such file or directory"
    );
    let arguments = json!({"val": base, "size": 1, "filename": "x", "cpu-index": 1});
    client.refused("memsave", arguments);
}

#[test]
fn lines_for_people() {
    let dir = Dir::new();
    let mut running = echo(&dir);
    let mut client = Client::new(&dir);
    running.wait_for("echo:");
    assert_eq!(client.human(""), "");
    assert_eq!(client.human("nope x"), "unknown command: 'nope'\r\n");
    assert_eq!(
        client.human("info nope x"),
        "unknown command: 'info nope'\r\n"
    );
    assert!(client.human("info version").starts_with("7.2.0 (rr "));
    assert!(client.human("help").contains("savevm tag"));
    let replay = client.human("info replay");
    let wanted = "Recording execution 'rec.rr/replay.bin': instruction count = ";
    assert!(replay.starts_with(wanted), "{replay}");
    assert_eq!(client.human("stop"), "");
    client.event("STOP");
    assert_eq!(client.human("info status"), "VM status: paused\r\n");
    assert_eq!(client.human("c"), "");
    assert!(client.human("delvm none").starts_with("Error: "));
    assert!(client.human("x /4x").starts_with("Error: "));
    // A very long sum is a sum.
    let sum = format!("x /xb 0x80000000{}", "+0".repeat(100_000));
    assert!(client.human(&sum).starts_with("0000000080000000: 0x"));
    assert_eq!(client.human("q"), "");
    assert_eq!(client.event("SHUTDOWN")["data"]["reason"], "host-qmp-quit");
    running.ran().code(0);
    dir.rr(&["verify", "rec.rr"]).code(0);
}

/// Records `echo`, which has answered `before`.
fn spoken_to(dir: &Dir) -> (Running, Client, ChildStdin) {
    let mut running = echo(dir);
    let client = Client::new(dir);
    running.wait_for("echo:");
    let mut stdin = running.child.stdin.take().unwrap();
    stdin.write_all(b"before\n").unwrap();
    running.wait_for("before");
    (running, client, stdin)
}

/// A damaged snapshot is refused, and the run goes on.
#[test]
fn a_damaged_snapshot_while_recording() {
    let dir = Dir::new();
    let (mut running, mut client, mut stdin) = spoken_to(&dir);
    assert_eq!(client.human("savevm one"), "");
    damage(&dir, "one");
    stdin.write_all(b"between\n").unwrap();
    running.wait_for("between");
    let refused = client.human("loadvm one");
    assert!(
        refused.starts_with("Error: ") && refused.contains("is damaged"),
        "{refused}"
    );
    let load = json!({"job-id": "load", "tag": "one", "vmstate": "", "devices": []});
    client.ok("snapshot-load", load);
    assert!(client.job("load").unwrap().contains("is damaged"));
    assert_eq!(client.get("query-status")["status"], "running");
    stdin.write_all(b"after\nquit\n").unwrap();
    let recorded = running.ran().code(0);
    for line in ["before", "between", "after"] {
        assert!(recorded.text().contains(line), "{}", recorded.text());
    }
    dir.check_replay("rec.rr", &recorded);
}

/// The guest does not notice. A recording that went back in time is a valid recording.
#[test]
fn snapshots_while_recording() {
    let dir = Dir::new();
    let (mut running, mut client, mut stdin) = spoken_to(&dir);
    let job = |id: &str, tag: &str| json!({"job-id": id, "tag": tag, "vmstate": "", "devices": []});
    client.ok("snapshot-save", job("save", "one"));
    assert_eq!(client.job("save"), None);
    client.ok("snapshot-save", job("again", "one"));
    assert!(client.job("again").unwrap().contains("already exists"));
    assert!(client.human("info snapshots").contains(" one "));
    stdin.write_all(b"lost\n").unwrap();
    running.wait_for("lost");
    client.ok("snapshot-load", job("load", "one"));
    assert_eq!(client.job("load"), None);
    client.ok("snapshot-load", job("none", "none"));
    assert!(client.job("none").unwrap().contains("none"));
    stdin.write_all(b"after\n").unwrap();
    running.wait_for("after");
    assert_eq!(client.human("savevm two"), "");
    assert_eq!(client.human("savevm two"), "", "it replaces the other");
    client.ok(
        "snapshot-delete",
        json!({"job-id": "delete", "tag": "one", "devices": []}),
    );
    assert_eq!(client.job("delete"), None);
    assert!(!client.human("info snapshots").contains(" one "));
    for (id, wanted) in [
        ("9", "Invalid job ID '9'"),
        ("", "Invalid job ID ''"),
        ("a b", "Invalid job ID 'a b'"),
    ] {
        assert_eq!(client.refused("snapshot-save", job(id, "t")), wanted);
    }
    let devices = json!({"job-id": "j", "tag": "t", "vmstate": "", "devices": ["d9"]});
    assert_eq!(
        client.refused("snapshot-save", devices),
        "No block device node 'd9'"
    );
    assert_eq!(
        client.refused("job-dismiss", json!({"id": "save"})),
        "Job not found"
    );
    client.get("quit");
    running.ran().code(0);
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0).text();
    assert!(
        replayed.contains("after") && !replayed.contains("lost"),
        "{replayed}"
    );
    dir.rr(&["verify", "rec.rr"]).code(0);
}
