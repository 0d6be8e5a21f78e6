//! `rr diff` and `rr slice`.

use crate::harness::{Dir, sample, samples};
use crate::recordings::MACHINE;
use crate::walker::count;

fn json(dir: &Dir, arguments: &[&str], code: i32) -> serde_json::Value {
    let ran = dir.rr(&[&["diff", "--json"], arguments].concat());
    assert_eq!(ran.code, code, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn every_log_is_the_same_as_itself() {
    let dir = Dir::new();
    for (name, bytes) in samples() {
        dir.write(&name, &bytes);
        let said = dir.rr(&["diff", &name, &name]).fine();
        assert!(said.starts_with("the same: "), "{name}: {said}");
        assert_eq!(json(&dir, &[&name, &name], 0)["same"], true);
    }
}

/// The same guest, recorded by two releases of QEMU.
#[test]
fn twins() {
    let dir = Dir::new();
    for name in ["cm1k-q7.bin", "cm1k-q10.bin"] {
        dir.write(name, &sample(name));
    }
    let found = json(&dir, &["cm1k-q7.bin", "cm1k-q10.bin"], 1);
    assert_eq!(
        (&found["schema"], &found["same"]),
        (&1.into(), &false.into())
    );
    assert_eq!(found["part"]["icount"], 0);
    // They print the same at the same instructions.
    let writes = &found["kinds"]["EVENT_CHAR_WRITE"];
    assert_eq!(
        (&writes["first"], &writes["only_first"]),
        (&575.into(), &0.into())
    );
    for (column, only) in [("first", "only_first"), ("second", "only_second")] {
        let kinds = found["kinds"].as_object().unwrap().values();
        let sum = |member: &str| {
            kinds
                .clone()
                .map(|row| row[member].as_u64().unwrap())
                .sum::<u64>()
        };
        assert_eq!(sum(column), found["both"].as_u64().unwrap() + sum(only));
        assert_eq!(sum(only), found[only].as_u64().unwrap());
    }
    let only = ["--kind", "char-write,checkpoint"];
    let found = json(
        &dir,
        &[&["cm1k-q7.bin", "cm1k-q10.bin"], &only[..]].concat(),
        0,
    );
    assert_eq!(found["same"], true);
}

/// One byte of input differs: one event at its place differs, and everything else is the same.
#[test]
fn one_event() {
    let dir = Dir::new();
    let log = sample("lio-q10.bin");
    let whole = middle(&dir, &log, "block");
    let mut changed = log.clone();
    changed[whole.1 + 8] ^= 1;
    dir.write("a", &log);
    dir.write("b", &changed);
    let found = json(&dir, &["a", "b", "--context", "2"], 1);
    assert_eq!(found["part"]["icount"], whole.0);
    assert_eq!(
        (&found["only_first"], &found["only_second"]),
        (&1.into(), &1.into())
    );
    assert_eq!(found["places"], 1);
    let hunk = found["part"]["hunk"].as_array().unwrap();
    let sides: Vec<&str> = hunk
        .iter()
        .map(|line| line["in"].as_str().unwrap())
        .collect();
    assert_eq!(sides, ["both", "both", "first", "second", "both", "both"]);
    assert_eq!(hunk[2]["event"]["icount"], whole.0);
    assert!(found["meet"]["icount"].as_u64().unwrap() >= whole.0);
    let text = dir.rr(&["diff", "a", "b", "-U0"]);
    assert_eq!(text.code, 1);
    let lines: Vec<&str> = text.out.lines().collect();
    assert_eq!(lines[..2], ["--- a", "+++ b"]);
    assert!(
        lines[3].starts_with('-') && lines[4].starts_with('+'),
        "{}",
        text.out
    );
    assert!(!text.out.contains('\x1b'));
}

/// Icount and offset of an event of this kind in the middle of the log.
fn middle(dir: &Dir, log: &[u8], kind: &str) -> (u64, usize) {
    dir.write("log", log);
    let dump = [
        "dump", "log", "--format", "ndjson", "--kind", kind, "--from", "50%", "--limit", "1",
    ];
    let line = dir.rr(&dump).fine();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    let offset = event["offset"].as_u64().unwrap() as usize;
    (event["icount"].as_u64().unwrap(), offset)
}

#[test]
fn a_cut_log_differs_where_it_ends() {
    let dir = Dir::new();
    let log = sample("xv6-ft-q10.bin");
    dir.write("a", &log);
    dir.write("b", &log[..log.len() / 2]);
    let ran = dir.rr(&["diff", "a", "b"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.starts_with("rr: note: b: truncated at offset "),
        "{}",
        ran.err
    );
    let found = json(&dir, &["b", "a"], 1);
    assert_eq!(
        (&found["only_first"], &found["places"]),
        (&0.into(), &1.into())
    );
    assert_eq!(found["meet"], serde_json::Value::Null);

    let mut damaged = log.clone();
    damaged[middle(&dir, &log, "char-write").1] = 0xff;
    dir.write("c", &damaged);
    let ran = dir.rr(&["diff", "a", "c"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(dir.rr(&["diff", "a", "nowhere"]).code, 2);
}

#[test]
fn two_recordings_and_their_machines() {
    let dir = Dir::new();
    let machine = |seed: char, shift: u8| {
        let seed = seed.to_string().repeat(64);
        format!(
            r#"{{"format": 3, "rr_version": "0.1.0",
             "machine": {{"memory": 134217728, "harts": 1, "chaos": null, "bios": "none",
             "kernel": "/a/kernel", "raw_kernel": false, "initrd": null, "append": "",
             "drives": [], "netdevs": [], "icount": {{"shift": {shift}, "sleep": true}},
             "rng_seed": "{seed}"}},
             "images": [], "digest_interval": 10000000}}"#
        )
    };
    for (name, text) in [("a.rr", machine('1', 2)), ("b.rr", machine('1', 3))] {
        std::fs::create_dir(dir.path(name)).unwrap();
        dir.write(&format!("{name}/replay.bin"), &sample("v7-start.bin"));
        dir.write(&format!("{name}/machine.json"), text.as_bytes());
        dir.write(
            &format!("{name}/digests.bin"),
            b"rr-digst\0\0\0\x01\0\0\0\0",
        );
    }
    let found = json(&dir, &["a.rr", "b.rr", "--no-hunt"], 1);
    assert_eq!(found["part"], serde_json::Value::Null);
    let settings = found["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 1);
    assert_eq!(settings[0]["name"], "machine.icount.shift");
    assert_eq!(found["digests"]["compared"], 0);
    dir.write(
        "b.rr/machine.json",
        machine('1', 2).replace("/a/kernel", "/b/kernel").as_bytes(),
    );
    assert_eq!(json(&dir, &["a.rr", "b.rr", "--no-hunt"], 0)["same"], true);
    // For a recording and a bare log, only the events are compared.
    assert_eq!(
        json(&dir, &["a.rr", "b.rr/replay.bin"], 0)["settings"],
        serde_json::Value::Null
    );
    // A recording of another format is refused, as by every command.
    dir.write("b.rr/machine.json", MACHINE.as_bytes());
    assert_eq!(dir.rr(&["diff", "a.rr", "b.rr"]).code, 2);
}

#[test]
fn a_slice_and_its_log() {
    let dir = Dir::new();
    for (name, bytes) in samples() {
        dir.write(&name, &bytes);
        let ran = dir.rr(&[
            "slice",
            &name,
            "--from",
            "30%",
            "--to",
            "70%",
            "-o",
            "slice",
            "--overwrite",
        ]);
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{name}: {}", ran.err);
        assert!(
            ran.err.contains("dump, inspect, diff and export"),
            "{name}: {}",
            ran.err
        );
        // If no instruction is executed, all events are at one icount.
        let all = count(&bytes).instructions == 0;
        let found = json(&dir, &["slice", &name], i32::from(!all));
        // Only the end is in the slice alone.
        let end = &found["kinds"]["EVENT_END"]["only_first"];
        assert_eq!(&found["only_first"], end, "{name}");
        let range = ["--from", "30%", "--to", "70%", "--format", "ndjson"];
        let part = dir.rr(&[&["dump", &name], &range[..]].concat()).fine();
        let happens = |line: &&str| !line.contains("EVENT_INSTRUCTION");
        let from = (0.3 * found["second"]["instructions"].as_f64().unwrap()) as u64;
        let cut = dir
            .rr(&[
                "dump",
                "slice",
                "--format",
                "ndjson",
                "--from",
                &from.to_string(),
            ])
            .fine();
        let events = |text: &str| -> Vec<(u64, String)> {
            let lines = text.lines().filter(happens);
            let values = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            values
                .map(|value| {
                    (
                        value["icount"].as_u64().unwrap(),
                        value["event"].as_str().unwrap().to_owned(),
                    )
                })
                .filter(|(_, event)| event != "EVENT_END")
                .collect()
        };
        assert_eq!(events(&cut), events(&part), "{name}");
    }
    dir.write("log", &sample("lx-q7.bin"));
    let said = dir
        .rr(&["slice", "log", "--from", "70%", "--to", "30%", "-o", "x"])
        .complaint();
    assert_eq!(said, "--to: 30% is before --from 70%");
    std::fs::create_dir(dir.path("a.rr")).unwrap();
    dir.write("a.rr/replay.bin", &sample("v7-start.bin"));
    let said = dir.rr(&["slice", "a.rr", "-o", "x"]).complaint();
    assert!(
        said.starts_with("a.rr: is not a recording: it has no machine.json"),
        "{said}"
    );
}
