//! The test harness: a folder for each test, in which `rr` runs.

use assert_cmd::Command;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The limit of every wait. No test needs a tenth of it, even on two busy cores. A process that
/// hangs is killed, and the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The result of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    /// Exit status.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: Vec<u8>,
    /// Standard error.
    pub(crate) err: String,
}

impl Ran {
    fn of(what: &str, output: std::process::Output) -> Self {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let Some(code) = output.status.code() else {
            panic!("{what}: {} (hung, or killed): {err}", output.status);
        };
        assert!(!err.contains("panicked"), "{what}: {err}");
        let out = output.stdout;
        Self { code, out, err }
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Asserts the exit status.
    #[track_caller]
    pub(crate) fn code(self, wanted: i32) -> Self {
        assert_eq!(
            self.code,
            wanted,
            "stdout: {}\nstderr: {}",
            self.text(),
            self.err
        );
        self
    }

    /// The number before " instructions" in the output.
    #[track_caller]
    pub(crate) fn icount(&self) -> u64 {
        let text = format!("{} {}", self.err, self.text());
        let before = text.split(" instructions").next().unwrap_or_default();
        let number = before.rsplit(' ').next().unwrap_or_default();
        let icount = number.replace(',', "").parse();
        icount.unwrap_or_else(|_| panic!("no instruction count in: {text}"))
    }

    /// The error: exactly one line, which begins with `rr: `. The folder's path in it is replaced.
    #[track_caller]
    pub(crate) fn error(&self, dir: &Dir) -> String {
        let lines: Vec<_> = self.err.lines().collect();
        assert_eq!(lines.len(), 1, "one line was expected: {}", self.err);
        let line = self.err.trim_end().strip_prefix("rr: ");
        let line = line.unwrap_or_else(|| panic!("does not begin with `rr: `: {}", self.err));
        line.replace(&dir.canonical(), "DIR")
    }
}

/// A folder that is removed at the end of the test; `rr` runs in it.
pub(crate) struct Dir {
    folder: TempDir,
}

impl Dir {
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("rr-e2e-").unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn canonical(&self) -> String {
        let path = self.folder.path().canonicalize().unwrap();
        path.display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs `rr` to its end, without input.
    pub(crate) fn rr(&self, args: &[&str]) -> Ran {
        self.rr_with(args, b"")
    }

    /// Runs `rr` to its end. `input` comes through a pipe, which is closed after it.
    pub(crate) fn rr_with(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = Command::new(RR);
        command.current_dir(self.folder.path()).timeout(PATIENCE);
        command.args(args).write_stdin(input);
        Ran::of(&args.join(" "), command.output().unwrap())
    }

    /// Runs a script with `rr` on its path. A closed pipe does not change the script's exit status.
    pub(crate) fn shell(&self, script: &str) -> Ran {
        let mut command = Command::new("bash");
        let bin = Path::new(RR).parent().unwrap().display();
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{bin}:{path}"));
        command.current_dir(self.folder.path()).timeout(PATIENCE);
        command.args(["-c", script]).write_stdin("");
        Ran::of(script, command.output().unwrap())
    }

    /// Starts `rr` with a pipe as its input. Its output goes to the files `stdout` and `stderr`.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, Stdio::piped(), "stdout", "stderr")
    }

    pub(crate) fn start_with(&self, args: &[&str], input: Stdio, out: &str, err: &str) -> Running {
        let create = |name| fs::File::create(self.path(name)).unwrap();
        let child = std::process::Command::new(RR)
            .current_dir(self.folder.path())
            .args(args)
            .stdin(input)
            .stdout(create(out))
            .stderr(create(err))
            .spawn()
            .unwrap();
        Running {
            child,
            out: self.path(out),
            err: self.path(err),
        }
    }

    /// Records, replays and verifies, and checks that the console, the instruction count and the
    /// digest are the same each time.
    #[track_caller]
    pub(crate) fn round_trip(&self, machine: &[&str], input: &[u8]) -> Ran {
        let rec = "rec.rr";
        let args = [&["record", "-o", rec], machine].concat();
        let recorded = self.rr_with(&args, input);
        self.check_replay(rec, &recorded);
        recorded
    }

    /// Replays and verifies a recording that was properly ended.
    #[track_caller]
    pub(crate) fn check_replay(&self, rec: &str, recorded: &Ran) {
        let replayed = self.rr(&["replay", rec]).code(0);
        assert_eq!(replayed.text(), recorded.text());
        assert_eq!(replayed.icount(), recorded.icount(), "{}", replayed.err);
        let verified = self.rr(&["verify", rec]).code(0);
        assert_eq!(verified.icount(), recorded.icount());
        let said = verified.text();
        assert!(said.starts_with("verified: "), "{said}");
        assert!(
            said.trim_end()
                .ends_with(&format!("final digest {}", self.last_digest(rec))),
            "{said}"
        );
        let count = (self.read(&format!("{rec}/digests.bin")).len() - 48) / 32;
        assert!(
            said.contains(&format!("{count} of {count} state digests equal")),
            "{said}"
        );
    }

    /// Removes the seal: the recording then is like one that was killed at its very end, or that an
    /// earlier rr has made. Without it, changed files are noticed by what the replay does.
    #[track_caller]
    pub(crate) fn unseal(&self, rec: &str) {
        fs::remove_file(self.path(rec).join("seal.json")).unwrap();
    }

    /// The digest at the end of the recorded run, as `verify` prints it.
    fn last_digest(&self, rec: &str) -> String {
        let digests = self.read(&format!("{rec}/digests.bin"));
        // The last record is the digest of the log.
        let last = &digests[digests.len() - 48..digests.len() - 32];
        last.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The program under test.
pub(crate) const RR: &str = env!("CARGO_BIN_EXE_rr");

/// The path of a sample.
pub(crate) fn sample(name: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/");
    let path = match name {
        "heisenbug/input.txt" => format!("{root}{name}"),
        _ if name.starts_with("logs/") => format!("{root}{name}"),
        _ => format!("{root}bin/{name}.elf"),
    };
    assert!(Path::new(&path).exists(), "{path}");
    path
}

/// An `rr` that runs. It is killed on drop.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.out).unwrap()).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.err).unwrap()).into_owned()
    }

    /// Waits until it has printed this text.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        eventually(text, || {
            let ended = self.child.try_wait().unwrap().is_some();
            let said = self.stdout().contains(text) || self.stderr().contains(text);
            assert!(
                said || !ended,
                "{text:?}: {}{}",
                self.stdout(),
                self.stderr()
            );
            said
        });
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, and returns its exit status as a shell counts: 128 and the number of the
    /// signal that it has ended by. Fails if it has panicked.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let mut status = None;
        eventually("the end of rr", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let err = self.stderr();
        assert!(!err.contains("panicked"), "{err}");
        let signal = |status: ExitStatus| status.signal().map(|signal| 128 + signal);
        status.and_then(|status| status.code().or(signal(status)))
    }

    /// Waits for its end, and returns its result.
    #[track_caller]
    pub(crate) fn ran(mut self) -> Ran {
        drop(self.child.stdin.take());
        let code = self.wait().unwrap_or_else(|| panic!("{}", self.stderr()));
        let (out, err) = (fs::read(&self.out).unwrap(), self.stderr());
        Ran { code, out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `is_so` returns true.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
