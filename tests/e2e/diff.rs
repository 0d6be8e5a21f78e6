//! `rr diff` of recordings: the first instruction after which the states of two replays differ.

use crate::harness::{Dir, RR, Ran, sample};
use rustix::pty::OpenptFlags;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::path::Path;

fn record(dir: &Dir, rec: &str, machine: &[&str], input: &[u8]) -> u64 {
    let args = [&["record", "-o", rec], machine].concat();
    dir.rr_with(&args, input).code(0).icount()
}

fn bank(dir: &Dir, rec: &str, more: &[&str]) -> u64 {
    let kernel = sample("heisenbug");
    let input = fs::read(sample("heisenbug/input.txt")).unwrap();
    let machine = [&["--kernel", kernel.as_str()], more].concat();
    let args = [&["record", "-o", rec], &machine[..]].concat();
    // The host's timing decides whether money is lost.
    let ran = dir.rr_with(&args, &input);
    assert!([0, 3].contains(&ran.code), "{}", ran.err);
    ran.icount()
}

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.err, "");
    let object: Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(object["schema"], 1);
    assert_eq!(object["same"], ran.code == 0);
    object
}

/// Plants a fault, and checks that exactly its instruction is found. `None` if no instruction from
/// there on has a result.
fn found(dir: &Dir, rec: &str, fault: &str) -> Option<Value> {
    let ran = dir.rr(&["diff", rec, "--json", "--plant-fault", fault]);
    let object = json(&ran);
    let parting = &object["hunt"]["parting"];
    if object["fault_at"].is_null() {
        assert_eq!((ran.code, parting), (0, &Value::Null), "{fault}");
        return None;
    }
    assert_eq!(parting["icount"], object["fault_at"], "{fault}: {parting}");
    assert_eq!(parting["ended"], json!([null, null]));
    assert_eq!(parting["memory_more"], 0);
    // The fault is one bit of one value.
    let registers = parting["registers"].as_array().unwrap();
    let memory = parting["memory"].as_array().unwrap();
    assert_eq!(registers.len() + memory.len(), 1, "{parting}");
    if let [register] = &registers[..] {
        let value = |side: &str| register[side].as_u64().unwrap();
        assert_eq!(value("first") ^ value("second"), 1, "{parting}");
        assert_eq!(register["hart"], parting["hart"]);
    } else {
        assert_eq!(memory[0]["len"], 1, "{parting}");
    }
    Some(parting.clone())
}

/// Faults anywhere in a recording are found, though the effect of most is gone after a few
/// instructions.
fn found_all_along(dir: &Dir, rec: &str, end: u64) {
    for part in 0..12 {
        let from = end / 12 * part;
        let parting = found(dir, rec, &from.to_string()).unwrap();
        let at = parting["icount"].as_u64().unwrap();
        assert!((from..from + 64).contains(&at), "{from}: {at}");
    }
}

fn marked(parting: &Value) -> &str {
    let lines = parting["listing"].as_array().unwrap();
    let line = lines.iter().find(|line| line["marked"] == true).unwrap();
    assert_eq!(line["address"], parting["pc"]);
    line["text"].as_str().unwrap()
}

/// Two recordings with different input: the states differ first where the input arrives, and the
/// guest notices where it reads the byte. A fault in that load is found, too.
#[test]
fn another_input() {
    let dir = Dir::new();
    bank(&dir, "one.rr", &[]);
    fs::create_dir(dir.path("two.rr")).unwrap();
    for file in ["machine.json", "digests.bin", "replay.bin"] {
        dir.write(
            &format!("two.rr/{file}"),
            dir.read(&format!("one.rr/{file}")),
        );
    }
    let mut log = dir.read("two.rr/replay.bin");
    let at = log
        .windows(7)
        .position(|bytes| bytes == b"d 5 980")
        .unwrap();
    log[at + 6] = b'1';
    dir.write("two.rr/replay.bin", log);

    // The recorded digests are those of the first recording, so they tell nothing.
    fs::copy(
        dir.path("one.rr/digests.bin"),
        dir.path("two.rr/digests.bin"),
    )
    .unwrap();
    let ran = dir.rr(&["diff", "one.rr", "two.rr", "--json"]).code(1);
    let object = json(&ran);
    let (parting, noticed) = (&object["hunt"]["parting"], &object["hunt"]["noticed"]);
    assert_eq!(parting["icount"], object["part"]["icount"]);
    let inputs = [("0", 0), ("1", 1)].map(|(digit, side)| {
        let data = parting["inputs"][side].to_string();
        assert!(data.contains(&format!("d 5 98{digit}")), "{data}");
        data
    });
    assert_ne!(inputs[0], inputs[1]);
    assert_eq!(parting["registers"], json!([]));
    assert_eq!(parting["devices"][0]["name"], "devices.uart.backlog");
    assert!(marked(noticed).starts_with("lbu "), "{noticed}");
    assert!(
        noticed["symbol"]
            .as_str()
            .unwrap()
            .starts_with("uart_receive+")
    );
    assert!(noticed["source"].as_str().unwrap().starts_with("guest.h:"));
    let registers = &noticed["registers"];
    assert_eq!(registers.as_array().unwrap().len(), 1);
    assert_eq!(registers[0]["first"], u64::from(b'0'));
    assert_eq!(registers[0]["second"], u64::from(b'1'));

    let load = noticed["icount"].as_u64().unwrap();
    let parting = found(&dir, "one.rr", &load.to_string()).unwrap();
    assert_eq!(marked(&parting), marked(noticed));
    assert_eq!(parting["registers"], *registers);

    let text = dir.rr(&["diff", "one.rr", "two.rr"]).code(1);
    let said = text.text();
    assert!(said.contains("\nthe states part at icount "), "{said}");
    assert!(
        said.contains("\nthe guest first computes with it at icount "),
        "{said}"
    );
    assert!(!said.contains('\x1b'), "{said}");
    // Only logs and digests are compared.
    let ran = dir
        .rr(&["diff", "one.rr", "two.rr", "--json", "--no-hunt"])
        .code(1);
    assert!(json(&ran)["hunt"].is_null());
}

