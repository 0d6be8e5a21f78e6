//! `rr export`, `rr inspect --plot`, `rr completions`, `rr man`.

use std::path::Path;

use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};

use crate::harness::{Dir, ROOT, ndjson, sample, samples};
use crate::walker::count;

/// Records the guest that idles, prints and reads.
fn recorded() -> Dir {
    let dir = Dir::new();
    let kernel = Path::new(ROOT).join("samples/bin/heisenbug.elf");
    let input = std::fs::read(Path::new(ROOT).join("samples/heisenbug/input.txt")).unwrap();
    let mut command = dir.command();
    command.args([
        "record",
        "--quiet",
        "-o",
        "rec.rr",
        "--icount",
        "sleep=off",
        "--kernel",
    ]);
    let out = command.arg(kernel).write_stdin(input).output().unwrap();
    dir.write("printed", &out.stdout);
    dir
}

#[test]
fn frames_of_a_log() {
    let dir = Dir::new();
    dir.write("log", &sample("lio-q10.bin"));
    let ran = dir.rr(&["export", "log", "--pcap", "frames"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (0, "rr: note: frames: 5 frames\n")
    );
    let dumped = dir
        .rr(&["dump", "log", "--kind", "net", "--format", "ndjson"])
        .fine();
    let expected: Vec<(String, u64)> = ndjson(&dumped)
        .iter()
        .map(|event| {
            (
                event["hex"].as_str().unwrap().to_owned(),
                event["icount"].as_u64().unwrap(),
            )
        })
        .collect();
    let mut reader = PcapNgReader::new(std::fs::File::open(dir.path("frames")).unwrap()).unwrap();
    let mut found = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap() {
            let hex: String = packet
                .data
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let icount = packet.timestamp.as_nanos() as u64;
            let comment = format!("icount {icount}");
            assert!(
                packet
                    .options
                    .contains(&EnhancedPacketOption::Comment(comment.into()))
            );
            assert!(packet.options.contains(&EnhancedPacketOption::Flags(1)));
            found.push((hex, icount));
        }
    }
    assert_eq!(reader.interfaces().len(), 1);
    assert_eq!(found, expected);
}

#[test]
fn what_was_typed_and_what_was_printed() {
    let dir = recorded();
    let printed = std::fs::read(dir.path("printed")).unwrap();
    dir.rr(&["export", "rec.rr", "--console", "console"]).fine();
    assert_eq!(std::fs::read(dir.path("console")).unwrap(), printed);
    let out = dir.rr(&["export", "rec.rr", "--console", "-"]).fine();
    assert_eq!(out.as_bytes(), printed);
    let ran = dir.rr(&["export", "rec.rr/replay.bin", "--console", "-"]);
    assert!(
        ran.err.contains("bytes of serial input to device 0"),
        "{}",
        ran.err
    );
    let typed = std::fs::read_to_string(Path::new(ROOT).join("samples/heisenbug/input.txt"));
    assert_eq!(ran.out, typed.unwrap());
    dir.write("log", &sample("v7-serial.bin"));
    let ran = dir.rr(&["export", "log", "--console", "-", "--quiet"]);
    assert_eq!(ran.fine(), "ahello\nxyz");
}

/// Checks the members that the Trace Event Format requires of each entry.
fn check_trace(text: &str) -> Vec<serde_json::Value> {
    let trace: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(trace["displayTimeUnit"], "ns");
    let entries = trace["traceEvents"].as_array().unwrap().clone();
    let mut ended = 0.0;
    for entry in &entries {
        assert!(
            entry["name"].is_string() && entry["pid"].is_u64(),
            "{entry}"
        );
        // For Perfetto, 0 is no thread, and the process's number is its main thread.
        assert!(entry["tid"].as_u64() > Some(1), "{entry}");
        let ts = entry["ts"].as_f64().unwrap();
        match entry["ph"].as_str().unwrap() {
            "M" => assert!(entry["args"].is_object()),
            "i" => {
                assert_eq!(entry["s"], "t");
                assert!(ts >= ended, "time goes on: {entry}");
            }
            "X" => ended = ts + entry["dur"].as_f64().unwrap() - 0.01,
            other => panic!("{other}"),
        }
    }
    entries
}

#[test]
fn traces() {
    let dir = Dir::new();
    for (name, bytes) in samples() {
        dir.write(&name, &bytes);
        dir.rr(&[
            "export",
            &name,
            "--chrome-trace",
            "trace",
            "--overwrite",
            "-q",
        ])
        .fine();
        let entries = check_trace(&std::fs::read_to_string(dir.path("trace")).unwrap());
        let instants = entries.iter().filter(|entry| entry["ph"] == "i").count() as u64;
        let counted = count(&bytes);
        let steps = counted
            .kinds
            .get("EVENT_INSTRUCTION")
            .map_or(0, |(events, _)| *events);
        assert_eq!(instants, counted.events - steps, "{name}");
    }
}

