//! The seal of a recording that has ended: a file that has changed since is noticed, and a repaired
//! log is used all the same.

use crate::harness::{Dir, Ran, sample};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Changes of one recording in the property test.
const ROUNDS: usize = 250;

/// Pseudo-random numbers; the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

type Files = BTreeMap<String, Vec<u8>>;

/// A recording with a disk and a network.
fn with_a_disk() -> Dir {
    let dir = Dir::new();
    dir.write("disk.raw", vec![7; 1 << 20]);
    let machine = ["record", "-o", "rec.rr", "--kernel", &sample("virtio")];
    let devices = ["--drive", "file=disk.raw,format=raw", "--netdev", "user"];
    let every = ["--digest-every", "997", "--snapshot-every", "9k"];
    dir.rr(&[&machine[..], &devices, &every].concat()).code(0);
    dir
}

/// A recording with much input.
fn with_input() -> Dir {
    let dir = Dir::new();
    let input = fs::read(sample("heisenbug/input.txt")).unwrap();
    let args = ["record", "-o", "rec.rr", "--kernel", &sample("heisenbug")];
    dir.rr_with(&[&args[..], &["--digest-every", "9973"]].concat(), &input);
    dir
}

/// All files of a recording, by their names in it.
fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    for entry in walkdir(folder) {
        let name = entry.strip_prefix(folder).unwrap().display().to_string();
        found.insert(name, fs::read(&entry).unwrap());
    }
    found
}

