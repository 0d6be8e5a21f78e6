//! Standard input as a terminal: raw while the guest runs, and restored after it; Ctrl-A escapes.

use crate::harness::{Dir, RR, Ran, eventually, sample};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A terminal with `rr record` of `echo` on it.
struct Terminal {
    keys: File,
    line: File,
    before: Termios,
    child: Child,
    screen: String,
}

impl Terminal {
    fn start(dir: &Dir) -> Self {
        let keys = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&keys).unwrap();
        rustix::pty::unlockpt(&keys).unwrap();
        let name = rustix::pty::ptsname(&keys, Vec::new()).unwrap();
        let name = name.to_str().unwrap().to_owned();
        let line = File::options().read(true).write(true).open(name).unwrap();
        let before = tcgetattr(&line).unwrap();
        let other = || line.try_clone().unwrap();
        let child = Command::new(RR)
            .args(["record", "--kernel", &sample("echo"), "-o"])
            .arg(dir.path("rec.rr"))
            .stdin(other())
            .stdout(other())
            .stderr(File::create(dir.path("err")).unwrap())
            .spawn()
            .unwrap();
        let (keys, screen) = (File::from(keys), String::new());
        Self {
            keys,
            line,
            before,
            child,
            screen,
        }
    }

    fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn wait_for(&mut self, text: &str) {
        eventually(text, || {
            let soon = Timespec {
                tv_sec: 0,
                tv_nsec: 10_000_000,
            };
            let mut fds = [PollFd::new(&self.keys, PollFlags::IN)];
            if poll(&mut fds, Some(&soon)).unwrap() > 0 {
                let mut bytes = [0; 4096];
                let count = self.keys.read(&mut bytes).unwrap();
                self.screen += &String::from_utf8_lossy(&bytes[..count]);
            }
            self.screen.contains(text)
        });
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits for the end, and checks that the terminal is restored and the recording replays.
    #[track_caller]
    fn end(mut self, dir: &Dir) -> Ran {
        let mut status = None;
        eventually("the end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let after = tcgetattr(&self.line).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
        assert_eq!(after.control_modes, self.before.control_modes);
        let code = status.and_then(|status| status.code()).unwrap();
        let err = String::from_utf8(dir.read("err")).unwrap();
        let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
        dir.rr(&["verify", "rec.rr"]).code(0);
        let out = replayed.out;
        Ran { code, out, err }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn raw_while_it_runs() {
    let dir = Dir::new();
    let mut terminal = Terminal::start(&dir);
    terminal.wait_for("quit` ends");
    eventually("raw mode", || terminal.is_raw());
    // Ctrl-C goes to the guest.
    terminal.type_in("ab\x03c\r");
    terminal.wait_for("1: ab\x03c");
    terminal.type_in("quit\r");
    let ran = terminal.end(&dir).code(0);
    assert!(
        ran.text()
            .contains("1: ab\x03c\n2: quit\n2 lines, 10 bytes"),
        "{}",
        ran.text()
    );
    assert!(ran.err.contains("the guest powered off"), "{}", ran.err);
}

#[test]
fn escapes() {
    let dir = Dir::new();
    let mut terminal = Terminal::start(&dir);
    terminal.wait_for("quit` ends");
    eventually("raw mode", || terminal.is_raw());
    terminal.type_in("\x01h");
    let help = "Ctrl-A h  this help\nCtrl-A x  end the run\nCtrl-A Ctrl-A  send Ctrl-A\n";
    eventually("the help", || dir.read("err").ends_with(help.as_bytes()));
    // An escape in two pieces, and an unknown one.
    terminal.type_in("[\x01");
    terminal.type_in("\x01]\x01q\r");
    terminal.wait_for("1: [\x01]\r\n");
    terminal.type_in("\x01x");
    let ran = terminal.end(&dir).code(0);
    assert!(ran.text().ends_with("1: [\x01]\n"), "{}", ran.text());
    assert!(
        ran.err.contains("stopped by the user; recorded "),
        "{}",
        ran.err
    );
}

/// A signal restores the terminal as well.
#[test]
fn signal() {
    let dir = Dir::new();
    let mut terminal = Terminal::start(&dir);
    terminal.wait_for("quit` ends");
    eventually("raw mode", || terminal.is_raw());
    let pid = rustix::process::Pid::from_child(&terminal.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ran = terminal.end(&dir).code(143);
    assert!(
        ran.err.contains("stopped by SIGTERM; recorded "),
        "{}",
        ran.err
    );
}

/// The time from a key to the guest's answer on the screen, in a recording. The times are printed.
/// The test fails only above a second, which would be wrong on any host.
#[test]
fn keys_are_answered_soon() {
    let dir = Dir::new();
    let mut terminal = Terminal::start(&dir);
    terminal.wait_for("quit` ends");
    eventually("raw mode", || terminal.is_raw());
    let mut delays = Vec::new();
    for line in 1..=100 {
        let before = Instant::now();
        terminal.type_in("\r");
        terminal.wait_for(&format!("\n{line}: \r\n"));
        delays.push(before.elapsed());
    }
    terminal.type_in("quit\r");
    terminal.end(&dir).code(0);
    delays.sort();
    let (median, worst) = (delays[50], delays[99]);
    eprintln!("from a key to the answer: median {median:?}, worst {worst:?} of 100");
    assert!(median < Duration::from_secs(1), "{median:?}");
}