#[test]
fn two_recordings_of_one_guest() {
    let dir = Dir::new();
    for rec in ["one.rr", "two.rr"] {
        bank(&dir, rec, &[]);
    }
    let object = json(&dir.rr(&["diff", "one.rr", "two.rr", "--json"]).code(1));
    // The seeds differ from the start, and that is ignored. Where the input comes at the same
    // places, only readings of the host's clock differ, which the guest does not see.
    assert_eq!(object["settings"][0]["name"], "machine.rng_seed");
    let (hunt, part) = (&object["hunt"], &object["part"]["icount"]);
    let parted = hunt["parting"]["icount"].as_u64();
    assert!(parted.is_none_or(|at| at >= part.as_u64().unwrap()));
    assert!(hunt["same_at"].as_u64() >= part.as_u64());
    let said = dir.rr(&["diff", "one.rr", "two.rr"]).code(1).text();
    assert!(
        said.contains("\nstates        differ from the start, as the seeds do\n"),
        "{said}"
    );
    assert!(
        said.contains(": record with the same --rng-seed\n"),
        "{said}"
    );
    let ran = dir.rr(&["diff", "one.rr", "one.rr", "--json"]).code(0);
    assert!(json(&ran)["hunt"].is_null());
}

#[test]
fn a_planted_fault_is_found_wherever_it_is() {
    let dir = Dir::new();
    let end = bank(
        &dir,
        "rec.rr",
        &["--digest-every", "100000", "--snapshot-every", "1M"],
    );
    for from in [0, 1, 100, 99_998, 1_000_001, end / 2, end - 5] {
        let parting = found(&dir, "rec.rr", &from.to_string()).unwrap();
        let at = parting["icount"].as_u64().unwrap();
        assert!((from..from + 8).contains(&at), "{from}: {at}");
    }
    found_all_along(&dir, "rec.rr", end);
    // With an instruction that is wrong each time, its first execution is found.
    for mnemonic in ["lbu", "addi", "sd", "sub"] {
        for from in [0, 99_998, end / 2] {
            let parting = found(&dir, "rec.rr", &format!("{from}:{mnemonic}")).unwrap();
            assert!(parting["icount"].as_u64() >= Some(from));
        }
    }
    assert!(found(&dir, "rec.rr", &(end + 1).to_string()).is_none());
    assert!(found(&dir, "rec.rr", "0:fdiv.d").is_none());
    let ran = dir.rr(&["diff", "rec.rr", "--json"]).code(0);
    let object = json(&ran);
    assert!(object["hunt"].is_null() && object["digests"]["differ_at"].is_null());
    assert_eq!(object["digests"]["compared"], end / 100_000 + 1);
    let ran = dir.rr(&["diff", "rec.rr", "--json", "--every-instruction"]);
    let hunt = &json(&ran.code(0))["hunt"];
    assert_eq!(
        (&hunt["closely"], &hunt["same_at"]),
        (&json!(true), &json!(end))
    );
    assert_eq!(hunt["parting"], Value::Null);
    // Nothing was written into the recording.
    dir.rr(&["verify", "rec.rr"]).code(0);
}

#[test]
fn among_harts_and_with_disks_and_networks() {
    let dir = Dir::new();
    let smp = sample("smp");
    let end = record(
        &dir,
        "smp.rr",
        &["--kernel", &smp, "--smp", "4", "--chaos", "3"],
        b"",
    );
    found_all_along(&dir, "smp.rr", end);
    dir.write("disk.raw", vec![7; 1 << 20]);
    let virtio = sample("virtio");
    let machine = [
        "--kernel",
        &virtio,
        "--drive",
        "file=disk.raw,format=raw",
        "--netdev",
        "user",
    ];
    let end = record(&dir, "io.rr", &machine, b"");
    found_all_along(&dir, "io.rr", end);
}

