//! The backends of the serial port: files, `null`, sockets, pseudo-terminals, pipes.

use crate::harness::{Dir, PATIENCE, Running, eventually, sample};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::time::Duration;

fn echo(dir: &Dir, backend: &str) -> Running {
    let args = [
        "record",
        "--kernel",
        &sample("echo"),
        "-o",
        "rec.rr",
        "--serial",
        backend,
    ];
    dir.start(&args)
}

/// The totals that `echo` prints for this input.
pub(crate) fn totals(input: &[u8]) -> String {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    let checksum = input.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    format!("{} bytes, checksum {checksum:016x}\n", input.len())
}

/// Checks that the replay prints the bytes that the other end got.
#[track_caller]
fn check(dir: &Dir, running: Running, got: &[u8]) {
    let recorded = running.ran().code(0);
    assert_eq!(recorded.text(), "", "the console is elsewhere");
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
    assert_eq!(replayed.text(), String::from_utf8_lossy(got));
    dir.rr(&["verify", "rec.rr"]).code(0);
}

#[test]
fn file() {
    let dir = Dir::new();
    let args = ["record", "--kernel", &sample("hello"), "-o", "rec.rr"];
    dir.rr(&[&args[..], &["--serial", "file:console"]].concat())
        .code(0);
    let console = dir.read("console");
    assert!(console.starts_with(b"Hello"));
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
    assert_eq!(replayed.out, console);
    let replayed = dir
        .rr(&["replay", "rec.rr", "--serial", "file:again"])
        .code(0);
    assert_eq!((replayed.text().as_str(), dir.read("again")), ("", console));
}

/// Output that was dropped in the recording shows in the replay.
#[test]
fn null() {
    let dir = Dir::new();
    let args = [
        "record",
        "--kernel",
        &sample("hello"),
        "-o",
        "rec.rr",
        "--serial",
        "null",
    ];
    assert_eq!(dir.rr(&args).code(0).text(), "");
    assert!(
        dir.rr(&["replay", "rec.rr"])
            .code(0)
            .text()
            .starts_with("Hello")
    );
    assert_eq!(
        dir.rr(&["replay", "rec.rr", "--serial", "null"])
            .code(0)
            .text(),
        ""
    );
}

#[test]
fn unix_client() {
    let dir = Dir::new();
    let listener = UnixListener::bind(dir.path("socket")).unwrap();
    let running = echo(&dir, "unix:socket");
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"hi\nquit\n").unwrap();
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert!(got.ends_with(totals(b"hi\nquit\n").as_bytes()));
    check(&dir, running, &got);
}

#[test]
fn unix_server_and_again() {
    let dir = Dir::new();
    for _ in 0..2 {
        let mut running = echo(&dir, "unix:socket,server");
        running.wait_for("rr: waiting for a connection to socket\n");
        let mut peer = UnixStream::connect(dir.path("socket")).unwrap();
        peer.write_all(b"hi\nquit\n").unwrap();
        let mut got = Vec::new();
        peer.read_to_end(&mut got).unwrap();
        assert!(got.ends_with(totals(b"hi\nquit\n").as_bytes()));
        check(&dir, running, &got);
        fs::remove_dir_all(dir.path("rec.rr")).unwrap();
    }
}

const SERVER: &str = "unix:socket,server=on,wait=off";

/// Connects to a server that will soon listen.
fn connect(dir: &Dir) -> UnixStream {
    let mut stream = None;
    eventually("the socket", || {
        stream = UnixStream::connect(dir.path("socket")).ok();
        stream.is_some()
    });
    stream.unwrap()
}

/// Reads up to this text.
#[track_caller]
fn read_up_to(peer: &mut UnixStream, text: &str) -> Vec<u8> {
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut got = Vec::new();
    while !got.ends_with(text.as_bytes()) {
        let mut byte = [0];
        let count = peer.read(&mut byte).unwrap();
        assert_eq!(count, 1, "{text}: {}", String::from_utf8_lossy(&got));
        got.extend(byte);
    }
    got
}

