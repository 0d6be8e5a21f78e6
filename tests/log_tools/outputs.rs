//! The output files of the log tools, and input files that change while they are read.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::harness::{Dir, sample};

/// The tools that write a file. The file's name follows the arguments.
const WRITERS: [&[&str]; 5] = [
    &["repair", "log", "-o"],
    &["slice", "log", "-o"],
    &["export", "log", "--pcap"],
    &["export", "log", "--console"],
    &["export", "log", "--chrome-trace"],
];

fn with_log() -> Dir {
    let dir = Dir::new();
    dir.write("log", &sample("lio-q10.bin"));
    dir
}

fn rr(dir: &Dir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rr"));
    command.args(arguments).current_dir(dir.path(""));
    command
}

#[test]
fn names_that_cannot_be_written() {
    let dir = with_log();
    std::fs::create_dir(dir.path("folder")).unwrap();
    dir.write("there", b"dear to me");
    for writer in WRITERS {
        for (name, options, expected) in [
            (
                "there",
                &[][..],
                "there: already exists; choose another name, or pass --overwrite",
            ),
            (
                "log",
                &[],
                "log: already exists; choose another name, or pass --overwrite",
            ),
            (
                "folder",
                &["--overwrite"],
                "folder: is a directory; name a file in it",
            ),
            (
                "no/such/x",
                &[],
                "no/such/x: cannot be written: there is no directory no/such",
            ),
            (
                "there/x",
                &[],
                "there/x: cannot be written: not a directory",
            ),
        ] {
            let said = dir.rr(&[writer, &[name], options].concat()).complaint();
            assert_eq!(said, expected, "{writer:?}");
        }
    }
    let both = ["export", "log", "--pcap", "x", "--chrome-trace", "x"];
    let said = dir.rr(&both).complaint();
    assert_eq!(said, "x: only one of them can be written there");
    // Nothing was changed, and nothing is left behind.
    assert_eq!(std::fs::read(dir.path("there")).unwrap(), b"dear to me");
    assert_eq!(
        std::fs::read(dir.path("log")).unwrap(),
        sample("lio-q10.bin")
    );
    assert_eq!(std::fs::read_dir(dir.path("")).unwrap().count(), 3);
}

#[test]
fn a_log_can_be_replaced_by_what_is_made_of_it() {
    let dir = with_log();
    let whole = sample("lio-q10.bin");
    dir.write("log", &whole[..100_000]);
    dir.rr(&["repair", "log", "-o", "log", "--overwrite"])
        .fine();
    let out = dir.rr(&["inspect", "log"]).fine();
    assert!(out.contains("complete      yes"), "{out}");
    let repaired = std::fs::read(dir.path("log")).unwrap();
    dir.rr(&["-q", "slice", "log", "-o", "log", "--overwrite"])
        .fine();
    assert_eq!(std::fs::read(dir.path("log")).unwrap(), repaired);
}

#[test]
fn standard_output_and_a_file_get_the_same() {
    let dir = with_log();
    for writer in WRITERS {
        dir.rr(&[&["-q"], writer, &["file", "--overwrite"]].concat());
        let output = rr(&dir, &[writer, &["-"]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{writer:?}");
        assert!(
            output.stdout == std::fs::read(dir.path("file")).unwrap(),
            "{writer:?}"
        );
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.lines().all(|line| line.starts_with("rr: note: ")),
            "{said}"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk() {
    let dir = with_log();
    for writer in WRITERS {
        if writer.contains(&"--console") {
            // The log holds no serial input, so nothing can be lost.
            continue;
        }
        let said = dir.rr(&[writer, &["/dev/full"]].concat()).complaint();
        let expected = "/dev/full: cannot be written: No space left on device";
        assert!(said.starts_with(expected), "{writer:?}: {said}");
        let mut command = rr(&dir, &[writer, &["-"]].concat());
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{writer:?}: {said}");
        let expected = "rr: cannot write to standard output: No space left on device";
        assert!(said.starts_with(expected), "{writer:?}: {said}");
    }
}

#[test]
fn readers_that_go_away() {
    let dir = with_log();
    for writer in WRITERS {
        let mut command = rr(&dir, &[&["-q"], writer, &["-"]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{writer:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{writer:?}");
    }
}

/// A tool reads the log as long as it was when it was opened, while a recording goes on.
#[test]
fn a_log_that_grows() {
    let dir = Dir::new();
    let whole = sample("lx-q7.bin");
    let (now, later) = whole.split_at(whole.len() / 2);
    dir.write("log", now);
    let expected = dir.rr(&["dump", "log"]);
    for command in [&["dump", "log"][..], &["dump", "log", "--format", "ndjson"]] {
        let before = dir.rr(command);
        let mut child = rr(&dir, command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut out = vec![0; 1000];
        stdout.read_exact(&mut out).unwrap();
        // It waits for its reader, so it has read only a part.
        let mut log = File::options().append(true).open(dir.path("log")).unwrap();
        log.write_all(later).unwrap();
        stdout.read_to_end(&mut out).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(out == before.out.as_bytes(), "{command:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), before.err);
        assert_eq!(before.err, expected.err);
        log.set_len(now.len() as u64).unwrap();
    }
}

#[test]
fn a_slice_tells_what_it_may_lack() {
    let dir = with_log();
    let whole = sample("lio-q10.bin");
    dir.write("cut", &whole[..100_000]);
    let note = "rr: note: cut: truncated at offset ";
    let ran = dir.rr(&["slice", "cut", "--from", "10%", "-o", "x"]);
    assert!(ran.code == 0 && ran.err.contains(note), "{}", ran.err);
    let ran = dir.rr(&["slice", "cut", "--to", "10%", "-o", "y"]);
    assert!(ran.code == 0 && !ran.err.contains(note), "{}", ran.err);
}
