//! A recording comes from a stranger: whatever lies under the names of its files, and whatever text
//! they hold, rr neither hangs, nor fills memory, nor passes an escape sequence to the terminal.

use crate::harness::{Dir, RR, sample};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Bytes of address space that a command gets: far more than it needs, far less than a host has.
const MEMORY_KIB: u64 = 3_000_000;
/// What commands read a recording. The strange recording is b.rr.
const COMMANDS: [&str; 13] = [
    "verify b.rr",
    "verify b.rr --json --segment 1/2",
    "replay b.rr --serial null",
    "replay b.rr --from at-10000 --serial null",
    "inspect b.rr",
    "inspect b.rr --json",
    "dump b.rr",
    "snapshot list b.rr",
    "snapshot list b.rr --json",
    "diff a.rr b.rr",
    "diff a.rr b.rr --json",
    "slice b.rr --from 12000 -o c.rr",
    "export b.rr --console -",
];

/// Puts something under a name.
type Make<'m> = &'m dyn Fn(&Path);

/// A recording a.rr with a disk and snapshots.
fn recorded() -> Dir {
    let dir = Dir::new();
    dir.write("disk.raw", [0; 65536]);
    let args = [
        "record",
        "-m",
        "4M",
        "--drive",
        "file=disk.raw,format=raw",
        "-o",
        "a.rr",
    ];
    let kernel = sample("hello");
    dir.rr(&[
        &args[..],
        &["--snapshot-every", "10000", "--kernel", &kernel],
    ]
    .concat())
        .code(0);
    dir
}

/// Makes b.rr, which is as a.rr.
fn copy(dir: &Dir) {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to),
                false => fs::copy(entry.path(), to).map(drop).unwrap(),
            }
        }
    }
    for old in ["b.rr", "c.rr"] {
        let _ = fs::remove_dir_all(dir.path(old));
    }
    copy(&dir.path("a.rr"), &dir.path("b.rr"));
}

/// The files of a recording, and those that others have.
fn files(dir: &Dir) -> Vec<String> {
    let mut found = vec!["io-errors.json".to_owned()];
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(dir.path("a.rr").join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{folder}{name}");
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(path + "/"),
                false => found.push(path),
            }
        }
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

/// Runs a command with a limit of memory and of time.
fn limited(dir: &Dir, command: &str) -> Output {
    let script = format!("ulimit -v {MEMORY_KIB}; exec timeout 20 {RR} {command}");
    Command::new("bash")
        .args(["-c", &script])
        .current_dir(dir.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn other_kinds_of_files_and_sizes() {
    let dir = recorded();
    let kinds: [(&str, Make<'_>); 7] = [
        ("a FIFO", &|path| {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            mknodat(CWD, path, FileType::Fifo, Mode::from(0o600), 0).unwrap();
        }),
        ("a link to a device", &|path| {
            symlink("/dev/zero", path).unwrap()
        }),
        ("a link to nothing", &|path| {
            symlink("nothing", path).unwrap()
        }),
        ("a directory", &|path| fs::create_dir(path).unwrap()),
        ("an empty file", &|path| fs::write(path, "").unwrap()),
        ("a TiB of zeroes", &|path| {
            fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
        }),
        ("a socket", &|path| {
            // A socket's path may not be long.
            let short = dir.path("s");
            drop(UnixListener::bind(&short).unwrap());
            fs::rename(&short, path).unwrap();
        }),
    ];
    for file in files(&dir) {
        let name = file.rsplit('/').next().unwrap();
        for (kind, make) in &kinds {
            copy(&dir);
            let path = dir.path("b.rr").join(&file);
            let _ = fs::remove_file(&path);
            make(&path);
            for command in COMMANDS {
                let _ = fs::remove_dir_all(dir.path("c.rr"));
                let ran = limited(&dir, &format!("-q {command}"));
                let err = String::from_utf8_lossy(&ran.stderr);
                let what = format!("{file} is {kind}: rr {command}: {}: {err}", ran.status);
                // 1 is a difference, 4 a recording that can be checked only in part.
                let code = ran.status.code();
                assert!(
                    code.is_some_and(|code| [0, 1, 2, 4].contains(&code)),
                    "{what}"
                );
                if code == Some(2) {
                    assert_eq!(err.lines().count(), 1, "{what}");
                    assert!(err.starts_with("rr: ") && err.contains(name), "{what}");
                }
            }
        }
    }
}

/// Places of strings in a JSON value.
fn strings(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                strings(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                strings(item, &format!("{at}/{index}"), found);
            }
        }
        Value::String(_) | Value::Null => found.push(at.to_owned()),
        Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn escape_sequences_in_names_and_texts() {
    const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{9b}31m";
    let dir = recorded();
    for file in [
        "machine.json",
        "seal.json",
        "snapshots/at-10000/snapshot.json",
    ] {
        let text = dir.read(&format!("a.rr/{file}"));
        let whole: Value = serde_json::from_slice(&text).unwrap();
        let mut places = Vec::new();
        strings(&whole, "", &mut places);
        assert!(places.len() > 3, "{places:?}");
        // The empty place stands for the name of a member.
        places.push(String::new());
        for place in places {
            copy(&dir);
            let mut value = whole.clone();
            match place.is_empty() {
                true => value[EVIL] = 1.into(),
                false => *value.pointer_mut(&place).unwrap() = EVIL.into(),
            }
            dir.write(&format!("b.rr/{file}"), value.to_string());
            for command in COMMANDS {
                let _ = fs::remove_dir_all(dir.path("c.rr"));
                let ran = limited(&dir, command);
                let said = [ran.stdout, ran.stderr].concat();
                let said = String::from_utf8_lossy(&said);
                let raw = |c: char| c.is_control() && !"\n\r\t".contains(c);
                assert!(!said.contains(raw), "{file}{place}: {command}: {said:?}");
            }
        }
    }
}

/// Names in a recording become parts of paths. None leads out of it.
#[test]
fn names_that_lead_out_of_the_recording() {
    let dir = recorded();
    let long = "x".repeat(300);
    for name in ["../../x", "", "a/b", "a\0b", ".", "1", &long] {
        copy(&dir);
        let mut machine: Value = serde_json::from_slice(&dir.read("a.rr/machine.json")).unwrap();
        machine["machine"]["drives"][0]["id"] = name.into();
        dir.write("b.rr/machine.json", machine.to_string());
        for command in [
            "verify b.rr",
            "replay b.rr",
            "snapshot save b.rr x --at 100",
        ] {
            let ran = limited(&dir, &format!("-q {command}"));
            let err = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(2), "{name:?}: {command}: {err}");
            assert!(
                err.starts_with("rr: b.rr/machine.json: "),
                "{name:?}: {err}"
            );
            assert!(err.contains("id="), "{name:?}: {command}: {err}");
        }
    }
}