/// Virtual time is that of the replay: executing and idling times add up to it.
#[test]
fn a_trace_of_a_recording_has_virtual_time() {
    let dir = recorded();
    dir.rr(&["export", "rec.rr", "--chrome-trace", "trace", "-q"])
        .fine();
    let entries = check_trace(&std::fs::read_to_string(dir.path("trace")).unwrap());
    let idle = entries.iter().filter(|entry| entry["ph"] == "X");
    let idle: f64 = idle.map(|entry| entry["dur"].as_f64().unwrap()).sum();
    assert!(idle > 0.0);
    let last = entries
        .iter()
        .rfind(|entry| entry["name"] == "END")
        .unwrap();
    let executing = last["args"]["icount"].as_f64().unwrap() * 4.0 / 1000.0;
    let end = last["ts"].as_f64().unwrap();
    assert!(
        (executing + idle - end).abs() < 1.0,
        "{executing} + {idle}: {end}"
    );
    let verified = dir.rr(&["verify", "rec.rr"]).fine();
    let ms = format!("{:.3}ms of virtual time", end / 1000.0);
    assert!(verified.contains(&ms), "{ms}: {verified}");
}

#[test]
fn a_recording_that_diverges_is_not_exported() {
    let dir = recorded();
    let mut log = std::fs::read(dir.path("rec.rr/replay.bin")).unwrap();
    let at = log
        .windows(7)
        .position(|window| window == b"d 5 980")
        .unwrap();
    log[at + 2] = b'4';
    dir.write("rec.rr/replay.bin", &log);
    let ran = dir.rr(&["export", "rec.rr", "--console", "console"]);
    assert!(matches!(ran.code, 1 | 2), "{}", ran.err);
    assert!(!dir.path("console").exists());
    let ran = dir.rr(&["export", "rec.rr"]);
    assert_eq!(ran.code, 2);
}

#[test]
fn plots() {
    let dir = recorded();
    dir.write("lx.bin", &sample("lx-q7.bin"));
    dir.write("empty.bin", &sample("v7-serial.bin"));
    for (input, file, axis) in [
        ("rec.rr", "a.svg", "virtual time"),
        ("lx.bin", "b.html", "instructions"),
        ("empty.bin", "c.svg", "instructions"),
    ] {
        let summary = dir.rr(&["inspect", input]).fine();
        assert_eq!(dir.rr(&["inspect", input, "--plot", file]).fine(), summary);
        let text = std::fs::read_to_string(dir.path(file)).unwrap();
        assert!(text.contains(&format!(">{axis}</text>")), "{input}");
        assert!(text.contains("prefers-color-scheme: dark"));
        // The file fetches nothing: its only address is a name.
        assert_eq!(text.matches("http").count(), 1, "{input}");
        assert!(!text.contains("NaN") && !text.contains("inf\""));
        for line in summary
            .lines()
            .filter(|line| line.starts_with("EVENT_CHECKPOINT"))
        {
            let name = line
                .split_whitespace()
                .next()
                .unwrap()
                .trim_start_matches("EVENT_");
            let label = format!(">{}</text>", name.to_lowercase().replace('_', "-"));
            assert!(text.contains(&label), "{label}");
        }
    }
    let said = dir
        .rr(&["inspect", "lx.bin", "--plot", "b.png"])
        .complaint();
    assert!(
        said.starts_with("--plot: `b.png` ends in neither .svg nor .html"),
        "{said}"
    );
    let said = dir
        .rr(&["inspect", "lx.bin", "--plot", "b.html"])
        .complaint();
    assert!(said.starts_with("b.html: already exists"), "{said}");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let dir = Dir::new();
    let help = dir.rr(&["--help"]).fine();
    let commands = help
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("Options:")
        .next()
        .unwrap();
    let names = commands.lines().filter_map(|line| line.strip_prefix("  "));
    let names: Vec<&str> = names
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(names.len() >= 12, "{names:?}");
    dir.rr(&["man", "man1", "-q"]).fine();
    for name in &names {
        let page = std::fs::read_to_string(dir.path(&format!("man1/rr-{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH rr-{name} 1")), "{name}: {page}");
    }
    assert!(dir.path("man1/rr.1").exists());
    for shell in ["bash", "zsh", "fish"] {
        let script = dir.rr(&["completions", shell]).fine();
        for word in names.iter().chain(&["chrome-trace", "context"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(dir.rr(&["completions", "tcsh"]).code, 2);
}
