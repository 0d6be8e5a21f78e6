//! Standard output and standard error, and what happens when they cannot be written.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::harness::{Dir, sample};

fn linux() -> Dir {
    let dir = Dir::new();
    dir.write("lx.bin", &sample("lx-q7.bin"));
    dir
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = linux();
    for format in ["text", "ndjson", "table"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rr"))
            .args(["dump", "lx.bin", "--format", format])
            .current_dir(dir.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut some = [0; 100];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut some).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{format}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let dir = linux();
    for arguments in [
        &["dump", "lx.bin"][..],
        &["dump", "lx.bin", "--limit", "1"],
        &["dump", "lx.bin", "--format", "ndjson"],
        &["dump", "lx.bin", "--format", "table"],
        &["inspect", "lx.bin"],
        &["inspect", "lx.bin", "--json"],
        &["--help"],
        &["--version"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_rr"))
            .args(arguments)
            .current_dir(dir.path(""))
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(
            err.starts_with("rr: cannot write to standard output: No space left on device"),
            "{arguments:?}: {err}"
        );
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

#[test]
fn no_colours_and_no_bars_in_a_pipe() {
    let dir = linux();
    for arguments in [&["dump", "lx.bin"][..], &["inspect", "lx.bin"], &["--help"]] {
        let out = dir.rr(arguments).fine();
        assert!(!out.contains('\x1b'), "{arguments:?}");
    }
}

#[test]
fn quiet_leaves_out_notes() {
    let dir = linux();
    dir.write("cut.bin", &sample("lx-q7.bin")[..1000]);
    let ran = dir.rr(&["dump", "cut.bin"]);
    assert!(
        ran.err
            .starts_with("rr: note: cut.bin: truncated at offset "),
        "{}",
        ran.err
    );
    assert_eq!(dir.rr(&["dump", "cut.bin", "--quiet"]).fine(), ran.out);
    assert_eq!(dir.rr(&["-q", "dump", "cut.bin"]).fine(), ran.out);
}

/// Several threads print a long log, and one thread with `--limit`: the output is the same.
#[test]
fn many_threads_print_what_one_does() {
    let once = sample("lio-q10.bin");
    let body = &once[12..once.len() - 1];
    let mut log = once[..12].to_vec();
    for copy in 0..12 {
        log.extend_from_slice(body);
        // Longer than a thread's piece: REPLAY_ASYNC_EVENT_CHAR_READ, 200,000 bytes.
        if copy % 5 == 2 {
            log.extend([7, 0, 0, 3, 0x0d, 0x40]);
            log.extend(std::iter::repeat_n(b'x', 200_000));
        }
    }
    let whole = [&log[..], &once[once.len() - 1..]].concat();
    let mut damaged = whole.clone();
    let end = damaged.len();
    damaged.splice(end - 1..end - 1, [0xff, 0xff]);
    let dir = Dir::new();
    for (name, bytes) in [
        ("whole", &whole[..]),
        ("cut", &log[..log.len() - 3]),
        ("damaged", &damaged),
        ("trailing", &[&whole[..], &log].concat()),
    ] {
        dir.write(name, bytes);
        for range in [
            &[][..],
            &["--from", "10%", "--to", "85%"],
            &[
                "--from",
                "event#1000",
                "--to",
                "event#200000",
                "--kind",
                "char-read,net,exception",
            ],
        ] {
            let dump = [&["dump", name, "--format", "ndjson"], range].concat();
            let many = dir.rr(&dump);
            let one = dir.rr(&[&dump[..], &["--limit", "99999999"]].concat());
            assert!(many.out.lines().count() > 10_000, "{name} {range:?}");
            assert!(many == one, "{name} {range:?}: {} {}", many.err, one.err);
        }
    }
}