fn walkdir(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(walkdir(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// Changes a file. Returns what was done; the file is then other than before.
fn change(chance: &mut Chance, bytes: &mut Vec<u8>) -> String {
    let len = bytes.len();
    let at = chance.below(len);
    match chance.below(7) {
        0 if len > 0 => {
            bytes.truncate(at);
            format!("cut at {at} of {len}")
        }
        1 | 2 if len > 0 => {
            let bit = chance.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} of {len} flipped")
        }
        3 => {
            let zeroes = [1, 5, 16, 31, 32, 64, 4096][chance.below(7)];
            bytes.resize(len + zeroes, 0);
            format!("{zeroes} zeroes behind {len} bytes")
        }
        4 if len > 0 => {
            bytes.truncate(at);
            bytes.resize(len + chance.below(5000), 0);
            format!("zeroes from {at} of {len} on, {} bytes now", bytes.len())
        }
        5 if len > 48 => {
            // A record of digests.bin goes, or is there twice.
            let at = 16 + chance.below((len - 16) / 32) * 32;
            let record: Vec<u8> = bytes.drain(at..(at + 32).min(len)).collect();
            let twice = chance.below(2) * 2;
            let again = record.repeat(twice);
            bytes.splice(at..at, again);
            format!("{twice} times the 32 bytes at {at} of {len}")
        }
        6 if len > 64 => {
            let (one, two) = (chance.below(len - 32), chance.below(len - 32));
            let piece = bytes[one..one + 32].to_vec();
            bytes[two..two + 32].copy_from_slice(&piece);
            format!("32 bytes at {one} over those at {two} of {len}")
        }
        _ => {
            bytes.clear();
            bytes.extend(b"?".repeat(1 + len / 2));
            "other bytes".to_owned()
        }
    }
}

/// The files that a replay and its result depend on.
fn matters(name: &str) -> bool {
    let sealed = ["replay.bin", "digests.bin", "io-errors.json"];
    sealed.contains(&name) || name.starts_with("overlay-")
}

/// However the files of a recording change: `verify` says "verified" only if those that matter are
/// the recorded ones. Without a seal that holds for the log and the digests.
fn only_what_was_recorded(dir: &Dir, seed: u64) {
    let mut chance = Chance(seed);
    let folder = dir.path("rec.rr");
    let original = files(&folder);
    let names: Vec<&String> = original.keys().collect();
    let (mut verified, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let unsealed = chance.below(3) == 0;
        let mut changed = original.clone();
        if unsealed {
            changed.remove("seal.json");
        }
        let mut what = format!("seed {seed}, round {round}, unsealed {unsealed}");
        for _ in 0..=chance.below(2) {
            // The files that matter more often than others.
            let sound = [
                "replay.bin",
                "digests.bin",
                names[chance.below(names.len())],
            ];
            let name = sound[chance.below(3)];
            match chance.below(12) {
                0 => {
                    changed.remove(name);
                    what += &format!("; {name}: removed");
                }
                1 => {
                    changed.insert(
                        "io-errors.json".into(),
                        b"{\"format\":1,\"errors\":[]}".into(),
                    );
                    what += "; io-errors.json: added";
                }
                _ => {
                    if let Some(bytes) = changed.get_mut(name) {
                        what += &format!("; {name}: {}", change(&mut chance, bytes));
                    }
                }
            }
        }
        fs::remove_dir_all(&folder).unwrap();
        for (name, bytes) in &changed {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let args: &[&str] = match chance.below(4) {
            0 => &["verify", "rec.rr", "--jobs", "2"],
            _ => &["verify", "rec.rr"],
        };
        let ran = dir.rr(args);
        assert!([0, 1, 2, 4].contains(&ran.code), "{what}: {ran:?}");
        let says = ran.text().starts_with("verified: ");
        assert_eq!(says, ran.code == 0, "{what}: {ran:?}");
        let sealed = changed.contains_key("seal.json");
        let counts = |name: &&String| {
            let of_replay = ["replay.bin", "digests.bin"].contains(&name.as_str());
            of_replay || sealed && matters(name)
        };
        let all = original.keys().chain(changed.keys()).filter(counts);
        let other: Vec<&String> = all
            .filter(|name| original.get(*name) != changed.get(*name))
            .collect();
        assert!(!says || other.is_empty(), "{what}: {other:?} {ran:?}");
        verified += usize::from(says);
        refused += usize::from(!says);
    }
    println!("seed {seed}: {ROUNDS} changed recordings, {verified} verified, {refused} not");
    assert!(verified > 0 && refused > ROUNDS / 2);
}

#[test]
fn only_what_was_recorded_is_verified() {
    for seed in [1, 20_261_128] {
        only_what_was_recorded(&with_input(), seed);
        only_what_was_recorded(&with_a_disk(), seed + 1);
    }
}

#[track_caller]
fn refused(dir: &Dir, command: &[&str], start: &str) -> Ran {
    let ran = dir.rr(command).code(2);
    let error = ran.error(dir);
    assert!(error.contains(start), "{error}");
    ran
}

/// The log and the digests are looked at before the first instruction, by all that replay.
#[test]
fn changed_files_are_refused_before_the_run() {
    let dir = with_input();
    for (file, at) in [("replay.bin", 200), ("digests.bin", 47)] {
        let path = format!("rec.rr/{file}");
        let good = dir.read(&path);
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        dir.write(&path, &bytes);
        let start = format!("{path}: is damaged: it has ");
        for command in [
            &["replay", "rec.rr"][..],
            &["verify", "rec.rr"],
            &["verify", "rec.rr", "--jobs", "2"],
            &["verify", "rec.rr", "--segment", "2/2"],
            &["slice", "rec.rr", "--from", "10%", "-o", "part.rr"],
            &["snapshot", "save", "rec.rr", "x", "--at", "50%"],
            &["export", "rec.rr", "--console", "-"],
            &["diff", "rec.rr"],
        ] {
            let ran = refused(&dir, command, &start);
            assert_eq!(ran.text(), "", "{command:?}");
        }
        // What only looks at the log goes on, and says so.
        let inspected = dir.rr(&["inspect", "rec.rr"]).code(2);
        assert!(inspected.text().contains("instructions"));
        assert!(inspected.error(&dir).starts_with(&start));
        dir.rr(&["dump", "rec.rr"]).code(0);
        dir.write(&path, &good);
        let inspected = dir.rr(&["inspect", "rec.rr"]).code(0).text();
        assert!(inspected.contains("\nsealed        checksums of replay.bin, digests.bin\n"));
    }
    dir.rr(&["verify", "rec.rr"]).code(0);
}

/// No replay reads an overlay, and so only `verify` looks at it.
#[test]
fn a_changed_overlay() {
    let dir = with_a_disk();
    let overlay = "rec.rr/overlay-drive0.qcow2";
    let good = dir.read(overlay);
    let mut bytes = good.clone();
    *bytes.last_mut().unwrap() ^= 1;
    dir.write(overlay, &bytes);
    for more in [&[][..], &["--jobs", "2"], &["--segment", "1/2"]] {
        let start = format!("{overlay}: is damaged: it has ");
        refused(&dir, &[&["verify", "rec.rr"], more].concat(), &start);
    }
    dir.rr(&["replay", "rec.rr"]).code(0);
    fs::remove_file(dir.path(overlay)).unwrap();
    refused(
        &dir,
        &["verify", "rec.rr"],
        &format!("{overlay}: is missing"),
    );
    dir.shell(&format!("mkfifo {overlay}")).code(0);
    refused(
        &dir,
        &["verify", "rec.rr"],
        &format!("{overlay}: is no ordinary file"),
    );
    fs::remove_file(dir.path(overlay)).unwrap();
    dir.write(overlay, &good);
    dir.rr(&["verify", "rec.rr"]).code(0);
    dir.unseal("rec.rr");
    let said = dir.rr(&["verify", "rec.rr"]).code(0).err;
    assert_eq!(
        said,
        "rr: note: rec.rr: has no seal, so its overlays are not checked\n"
    );
}

/// A seal that was changed, or is none.
#[test]
fn a_damaged_seal() {
    let dir = with_input();
    let good = String::from_utf8(dir.read("rec.rr/seal.json")).unwrap();
    let sum = dir.read("rec.rr/replay.bin").len().to_string();
    for (from, to, said) in [
        (
            sum.as_str(),
            "77",
            "is damaged; restore it from a copy, or remove it",
        ),
        (
            "replay.bin",
            "../../etc/passwd",
            "is damaged; restore it from a copy, or remove it",
        ),
        ("\"format\": 1", "\"format\": 9", "format 9; this rr "),
        ("{", "", "is damaged: "),
        (good.as_str(), "", "is damaged: "),
    ] {
        dir.write("rec.rr/seal.json", good.replacen(from, to, 1));
        for command in ["replay", "verify"] {
            refused(
                &dir,
                &[command, "rec.rr"],
                &format!("rec.rr/seal.json: {said}"),
            );
        }
    }
    fs::remove_file(dir.path("rec.rr/seal.json")).unwrap();
    dir.shell("mkfifo rec.rr/seal.json").code(0);
    refused(
        &dir,
        &["verify", "rec.rr"],
        "rec.rr/seal.json: is no ordinary file",
    );
    fs::remove_file(dir.path("rec.rr/seal.json")).unwrap();
    dir.rr(&["verify", "rec.rr"]).code(0);
}

/// A log that is repaired in its place is sealed anew: it replays to its end, and the digests vouch
/// as far as they go.
#[test]
fn a_repaired_log() {
    let dir = with_input();
    let log = dir.read("rec.rr/replay.bin");
    let seal = dir.read("rec.rr/seal.json");
    let repair = ["repair", "rec.rr", "-o", "rec.rr/replay.bin", "--overwrite"];
    for (cut, zeroes) in [
        (log.len() / 2, 0),
        (log.len() / 3, 4096),
        (log.len() - 1, 0),
    ] {
        dir.write("rec.rr/seal.json", &seal);
        let bytes = [&log[..cut], &vec![0; zeroes]].concat();
        dir.write("rec.rr/replay.bin", bytes);
        let start = "rec.rr/replay.bin: is damaged: it has ";
        let said = refused(&dir, &["replay", "rec.rr"], start).err;
        assert!(
            said.contains("save what is whole of it with `rr repair`"),
            "{said}"
        );
        dir.rr(&repair).code(0);
        if cut == log.len() - 1 {
            // Nothing but EVENT_END was lost, so it is the sealed log again.
            assert_eq!(dir.read("rec.rr/seal.json"), seal);
            dir.rr(&["verify", "rec.rr"]).code(0);
            continue;
        }
        let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
        let note = "rr: note: the recording was cut off here: its last whole event; ";
        assert!(replayed.err.starts_with(note), "{}", replayed.err);
        let verified = dir.rr(&["verify", "rec.rr"]).code(4);
        let said = verified.text();
        assert!(said.starts_with("unchecked behind icount "), "{said}");
        assert!(!said.contains("behind icount 0:"), "{said}");
        assert_eq!(
            dir.rr(&["verify", "rec.rr", "--jobs", "2"]).code(4).text(),
            said
        );
        let inspected = dir.rr(&["inspect", "rec.rr"]).code(0).text();
        assert!(inspected.contains("\nsealed        the log was repaired; checksums of "));
        // It is sealed as it is now, and there is nothing more to repair.
        let again = dir.read("rec.rr/seal.json");
        dir.rr(&repair).code(0);
        assert_eq!(dir.read("rec.rr/seal.json"), again);
        let mut bytes = dir.read("rec.rr/replay.bin");
        bytes[100] ^= 1;
        dir.write("rec.rr/replay.bin", bytes);
        refused(&dir, &["replay", "rec.rr"], start);
    }
}

/// A recording without a seal that has ended gets one when its log is repaired in its place, as the
/// digest of its last state belongs to it no more. One that was killed does not need it.
#[test]
fn a_repaired_log_without_a_seal() {
    let dir = with_input();
    dir.unseal("rec.rr");
    let log = dir.read("rec.rr/replay.bin");
    let digests = dir.read("rec.rr/digests.bin");
    let repair = ["repair", "rec.rr", "-o", "rec.rr/replay.bin", "--overwrite"];
    for (kept, sealed) in [(digests.len(), true), (digests.len() - 64, false)] {
        dir.write("rec.rr/digests.bin", &digests[..kept]);
        dir.write("rec.rr/replay.bin", &log[..log.len() / 2]);
        dir.rr(&repair).code(0);
        assert_eq!(dir.path("rec.rr/seal.json").exists(), sealed);
        dir.rr(&["replay", "rec.rr"]).code(0);
        dir.rr(&["verify", "rec.rr"]).code(4);
        if sealed {
            dir.unseal("rec.rr");
        }
    }
}

/// A slice is sealed, too; a slice of a killed recording is none that has ended.
#[test]
fn slices() {
    let dir = with_a_disk();
    let slice = |to: &str, name: &str| {
        dir.rr(&["slice", "rec.rr", "--from", "20%", "--to", to, "-o", name])
            .code(0);
        dir.path(name).join("seal.json").exists()
    };
    for (to, name) in [("80%", "a.rr"), ("end", "b.rr")] {
        assert!(slice(to, name), "{name}");
        dir.rr(&["verify", name]).code(0);
        let digests = dir.read(&format!("{name}/digests.bin"));
        dir.write(
            &format!("{name}/digests.bin"),
            &digests[..digests.len() - 32],
        );
        refused(
            &dir,
            &["verify", name],
            &format!("{name}/digests.bin: is damaged"),
        );
        dir.unseal(name);
        dir.rr(&["verify", name]).code(4);
    }
    let log = dir.read("rec.rr/replay.bin");
    let digests = dir.read("rec.rr/digests.bin");
    dir.write("rec.rr/replay.bin", &log[..log.len() - 2]);
    dir.write("rec.rr/digests.bin", &digests[..digests.len() - 64]);
    dir.unseal("rec.rr");
    assert!(!slice("end", "c.rr"));
    dir.rr(&["verify", "c.rr"]).code(4);
}

/// A slice is no better than the recording that it is a part of: its own last digest is that of a
/// replay.
#[test]
fn slices_of_what_is_unchecked() {
    let dir = with_input();
    let digests = dir.read("rec.rr/digests.bin");
    dir.unseal("rec.rr");
    for (records, code) in [(0, 4), (40, 4), ((digests.len() - 16) / 32, 0)] {
        dir.write("rec.rr/digests.bin", &digests[..16 + 32 * records]);
        for (from, of) in [("10%", "rec.rr"), ("20%", "one.rr")] {
            let name = ["one.rr", "two.rr"][usize::from(of == "one.rr")];
            let slice = ["slice", of, "--from", from, "--to", "60%", "-o", name];
            dir.rr(&[&slice[..], &["--overwrite"]].concat()).code(0);
            let verified = dir.rr(&["verify", name]).code(code);
            let jobs = dir.rr(&["verify", name, "--jobs", "2"]).code(code);
            assert_eq!(verified, jobs);
            let said = verified.text();
            let start = ["unchecked behind icount ", "verified: "][usize::from(code == 0)];
            assert!(said.starts_with(start), "{records}, {name}: {said}");
        }
    }
}

/// A new recording in the place of an old one does not keep its seal.
#[test]
fn overwritten() {
    let dir = with_input();
    let old = dir.read("rec.rr/seal.json");
    let args = [
        "record",
        "-o",
        "rec.rr",
        "--overwrite",
        "--kernel",
        &sample("hello"),
    ];
    dir.rr(&args).code(0);
    assert_ne!(dir.read("rec.rr/seal.json"), old);
    dir.rr(&["verify", "rec.rr"]).code(0);
}
