//! Recordings that end in the middle: by `kill -9`, and by signals that ask the program to end.

use crate::harness::{Dir, Ran, Running, eventually, sample};
use rustix::process::Signal;
use std::io::Write;
use std::process::Stdio;

fn record(dir: &Dir, guest: &str, append: &str, icount: &str) -> Running {
    let kernel = sample(guest);
    let machine = ["--kernel", &kernel, "--append", append, "--icount", icount];
    dir.start(
        &[
            &["record", "-o", "rec.rr", "--digest-every", "1000000"],
            &machine[..],
        ]
        .concat(),
    )
}

fn size(dir: &Dir, file: &str) -> u64 {
    std::fs::metadata(dir.path(file)).map_or(0, |found| found.len())
}

/// Waits until all that has happened so far is on disk: after the log has grown twice, it is.
fn on_disk(dir: &Dir) {
    for _ in 0..2 {
        let before = size(dir, "rec.rr/replay.bin");
        eventually("the log to grow", || {
            size(dir, "rec.rr/replay.bin") > before
        });
    }
}

/// Replays a killed recording, which says that it was cut off.
#[track_caller]
fn check_cut(dir: &Dir) -> Ran {
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
    let note = "rr: note: the recording was cut off here: its last whole event; replayed ";
    assert!(replayed.err.starts_with(note), "{}", replayed.err);
    // Nothing vouches for what was recorded behind the last state digest.
    let verified = dir.rr(&["verify", "rec.rr"]).code(4);
    let said = verified.text();
    assert!(said.starts_with("unchecked behind icount "), "{said}");
    assert!(
        said.ends_with("; the recording was cut off there, at its last whole event\n"),
        "{said}"
    );
    assert_eq!(verified.icount(), replayed.icount());
    replayed
}

#[test]
fn killed_while_the_guest_waits() {
    let dir = Dir::new();
    let mut running = record(&dir, "echo", "", "shift=2");
    let input = running.child.stdin.as_mut().unwrap();
    input.write_all(b"one\ntwo\nthree\n").unwrap();
    running.wait_for("3: three\n");
    // Before the machine waits for input, the log is written out.
    eventually("the log", || {
        dir.rr(&["replay", "rec.rr"]).text().contains("3: three\n")
    });
    running.signal(Signal::KILL);
    running.wait();
    let replayed = check_cut(&dir);
    assert_eq!(replayed.text(), running.stdout());
}

#[test]
fn killed_while_the_guest_computes() {
    let dir = Dir::new();
    let mut running = record(&dir, "mix", "n=1000000", "shift=2");
    eventually("a second flush", || size(&dir, "rec.rr/digests.bin") > 16);
    on_disk(&dir);
    running.signal(Signal::KILL);
    running.wait();
    let replayed = check_cut(&dir);
    assert!(replayed.icount() >= 1_000_000);
    let verified = dir.rr(&["verify", "rec.rr"]).code(4).text();
    let checked = verified
        .split(" time, ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    assert!(checked.is_some_and(|count| count != "0"), "{verified}");
}

#[test]
fn killed_while_the_guest_naps() {
    let dir = Dir::new();
    let mut running = record(&dir, "clock", "n=1000000 ms=1", "shift=2,sleep=on");
    running.wait_for("tick 20: ");
    let printed = running.stdout();
    on_disk(&dir);
    running.signal(Signal::KILL);
    running.wait();
    let replayed = check_cut(&dir).text();
    assert!(
        replayed.starts_with(&printed),
        "lost: {printed}\nof which there is: {replayed}"
    );
    assert!(
        running.stdout().starts_with(&replayed),
        "made up: {replayed}"
    );
}

/// The guest waits because nobody reads the console. The log so far is on disk all the same.
#[test]
fn killed_while_the_console_is_full() {
    let dir = Dir::new();
    let (mut child, console) = with_full_console(&dir);
    child.kill().unwrap();
    child.wait().unwrap();
    let printed = console.drain();
    let replayed = check_cut(&dir);
    assert!(printed.starts_with(&replayed.out), "made up");
    // The write that waited is the last event, and is not complete.
    assert!(
        replayed.out.len() + 64 >= printed.len(),
        "{} of {}",
        replayed.out.len(),
        printed.len()
    );
}

#[test]
fn asked_to_end_while_the_console_is_full() {
    let dir = Dir::new();
    let (mut child, console) = with_full_console(&dir);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
    assert_eq!(replayed.out, console.drain());
    assert!(
        replayed.err.contains("stopped by a signal"),
        "{}",
        replayed.err
    );
    dir.rr(&["verify", "rec.rr"]).code(0);
}

/// The reading end of a full pipe.
struct Console(std::io::PipeReader);

impl Console {
    fn drain(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut self.0, &mut all).unwrap();
        all
    }
}

