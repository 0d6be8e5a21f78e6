//! Recordings: directories with a log and the files beside it.

use crate::harness::{Dir, sample};

/// A machine.json with every member that a summary shows.
pub(crate) const MACHINE: &str = r#"{"format": 1, "rr_version": "0.1.0",
  "machine": {"memory": 134217728, "bios": null, "append": "console=ttyS0 quiet",
              "icount": {"shift": 3, "sleep": false}},
  "images": [{"role": "kernel", "path": "/guests/Image", "size": 5, "blake3": "00ff"},
             {"role": "initrd", "path": "/guests/a\nb", "size": 6, "blake3": "11ee"}],
  "digest_interval": 1000000}"#;

fn recording() -> Dir {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("boot.rr")).unwrap();
    dir.write("boot.rr/replay.bin", &sample("v7-start.bin"));
    dir.write("boot.rr/machine.json", MACHINE.as_bytes());
    dir
}

#[test]
fn the_directory_stands_for_its_log() {
    let dir = recording();
    let whole = dir.rr(&["dump", "boot.rr"]).fine();
    assert_eq!(whole, dir.rr(&["dump", "boot.rr/replay.bin"]).fine());
    let json = dir.rr(&["inspect", "--json", "boot.rr/"]).fine();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["recording"]["images"][0]["path"], "/guests/Image");
    assert_eq!(
        json["execution_ns"],
        json["instructions"].as_u64().unwrap() << 3
    );
}

#[test]
fn without_machine_json_the_log_is_shown_and_the_lack_named() {
    let dir = recording();
    std::fs::remove_file(dir.path("boot.rr/machine.json")).unwrap();
    dir.rr(&["dump", "boot.rr"]).fine();
    let ran = dir.rr(&["inspect", "boot.rr"]);
    assert!(ran.out.contains("EVENT_CLOCK_VIRTUAL_RT"), "{}", ran.out);
    let said = ran.complaint();
    assert!(
        said.starts_with("boot.rr: machine.json is missing"),
        "{said}"
    );
}

#[test]
fn a_bad_machine_json_does_not_hide_the_log() {
    let dir = recording();
    dir.write("boot.rr/machine.json", b"{\"format\": ");
    let ran = dir.rr(&["inspect", "--json", "boot.rr"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["events"], 8);
    let said = ran.complaint();
    assert!(said.starts_with("boot.rr/machine.json: EOF"), "{said}");

    // Members of any other form are shown as they are.
    for odd in [
        "[]",
        "7",
        "{\"machine\": 3, \"images\": {\"a\": 1}}",
        "{\"images\": [1, null]}",
    ] {
        dir.write("boot.rr/machine.json", odd.as_bytes());
        dir.rr(&["inspect", "boot.rr"]).fine();
        dir.rr(&["inspect", "--json", "boot.rr"]).fine();
    }
}

#[test]
fn a_directory_that_is_no_recording() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("empty.rr")).unwrap();
    for command in ["dump", "inspect"] {
        let said = dir.rr(&[command, "empty.rr"]).complaint();
        assert_eq!(
            said,
            "empty.rr: is a directory, but no recording: replay.bin is missing"
        );
    }
    std::fs::create_dir(dir.path("empty.rr/replay.bin")).unwrap();
    let said = dir.rr(&["dump", "empty.rr"]).complaint();
    assert_eq!(
        said,
        "empty.rr/replay.bin: is a directory; name a file in it"
    );
}
