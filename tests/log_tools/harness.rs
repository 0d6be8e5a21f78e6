//! The binary, the sample logs, a place for files.

use std::io::Read;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// The repository's root, as the tests see it.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Asserts success without a message. Returns the output.
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""));
        self.out
    }

    /// Asserts failure with one line. Returns the line.
    #[track_caller]
    pub(crate) fn complaint(self) -> String {
        assert_eq!(self.code, 2, "{self:?}");
        let lines: Vec<&str> = self.err.lines().collect();
        let [line] = lines[..] else {
            panic!("one line was expected: {}", self.err);
        };
        line.strip_prefix("rr: ")
            .expect("begins with rr:")
            .to_owned()
    }
}

/// A directory for the files of one test, in which the command runs.
#[derive(Debug)]
pub(crate) struct Dir(TempDir);

impl Dir {
    pub(crate) fn new() -> Dir {
        Dir(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// The command, with this directory as its working directory.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rr"));
        command.current_dir(self.0.path());
        command
    }

    /// Runs `rr` with these arguments. An argument may hold spaces.
    #[track_caller]
    pub(crate) fn rr(&self, arguments: &[&str]) -> Ran {
        let output = self.command().args(arguments).output().unwrap();
        let ran = Ran {
            code: output.status.code().expect("not killed"),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        };
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran
    }
}

/// Records a guest in this directory.
pub(crate) fn record(dir: &Dir, guest: &str, arguments: &[&str], input: &str) {
    let kernel = Path::new(ROOT).join(format!("samples/bin/{guest}.elf"));
    let mut command = dir.command();
    command.args(["record", "--quiet", "-o", "rec.rr", "--kernel"]);
    command.arg(kernel).args(arguments).write_stdin(input);
    command.assert().success();
}

/// A sample log, unpacked.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let all = samples().into_iter();
    let found = all.into_iter().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("samples/logs has {name}")).1
}

/// Every sample log, unpacked, by its name without `.gz`.
pub(crate) fn samples() -> Vec<(String, Vec<u8>)> {
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(Path::new(ROOT).join("samples/logs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let file = std::fs::read(&path).unwrap();
        if let Some(name) = name.strip_suffix(".gz") {
            let mut bytes = Vec::new();
            flate2::read::GzDecoder::new(&file[..])
                .read_to_end(&mut bytes)
                .unwrap();
            logs.push((name.to_owned(), bytes));
        } else if name.ends_with(".bin") {
            logs.push((name, file));
        }
    }
    logs.sort();
    assert!(logs.len() >= 8, "only {} samples", logs.len());
    logs
}

/// The members of each line of ndjson.
pub(crate) fn ndjson(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