fn with_full_console(dir: &Dir) -> (std::process::Child, Console) {
    let (reader, writer) = std::io::pipe().unwrap();
    let kernel = sample("clock");
    let append = ["--append", "n=100000 ms=1", "--icount", "sleep=off"];
    let child = std::process::Command::new(crate::harness::RR)
        .args(["record", "--quiet", "--kernel", &kernel])
        .args(append)
        .arg("-o")
        .arg(dir.path("rec.rr"))
        .stdin(Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .spawn()
        .unwrap();
    eventually("a full pipe", || {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut full = [PollFd::new(&writer, PollFlags::OUT)];
        poll(&mut full, Some(&Timespec::default())).unwrap() == 0
    });
    // Everything but the write that waits.
    let printed = rustix::io::ioctl_fionread(&reader).unwrap();
    eventually("the log", || {
        dir.rr(&["replay", "rec.rr"]).out.len() as u64 + 64 >= printed
    });
    (child, Console(reader))
}

/// SIGTERM, SIGINT, SIGHUP: the recording is closed, and replays to its end.
#[test]
fn asked_to_end() {
    for (guest, append, signal, name, wait_for) in [
        ("echo", "", Signal::TERM, "SIGTERM", "quit` ends\n"),
        (
            "clock",
            "n=1000000 ms=5",
            Signal::INT,
            "SIGINT (Ctrl-C)",
            "tick  2: ",
        ),
        ("mix", "n=1000000", Signal::HUP, "SIGHUP", ""),
    ] {
        let dir = Dir::new();
        let mut running = record(&dir, guest, append, "shift=2");
        running.wait_for(wait_for);
        eventually("the recording", || size(&dir, "rec.rr/machine.json") > 0);
        eventually("a catcher", || catches(&running, signal));
        running.signal(signal);
        let recorded = running.ran().code(128 + signal.as_raw());
        let note = format!("rr: note: stopped by {name}; recorded ");
        assert!(recorded.err.starts_with(&note), "{guest}: {}", recorded.err);
        dir.check_replay("rec.rr", &recorded);
    }
}

/// True if the program handles the signal.
fn catches(running: &Running, signal: Signal) -> bool {
    let path = format!("/proc/{}/status", running.child.id());
    let status = std::fs::read_to_string(path).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap_or("0").trim(), 16).unwrap();
    caught >> (signal.as_raw() - 1) & 1 == 1
}

/// A replay that is interrupted is no divergence, and it is not verified.
#[test]
fn interrupted_replay() {
    let dir = Dir::new();
    let mut running = record(&dir, "mix", "n=1000000", "shift=2");
    eventually("a long recording", || {
        size(&dir, "rec.rr/digests.bin") > 16 + 32 * 100
    });
    running.signal(Signal::KILL);
    running.wait();
    let mut verify = dir.start(&["verify", "rec.rr"]);
    eventually("a catcher or the end", || {
        catches(&verify, Signal::INT) || verify.child.try_wait().unwrap().is_some()
    });
    verify.signal(Signal::INT);
    let code = verify.wait();
    // On a slow host the signal may come too late.
    let late = !verify.stdout().is_empty();
    let wanted = if late { 4 } else { 130 };
    assert_eq!(code, Some(wanted), "{}", verify.stderr());
    assert!(
        late || verify
            .stderr()
            .contains("stopped by SIGINT (Ctrl-C): not verified")
    );
}
