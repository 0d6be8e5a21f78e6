//! The output for people, compared in full.

use std::path::Path;

use crate::harness::{Dir, ROOT, sample};

#[track_caller]
fn same(name: &str, found: &str) {
    let path = Path::new(ROOT).join("tests/golden/log_tools").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{} differs; expected:\n{expected}\nfound:\n{found}\n\
         If the change is meant: UPDATE_GOLDEN=1 cargo test -p rr-cli --test log_tools",
        path.display()
    );
}

#[test]
fn small_logs() {
    let dir = Dir::new();
    for log in [
        "v7-serial.bin",
        "v7-start.bin",
        "input-q7.bin",
        "cm1k-q10.bin",
    ] {
        dir.write(log, &sample(log));
        let stem = log.trim_end_matches(".bin");
        same(
            &format!("{stem}.inspect.txt"),
            &dir.rr(&["inspect", log]).fine(),
        );
        same(
            &format!("{stem}.inspect.json"),
            &dir.rr(&["inspect", "--json", log]).fine(),
        );
        // It has over a thousand events, nearly all of two kinds, which show no more than the other
        // logs.
        if log == "cm1k-q10.bin" {
            continue;
        }
        same(&format!("{stem}.dump.txt"), &dir.rr(&["dump", log]).fine());
        for format in ["ndjson", "table"] {
            let out = dir.rr(&["dump", "--format", format, log]).fine();
            same(&format!("{stem}.dump.{format}"), &out);
        }
    }
}

#[test]
fn differences() {
    let dir = Dir::new();
    for (first, second) in [("cm1k-q7", "cm1k-q10"), ("v7-serial", "v7-start")] {
        for name in [first, second] {
            let name = format!("{name}.bin");
            dir.write(&name, &sample(&name));
        }
        let logs = [format!("{first}.bin"), format!("{second}.bin")];
        for (end, options) in [("txt", &[][..]), ("json", &["--json"])] {
            let arguments = [&["diff", &logs[0], &logs[1]], options].concat();
            let ran = dir.rr(&arguments);
            assert_eq!((ran.code, ran.err.as_str()), (1, ""));
            same(&format!("{first}.diff.{end}"), &ran.out);
        }
    }
}

#[test]
fn a_repaired_log() {
    let dir = Dir::new();
    let mut killed = sample("input-q7.bin");
    killed[..12].fill(0);
    killed.truncate(900);
    dir.write("killed.bin", &killed);
    let said = dir.rr(&["repair", "killed.bin", "-o", "saved.bin"]).fine();
    same("repair.txt", &said);
}

#[test]
fn a_recording_with_its_machine() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("boot.rr")).unwrap();
    dir.write("boot.rr/replay.bin", &sample("v7-start.bin"));
    dir.write(
        "boot.rr/machine.json",
        crate::recordings::MACHINE.as_bytes(),
    );
    same(
        "recording.inspect.txt",
        &dir.rr(&["inspect", "boot.rr"]).fine(),
    );
    same(
        "recording.inspect.json",
        &dir.rr(&["inspect", "boot.rr", "--json"]).fine(),
    );
}

#[test]
fn help() {
    let dir = Dir::new();
    for command in ["dump", "inspect", "diff", "slice", "repair", "export"] {
        let mut help = dir.command();
        help.args([command, "--help"]).env("COLUMNS", "100");
        let output = help.output().unwrap();
        same(
            &format!("{command}.help.txt"),
            str::from_utf8(&output.stdout).unwrap(),
        );
    }
}