/// Clients come and go; one of them sends, and leaves without reading. Output without a client
/// shows only in the replay.
#[test]
fn unix_clients_that_come_and_go() {
    let dir = Dir::new();
    let running = echo(&dir, SERVER);
    let mut first = connect(&dir);
    first.write_all(b"one\n").unwrap();
    let mut heard = read_up_to(&mut first, "1: one\n");
    // It waits in the queue until the first client is gone.
    let mut second = connect(&dir);
    second.write_all(b"two\n").unwrap();
    drop((first, second));
    let mut third = connect(&dir);
    third.write_all(b"quit\n").unwrap();
    third.read_to_end(&mut heard).unwrap();
    let input = b"one\ntwo\nquit\n";
    assert!(heard.ends_with(totals(input).as_bytes()));
    let recorded = running.ran().code(0);
    assert_eq!(recorded.text(), "");
    assert!(!dir.path("socket").exists());
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0).text();
    for wanted in ["1: one", "2: two", "3: quit", &totals(input)] {
        assert!(replayed.contains(wanted), "{wanted}: {replayed}");
    }
    dir.rr(&["verify", "rec.rr"]).code(0);
}

/// No client comes: the guest does not wait, and the log says that all output was taken.
#[test]
fn unix_server_without_a_client() {
    let dir = Dir::new();
    let kernel = sample("hello");
    let record = [
        "record", "--kernel", &kernel, "-o", "rec.rr", "--serial", SERVER,
    ];
    dir.rr(&record).code(0);
    assert!(!dir.path("socket").exists());
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
    assert!(replayed.text().starts_with("Hello"));
    dir.rr(&["verify", "rec.rr"]).code(0);
}

/// A replay can have clients, too. Their input changes nothing.
#[test]
fn unix_client_of_a_replay() {
    let dir = Dir::new();
    let kernel = sample("mix");
    let recorded = dir
        .rr(&[
            "record", "--kernel", &kernel, "--append", "n=300", "-o", "rec.rr",
        ])
        .code(0);
    let running = dir.start(&["replay", "rec.rr", "--serial", SERVER]);
    let mut peer = connect(&dir);
    peer.write_all(b"hello\x01x").unwrap();
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).unwrap();
    let ran = running.ran().code(0);
    assert_eq!(ran.icount(), recorded.icount());
    let heard = String::from_utf8(heard).unwrap();
    assert!(
        !heard.is_empty() && recorded.text().ends_with(&heard),
        "{heard}"
    );
}

/// The other end leaves: the guest goes on, and its later output is lost.
#[test]
fn unix_peer_that_leaves() {
    let dir = Dir::new();
    let listener = UnixListener::bind(dir.path("socket")).unwrap();
    let args = [
        "record",
        "--kernel",
        &sample("clock"),
        "--append",
        "n=20 ms=5",
        "-o",
        "rec.rr",
    ];
    let running = dir.start(&[&args[..], &["--serial", "unix:socket"]].concat());
    let (mut peer, _) = listener.accept().unwrap();
    let mut got = [0; 64];
    peer.read_exact(&mut got).unwrap();
    drop((peer, listener));
    running.ran().code(0);
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
    assert!(replayed.out.starts_with(&got));
    assert!(!replayed.text().contains("\nend "), "{}", replayed.text());
    dir.rr(&["verify", "rec.rr"]).code(0);
}

/// Starts `echo` with a pseudo-terminal, and opens the other end.
fn pty_echo(dir: &Dir) -> (Running, File) {
    let mut running = echo(dir, "pty");
    running.wait_for("rr: the serial port is /dev/pts/");
    eventually("the name", || running.stderr().ends_with('\n'));
    let err = running.stderr();
    let name = err.trim_end().rsplit(' ').next().unwrap();
    let line = File::options().read(true).write(true).open(name).unwrap();
    (running, line)
}

/// A slow reader gets everything, although Linux would drop what it has not read.
#[test]
fn pty_with_a_slow_reader() {
    let dir = Dir::new();
    let (running, mut line) = pty_echo(&dir);
    line.write_all(b"hi\rquit\r").unwrap();
    let (mut got, mut byte) = (Vec::new(), [0]);
    std::thread::sleep(Duration::from_millis(300));
    while let Ok(1) = line.read(&mut byte) {
        got.extend(byte);
        std::thread::sleep(Duration::from_millis(2));
    }
    let got_all = got.ends_with(totals(b"hi\rquit\r").as_bytes());
    assert!(got_all, "{}", String::from_utf8_lossy(&got));
    check(&dir, running, &got);
}

