//! What `--overwrite` replaces and what it leaves alone; locks; what killed runs leave behind.

use crate::harness::{Dir, eventually, sample};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A folder with the recording `old.rr`, and `other.rr` to make a slice of.
fn recorded() -> Dir {
    let dir = Dir::new();
    for name in ["old.rr", "other.rr"] {
        let args = [
            "record",
            "--kernel",
            &sample("hello"),
            "-m",
            "4M",
            "-o",
            name,
        ];
        dir.rr(&args).code(0);
    }
    dir
}

/// The commands that replace a recording.
const REPLACE: [&str; 2] = [
    "record --kernel HELLO -m 4M -o old.rr --overwrite",
    "slice other.rr --from 100 --to 5000 -o old.rr --overwrite",
];

fn words(command: &str) -> Vec<String> {
    let hello = sample("hello");
    let words = command.split(' ');
    words
        .map(|word| {
            if word == "HELLO" {
                hello.clone()
            } else {
                word.to_owned()
            }
        })
        .collect()
}

fn run(dir: &Dir, command: &str) -> crate::harness::Ran {
    let words = words(command);
    dir.rr(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Paths and contents of all files below a folder; of a link, where it leads.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.is_symlink() {
                let to = fs::read_link(&path).unwrap();
                all.insert(name, to.display().to_string().into_bytes());
            } else if path.is_dir() {
                open.push(path);
            } else {
                all.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    all
}

/// Nothing hidden lies in the folder.
#[track_caller]
fn assert_tidy(dir: &Dir) {
    let names = fs::read_dir(dir.path(".")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let hidden: Vec<_> = names.filter(|name| name.starts_with('.')).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn what_rr_did_not_make_stays() {
    for command in REPLACE {
        let dir = recorded();
        let mine = [
            "old.rr/Image",
            "old.rr/.hidden",
            "old.rr/src/main.c",
            "old.rr/replay.bin.bak",
            "old.rr/snapshots/notes/n.txt",
            "old.rr/snapshots/notes/start/pages.bin",
            "old.rr/snapshots/todo",
        ];
        for name in mine {
            fs::create_dir_all(dir.path(name).parent().unwrap()).unwrap();
            dir.write(name, name);
        }
        symlink("/etc/hostname", dir.path("old.rr/link")).unwrap();
        run(&dir, command).code(0);
        for name in mine {
            assert_eq!(dir.read(name), name.as_bytes(), "{command}");
        }
        assert!(dir.path("old.rr/link").is_symlink());
        dir.rr(&["verify", "old.rr"]).code(0);
        assert_tidy(&dir);
    }
}

/// A path, and what puts something strange there.
type Spoil = (&'static str, fn(&Path));

/// All that rr makes is known as rr's own: of the old recording nothing stays.
#[test]
fn nothing_of_the_old_recording_stays() {
    let dir = recorded();
    dir.write("disk.raw", [0; 65536]);
    let plain: Vec<_> = tree(&dir.path("old.rr")).into_keys().collect();
    let drive = "--drive file=disk.raw,format=raw,id=d";
    run(
        &dir,
        &format!("record --kernel HELLO -m 4M {drive} --snapshot-every 1k -o full.rr"),
    )
    .code(0);
    run(&dir, "snapshot save full.rr mine --at 4321").code(0);
    dir.rr(&["replay", "full.rr", "--snapshot-every", "700"])
        .code(0);
    assert!(tree(&dir.path("full.rr")).len() > plain.len() + 20);
    for command in REPLACE {
        dir.shell("rm -r old.rr; cp -r full.rr old.rr").code(0);
        run(&dir, command).code(0);
        let left = tree(&dir.path("old.rr")).into_keys();
        // A slice has no pace.
        let strange: Vec<_> = left.filter(|name| !plain.contains(name)).collect();
        assert!(strange.is_empty(), "{command}: {strange:?}");
    }
}

/// Something in the recording has a name of rr's, and is not what rr makes there.
#[test]
fn what_looks_like_a_file_of_rr_is_refused() {
    let spoil: [Spoil; 8] = [
        ("old.rr/snapshots", |path| {
            fs::remove_dir_all(path).unwrap();
            symlink("../victim", path).unwrap();
        }),
        ("old.rr/snapshots/start", |path| {
            fs::write(path.join("mine"), "").unwrap();
        }),
        ("old.rr/snapshots/start/state.bin", |path| {
            fs::remove_file(path).unwrap();
            symlink("../../../victim/Documents/thesis", path).unwrap();
        }),
        ("old.rr/snapshots/.lock", |path| {
            let _ = fs::remove_file(path);
            fs::create_dir(path).unwrap();
        }),
        ("old.rr/replay.bin", |path| {
            fs::remove_file(path).unwrap();
            symlink("../victim/Documents/thesis", path).unwrap();
        }),
        ("old.rr/digests.bin", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("old.rr/overlay-mine.qcow2", |path| {
            symlink("../victim/Documents/thesis", path).unwrap();
        }),
        ("old.rr/io-errors.json", |path| {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                path,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap();
        }),
    ];
    for (name, spoil) in spoil {
        for command in REPLACE {
            let dir = recorded();
            fs::create_dir_all(dir.path("victim/Documents")).unwrap();
            dir.write("victim/Documents/thesis", "precious");
            spoil(&dir.path(name));
            let before: Vec<_> = tree_names(&dir);
            let error = run(&dir, command).code(2).error(&dir);
            assert!(
                error.contains("rr did not make this; move it away first"),
                "{error}"
            );
            assert_eq!(tree_names(&dir), before, "{name}: {command}");
            assert_eq!(dir.read("victim/Documents/thesis"), b"precious");
        }
    }
}

/// The names of all files, without reading them: one is a pipe.
fn tree_names(dir: &Dir) -> Vec<String> {
    let script = "find . ! -name std\\* | sort";
    dir.shell(script)
        .text()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_is_no_recording_is_not_replaced() {
    let others: [&[(&str, &str)]; 6] = [
        &[("machine.json", "{}"), ("src/main.c", "")],
        &[("machine.json", "{}")],
        &[("machine.json", r#"{"format": 3, "rr_version": 1}"#)],
        &[("machine.json", "[1]"), ("replay.bin", "x")],
        &[("diary", ""), ("replay.bin", "")],
        &[("machine.json.part", "{"), ("snapshots/mine/x", "")],
    ];
    for files in others {
        for command in REPLACE {
            let dir = recorded();
            fs::remove_dir_all(dir.path("old.rr")).unwrap();
            for (name, content) in files {
                let name = format!("old.rr/{name}");
                fs::create_dir_all(dir.path(&name).parent().unwrap()).unwrap();
                dir.write(&name, content);
            }
            let before = tree(&dir.path("old.rr"));
            let error = run(&dir, command).code(2).error(&dir);
            assert!(error.contains("is no recording"), "{files:?}: {error}");
            assert_eq!(tree(&dir.path("old.rr")), before, "{command}");
        }
    }
}

/// What a recording leaves that was killed in its first moments, or that a crash has damaged.
#[test]
fn what_is_left_of_a_recording_is_replaced() {
    let damage = [
        "mv old.rr/machine.json old.rr/machine.json.part; rm -r old.rr/snapshots",
        "rm old.rr/machine.json",
        "truncate -s 0 old.rr/*.*",
        "truncate -s 0 old.rr/machine.json; truncate -s 900 old.rr/machine.json",
        "rm old.rr/snapshots/start/snapshot.json",
        "mv old.rr/snapshots/start old.rr/snapshots/.half-start",
        "rm -r old.rr/*",
    ];
    for script in damage {
        for command in REPLACE {
            let dir = recorded();
            dir.shell(script).code(0);
            let without = command.replace(" --overwrite", "");
            run(&dir, &without).code(2);
            run(&dir, command).code(0);
            dir.rr(&["verify", "old.rr"]).code(0);
        }
    }
}

#[test]
fn a_start_that_fails_leaves_the_old_recording() {
    let dir = recorded();
    dir.write("disk.raw", [0; 4096]);
    let before = tree(&dir.path("old.rr"));
    let more = [
        "--drive file=disk.raw,format=raw --netdev unix:nowhere",
        "--drive file=missing.raw",
        "--initrd missing",
        "--serial file:nowhere/x",
    ];
    for more in more {
        let command = format!("record --kernel HELLO -m 4M -o old.rr --overwrite {more}");
        run(&dir, &command).code(2);
        assert_eq!(tree(&dir.path("old.rr")), before, "{more}");
        assert_tidy(&dir);
    }
}

#[test]
fn an_image_inside_the_replaced_recording() {
    let dir = Dir::new();
    dir.write("disk.raw", [0; 65536]);
    let drive = "file=disk.raw,format=raw";
    let first = [
        "record",
        "--kernel",
        &sample("hello"),
        "-o",
        "old.rr",
        "--drive",
        drive,
    ];
    dir.rr(&first).code(0);
    let before = tree(&dir.path("old.rr"));
    let drive = "file=old.rr/overlay-drive0.qcow2,format=qcow2";
    let args = [
        "record",
        "--kernel",
        &sample("hello"),
        "--drive",
        drive,
        "-o",
        "old.rr",
    ];
    let error = dir
        .rr(&[&args[..], &["--overwrite"]].concat())
        .code(2)
        .error(&dir);
    assert!(error.contains("copy it first"), "{error}");
    assert_eq!(tree(&dir.path("old.rr")), before);
    let error = dir
        .rr(&[
            "slice",
            "old.rr",
            "--from",
            "100",
            "-o",
            "./old.rr/",
            "--overwrite",
        ])
        .code(2)
        .error(&dir);
    assert!(error.contains("is the recording itself"), "{error}");
    assert_eq!(tree(&dir.path("old.rr")), before);
}

/// A link that the user names is followed; the link stays.
#[test]
fn by_a_link() {
    for command in REPLACE {
        let dir = recorded();
        fs::create_dir(dir.path("disk")).unwrap();
        fs::rename(dir.path("old.rr"), dir.path("disk/real.rr")).unwrap();
        symlink("disk/real.rr", dir.path("old.rr")).unwrap();
        run(&dir, command).code(0);
        assert!(dir.path("old.rr").is_symlink());
        assert_eq!(fs::read_dir(dir.path("disk")).unwrap().count(), 1);
        dir.rr(&["verify", "disk/real.rr"]).code(0);
    }
}

/// While a recording is written, no other writer touches it, and readers do.
#[test]
fn one_writer_at_a_time() {
    let dir = recorded();
    let args = ["record", "--kernel", &sample("echo"), "-o", "live.rr"];
    let mut running = dir.start(&args);
    eventually("the recording", || {
        dir.path("live.rr/snapshots/start").exists()
    });
    let others = [
        "record --kernel HELLO -o live.rr --overwrite",
        "slice other.rr --from 100 --to 5000 -o live.rr --overwrite",
        "snapshot save live.rr x --at 100",
        "snapshot delete live.rr start",
        "repair other.rr -o live.rr/replay.bin --overwrite",
        "replay live.rr --snapshot-every 100",
    ];
    for command in others {
        let error = run(&dir, command).code(2).err;
        assert!(
            error.contains("another rr is writing it"),
            "{command}: {error}"
        );
    }
    dir.rr(&["inspect", "live.rr"]).code(0);
    drop(running.child.stdin.take());
    running.signal(Signal::KILL);
    running.wait();
    // The lock ends with its process.
    run(&dir, others[0]).code(0);
    dir.rr(&["verify", "live.rr"]).code(0);
}

/// Killed at many moments, a command that replaces leaves the old recording or the new one, and the
/// next one tidies up.
#[test]
fn killed_while_it_replaces() {
    let dir = recorded();
    dir.write("old.rr/mine", "mine");
    let whole = ["5000", "6000"];
    for (round, delay) in (0..12u64).map(|round| (round, 2 * round)) {
        let to = whole[round as usize % 2];
        let args = [
            "slice",
            "other.rr",
            "--from",
            "100",
            "--to",
            to,
            "-o",
            "old.rr",
            "--overwrite",
        ];
        let mut running = dir.start(&args);
        std::thread::sleep(std::time::Duration::from_millis(delay));
        running.signal(Signal::KILL);
        running.wait();
        dir.rr(&["verify", "old.rr"]).code(0);
    }
    run(&dir, REPLACE[1]).code(0);
    assert_eq!(dir.read("old.rr/mine"), b"mine");
    assert_tidy(&dir);
}

/// Files that are written by other commands are tidied up likewise, whatever name comes next.
#[test]
fn leftovers_are_removed() {
    let dir = recorded();
    let part = |name: &str| format!(".{name}.rr-part-Ab12Cd");
    dir.write(&part("x.json"), "half");
    fs::create_dir_all(dir.path(&part("y.rr")).join("snapshots/.half-start")).unwrap();
    dir.write(&(part("y.rr") + "/replay.bin"), "half");
    dir.rr(&["export", "old.rr", "--chrome-trace", "t.json"])
        .code(0);
    assert_tidy(&dir);
    // What rr did not make is not rr's to remove.
    fs::create_dir(dir.path(&part("z.rr"))).unwrap();
    dir.write(&(part("z.rr") + "/diary"), "mine");
    dir.write(".x.rr-part-Ab12C", "mine");
    dir.rr(&["slice", "old.rr", "--from", "100", "-o", "s.rr"])
        .code(0);
    assert_eq!(dir.read(&(part("z.rr") + "/diary")), b"mine");
    assert_eq!(dir.read(".x.rr-part-Ab12C"), b"mine");
}

#[test]
fn no_output_goes_over_a_file_of_a_recording() {
    let dir = recorded();
    let before = tree(&dir.path("old.rr"));
    for file in ["replay.bin", "machine.json", "digests.bin"] {
        let file = format!("old.rr/{file}");
        for option in ["--chrome-trace", "--console", "--pcap"] {
            let args = ["export", "other.rr", option, &file, "--overwrite"];
            let error = dir.rr(&args).code(2).error(&dir);
            assert!(error.contains("belongs to a recording"), "{error}");
        }
    }
    assert_eq!(tree(&dir.path("old.rr")), before);
}