/// The output for people, in full. It depends only on the guest and the seed.
#[test]
fn what_a_hunt_says() {
    let dir = Dir::new();
    let (hello, seed) = (sample("hello"), "07".repeat(32));
    let machine = [
        "--kernel",
        &hello,
        "--icount",
        "sleep=off",
        "--rng-seed",
        &seed,
    ];
    record(&dir, "hello.rr", &machine, b"");
    let said = |fault: &str| {
        let ran = dir.rr(&["diff", "hello.rr", "--plant-fault", fault]);
        assert_eq!((ran.code, ran.err.as_str()), (1, ""));
        ran.text()
    };
    // Faults in the middle of the run, and inside an access to the UART.
    let found = [said("300"), said("0:lbu"), said("0:sd")].join("==\n");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/hunt.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &found).unwrap();
    }
    assert_eq!(fs::read_to_string(golden).unwrap(), found);
    let ran = dir.rr(&["diff", "hello.rr", "--every-instruction"]).code(0);
    assert!(
        ran.text()
            .contains("the same after every instruction, up to")
    );
    let ran = dir.rr(&["diff", "hello.rr", "--plant-fault", "5:nonsense"]);
    assert!(ran.code(2).err.contains("`nonsense` is no instruction"));
}

/// A terminal gets colours, unless its user does not want them; a pipe never does.
#[test]
fn colours_are_for_terminals() {
    let dir = Dir::new();
    record(&dir, "rec.rr", &["--kernel", &sample("hello")], b"");
    let shown = |name: &str, value: &str| {
        let mut screen =
            fs::File::from(rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        rustix::pty::grantpt(&screen).unwrap();
        rustix::pty::unlockpt(&screen).unwrap();
        let line = rustix::pty::ptsname(&screen, Vec::new()).unwrap();
        let line = fs::File::options().write(true).open(line.to_str().unwrap());
        let mut child = std::process::Command::new(RR)
            .args(["diff", "--plant-fault", "300"])
            .arg(dir.path("rec.rr"))
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .env(name, value)
            .stdout(line.unwrap())
            .spawn()
            .unwrap();
        let mut shown = Vec::new();
        // Reading the end of a terminal gives an error.
        let _ = screen.read_to_end(&mut shown);
        assert_eq!(child.wait().unwrap().code(), Some(1));
        String::from_utf8(shown).unwrap()
    };
    let coloured = shown("TERM", "xterm-256color");
    for line in [
        "\x1b[1mthe states part at icount 300: ",
        "\x1b[36m>     8",
        "\x1b[31m-   0x",
        "\x1b[32m+   0x",
    ] {
        assert!(coloured.contains(line), "{line:?}: {coloured}");
    }
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = shown(name, value);
        assert!(
            plain.contains("\n-   0x") && !plain.contains('\x1b'),
            "{plain}"
        );
    }
}

/// A killed recording, compared with a longer one: they differ where its log ends.
#[test]
fn a_killed_recording() {
    let dir = Dir::new();
    let clock = sample("clock");
    record(
        &dir,
        "whole.rr",
        &["--kernel", &clock, "--icount", "sleep=off"],
        b"",
    );
    dir.shell("cp -r whole.rr killed.rr").code(0);
    let log = dir.read("killed.rr/replay.bin");
    dir.write("killed.rr/replay.bin", &log[..log.len() / 2]);
    let digests = dir.read("killed.rr/digests.bin");
    dir.write("killed.rr/digests.bin", &digests[..16]);
    dir.unseal("killed.rr");
    let ran = dir.rr(&["diff", "whole.rr", "killed.rr", "--json"]).code(1);
    assert!(
        ran.err.starts_with("rr: note: killed.rr/replay.bin: "),
        "{}",
        ran.err
    );
    let object: Value = serde_json::from_slice(&ran.out).unwrap();
    let cut = object["second"]["instructions"].as_u64().unwrap();
    let parting = &object["hunt"]["parting"];
    assert!(parting["icount"].as_u64() >= Some(cut), "{parting}");
    assert_eq!(parting["ended"][0], Value::Null);
    let ended = parting["ended"][1].as_str().unwrap();
    assert!(ended.starts_with("goes no further: "), "{ended}");
    // It is equal to itself, as far as it goes.
    dir.rr(&["diff", "killed.rr", "killed.rr"]).code(0);
    // But no state of it was recorded that its replay could be compared with.
    let ran = dir
        .rr(&["diff", "killed.rr", "--every-instruction"])
        .code(4);
    assert!(
        ran.text()
            .contains("unchecked behind icount 0: the recording has no digest of its last state"),
        "{}",
        ran.text()
    );
}

#[test]
fn what_cannot_be_hunted() {
    let dir = Dir::new();
    let hello = sample("hello");
    record(&dir, "one.rr", &["--kernel", &hello], b"");
    record(&dir, "two.rr", &["--kernel", &hello, "-m", "64M"], b"");
    let ran = dir.rr(&["diff", "one.rr", "two.rr"]).code(1);
    assert!(!ran.text().contains("states part at"));
    let ran = dir.rr(&["diff", "one.rr/replay.bin"]).code(2);
    let said = ran.error(&dir);
    assert_eq!(
        said,
        "one.rr/replay.bin: is a log: name another to compare it with"
    );
}