/// A reader that reads nothing, or that is not there, does not keep the program from ending.
#[test]
fn pty_without_a_reader() {
    let dir = Dir::new();
    let (running, mut line) = pty_echo(&dir);
    line.write_all(b"quit\r").unwrap();
    running.ran().code(0);
    drop(line);
    let hello = ["run", "--kernel", &sample("hello"), "--serial", "pty"];
    dir.rr(&hello).code(0);
}

#[test]
fn pty() {
    let dir = Dir::new();
    let (running, mut line) = pty_echo(&dir);
    line.write_all(b"hi\rquit\r").unwrap();
    let mut got = Vec::new();
    // The read ends with an error when the program has ended.
    let _ = line.read_to_end(&mut got);
    assert!(
        got.ends_with(totals(b"hi\rquit\r").as_bytes()),
        "{}",
        String::from_utf8_lossy(&got)
    );
    check(&dir, running, &got);
}

/// 64 KiB at once, through a pipe, and from a file that is readable before the guest is ready.
#[test]
fn not_a_byte_is_lost() {
    let mut input = Vec::new();
    for number in 0u32.. {
        if input.len() >= 64 << 10 {
            break;
        }
        let line = format!("line {number} {}\n", "x".repeat(number as usize % 100));
        input.extend(line.as_bytes());
    }
    input.extend(b"quit\n");
    for icount in ["shift=0,sleep=off", "shift=2", "shift=10"] {
        let dir = Dir::new();
        let machine = ["--kernel", &sample("echo"), "--icount", icount];
        let recorded = dir.round_trip(&machine, &input).code(0);
        assert!(recorded.text().ends_with(&totals(&input)), "{icount}");
        dir.write("input", &input);
        let file = Stdio::from(File::open(dir.path("input")).unwrap());
        let args = [&["record", "-o", "file.rr"], &machine[..]].concat();
        let recorded = dir.start_with(&args, file, "out", "err").ran().code(0);
        assert!(recorded.text().ends_with(&totals(&input)), "{icount}");
        dir.check_replay("file.rr", &recorded);
    }
}

/// Every byte value passes, both ways.
#[test]
fn all_bytes() {
    let dir = Dir::new();
    // Without Ctrl-D, which ends the guest, and without line ends.
    let mut input: Vec<u8> = (0..=255)
        .filter(|byte| ![4, 10, 13].contains(byte))
        .collect();
    input.extend(b"\nquit\n");
    let recorded = dir
        .round_trip(&["--kernel", &sample("echo")], &input)
        .code(0);
    assert!(recorded.text().ends_with(&totals(&input)));
    let wanted = &input[..input.len() - 6];
    assert!(
        recorded
            .out
            .windows(wanted.len())
            .any(|window| window == wanted)
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = Dir::new();
    let args = ["record", "--kernel", &sample("traps"), "-o", "rec.rr"];
    let recorded = dir.rr(&args).code(0);
    let first = recorded.text().lines().next().unwrap().to_owned();
    for command in [
        "replay rec.rr",
        "verify rec.rr",
        "dump rec.rr",
        "inspect rec.rr",
        "demo there",
    ] {
        let script = format!("rr {command} | head -1; exit ${{PIPESTATUS[0]}}");
        let ran = dir.shell(&script).code(0);
        assert_eq!(ran.text().lines().count(), 1, "{command}");
        if command.starts_with("replay") {
            assert_eq!(ran.text().trim_end(), first);
        }
        assert!(!ran.err.contains("roken pipe"), "{}", ran.err);
    }
    // In a recording, too, the log holds what was taken.
    let script = format!(
        "rr record --kernel {} --append 'n=50 ms=1' -o cut.rr | head -1; exit ${{PIPESTATUS[0]}}",
        sample("clock")
    );
    let seen = dir.shell(&script).code(0).text();
    let replayed = dir.rr(&["replay", "cut.rr"]).code(0);
    assert!(replayed.text().starts_with(&seen));
    dir.rr(&["verify", "cut.rr"]).code(0);
}
