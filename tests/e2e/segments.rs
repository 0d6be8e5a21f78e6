//! A recording that is verified in segments gives the same result as a whole. Parts of different
//! recordings are refused.

use crate::harness::{Dir, Ran, Running, eventually, sample};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;

/// Records with a snapshot every `every` instructions, and many digests.
fn recorded(machine: &[&str], every: &str, input: &[u8]) -> Dir {
    let dir = Dir::new();
    let args = ["record", "-o", "rec.rr", "--snapshot-every", every];
    let digests = ["--digest-every", "9973"];
    let recorded = dir.rr_with(&[&args[..], &digests, machine].concat(), input);
    assert!([0, 3].contains(&recorded.code), "{}", recorded.err);
    dir
}

fn mix() -> Dir {
    let mix = sample("mix");
    recorded(&["--kernel", &mix, "--append", "n=5"], "500k", b"")
}

/// Verifies one segment, and keeps its result in `I.json`.
fn part(dir: &Dir, number: u16, of: u16, code: i32) -> Value {
    let choice = format!("{number}/{of}");
    let args = ["verify", "rec.rr", "--segment", &choice, "--json"];
    let ran = dir.rr(&args).code(code);
    dir.write(&format!("{number}.json"), &ran.out);
    serde_json::from_slice(&ran.out).unwrap()
}

fn merge(dir: &Dir, parts: &[u16]) -> Ran {
    let files: Vec<_> = parts.iter().map(|part| format!("{part}.json")).collect();
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    dir.rr(&[&["verify", "--merge"], &files[..]].concat())
}

/// All divisions give the result of `rr verify`.
fn check(dir: &Dir) {
    check_end(dir, 0);
}

/// All divisions give the result of `rr verify`, and its exit status. Segments that end at a
/// snapshot have its digest to compare with.
fn check_end(dir: &Dir, code: i32) {
    let whole = dir.rr(&["verify", "rec.rr"]).code(code);
    for jobs in ["1", "3"] {
        let side_by_side = dir.rr(&["verify", "rec.rr", "--jobs", jobs]).code(code);
        assert_eq!(side_by_side, whole, "{jobs} jobs");
    }
    let codes = [(1, 0), (2, 0), (3, 0), (4, code)];
    let parts: Vec<_> = codes
        .map(|(number, code)| part(dir, number, 4, code))
        .into();
    assert!(parts.iter().filter(|part| part["result"] == "same").count() > 1);
    assert_eq!(merge(dir, &[3, 1, 4, 2]), whole);
}

#[test]
fn the_parts_are_the_whole() {
    let (traps, smp, clock) = (sample("traps"), sample("smp"), sample("clock"));
    check(&mix());
    check(&recorded(&["--kernel", &traps], "100k", b""));
    let harts = ["--kernel", &smp, "--smp", "4", "--chaos", "3"];
    check(&recorded(&harts, "50k", b""));
    let asleep = ["--kernel", &clock, "--icount", "sleep=on"];
    check(&recorded(&asleep, "10k", b""));
    let customers = fs::read(sample("heisenbug/input.txt")).unwrap();
    check(&recorded(
        &["--kernel", &sample("heisenbug")],
        "200k",
        &customers,
    ));
}

#[test]
fn with_a_disk_and_a_network() {
    let dir = Dir::new();
    dir.write("disk.raw", vec![7; 1 << 20]);
    let machine = ["record", "-o", "rec.rr", "--kernel", &sample("virtio")];
    let devices = ["--drive", "file=disk.raw,format=raw", "--netdev", "user"];
    let every = ["--snapshot-every", "3k", "--digest-every", "997"];
    dir.rr(&[&machine[..], &devices, &every].concat()).code(0);
    check(&dir);
}

#[test]
fn of_a_slice_and_of_a_killed_recording() {
    let dir = mix();
    let slice = ["slice", "rec.rr", "--from", "20%", "--to", "81%", "-o"];
    dir.rr(&[&slice[..], &["part.rr"]].concat()).code(0);
    fs::remove_dir_all(dir.path("rec.rr")).unwrap();
    fs::rename(dir.path("part.rr"), dir.path("rec.rr")).unwrap();
    for (name, at) in [("a", "30%"), ("b", "60%")] {
        dir.rr(&["snapshot", "save", "rec.rr", name, "--at", at])
            .code(0);
    }
    check(&dir);
    // The log is cut, and so are the digests, as in a killed recording.
    let dir = mix();
    let log = dir.read("rec.rr/replay.bin");
    dir.write("rec.rr/replay.bin", &log[..log.len() - 3]);
    let digests = dir.read("rec.rr/digests.bin");
    dir.write("rec.rr/digests.bin", &digests[..digests.len() - 64]);
    dir.unseal("rec.rr");
    let whole = dir.rr(&["verify", "rec.rr"]).code(4);
    assert!(whole.text().contains("cut off there"), "{}", whole.text());
    check_end(&dir, 4);
}

/// Results of an earlier rr do not say what the recording holds to be checked by.
#[test]
fn results_without_evidence() {
    let dir = mix();
    for number in 1..=4 {
        let mut part = part(&dir, number, 4, 0);
        let recording = part["recording"].as_object_mut().unwrap();
        recording.remove("evidence").unwrap();
        dir.write(&format!("{number}.json"), part.to_string());
    }
    let said = merge(&dir, &[1, 2, 3, 4]).code(4).text();
    assert!(said.starts_with("unchecked behind icount 0: "), "{said}");
}

#[test]
fn fewer_snapshots_than_segments() {
    let dir = recorded(&["--kernel", &sample("hello")], "1G", b"");
    let whole = dir.rr(&["verify", "rec.rr"]).code(0);
    for (number, result) in [(1, "empty"), (2, "empty"), (3, "same")] {
        assert_eq!(part(&dir, number, 3, 0)["result"], result);
    }
    assert_eq!(merge(&dir, &[1, 2, 3]), whole);
    let told = dir.rr(&["verify", "rec.rr", "--segment", "1/3"]).code(0);
    assert!(told.text().starts_with("empty: segment 1 of 3"));
}

#[test]
fn parts_that_do_not_belong_together() {
    let dir = mix();
    for number in 1..=3 {
        part(&dir, number, 3, 0);
    }
    let refused = |parts: &[u16]| merge(&dir, parts).code(2).error(&dir);
    let error = refused(&[1, 3]);
    assert!(error.starts_with("segment 2 of 3 is missing"), "{error}");
    let error = refused(&[1, 2]);
    assert!(error.starts_with("segment 3 of 3 is missing"), "{error}");
    let error = refused(&[1, 2, 2, 3]);
    assert!(
        error.contains("2.json: segment 2 is there twice"),
        "{error}"
    );
    // Changes each member that is checked.
    let good: Value = serde_json::from_slice(&dir.read("2.json")).unwrap();
    let changes: [(&str, Value, &str); 8] = [
        ("/recording/blake3", "00".into(), "of another recording"),
        ("/of", 4.into(), "one of 4 segments"),
        ("/segment", 7.into(), "segment 2 of 3 is missing"),
        ("/from", 5.into(), "starts at icount 5"),
        ("/start_digest", "00".into(), "in another state"),
        ("/digests", 1.into(), "state digests were compared"),
        ("/schema", 9.into(), "schema 9; this rr reads 1"),
        ("/result", "fine".into(), "is no result"),
    ];
    for (member, value, wanted) in changes {
        let mut changed = good.clone();
        *changed.pointer_mut(member).unwrap() = value;
        dir.write("8.json", changed.to_string());
        let error = refused(&[1, 8, 3]);
        assert!(error.contains(wanted), "{member}: {error}");
    }
    dir.write("9.json", "{}");
    assert!(refused(&[9]).contains("9.json: is no result"));
    // Another recording of the same guest.
    let other = recorded(&["--kernel", &sample("traps")], "100k", b"");
    part(&other, 2, 3, 0);
    dir.write("6.json", other.read("2.json"));
    assert!(refused(&[1, 6, 3]).contains("6.json: is of another recording"));
}

/// With a changed digest, its segment diverges, and no other does.
#[test]
fn a_divergence_is_in_one_part() {
    let dir = mix();
    let mut digests = dir.read("rec.rr/digests.bin");
    let middle = 16 + (digests.len() / 32 / 2) * 32;
    digests[middle + 31] ^= 1;
    dir.write("rec.rr/digests.bin", &digests);
    // The seal would refuse it at once.
    dir.rr(&["verify", "rec.rr"]).code(2);
    dir.unseal("rec.rr");
    let whole = dir.rr(&["verify", "rec.rr"]).code(1);
    let said = whole.err.trim_end().strip_prefix("rr: ").unwrap();
    let mut diverged = 0;
    for number in 1..=3 {
        let ran = dir.rr(&[
            "verify",
            "rec.rr",
            "--segment",
            &format!("{number}/3"),
            "--json",
        ]);
        let part: Value = serde_json::from_slice(&ran.out).unwrap();
        dir.write(&format!("{number}.json"), &ran.out);
        if ran.code == 1 {
            assert_eq!(part["divergence"], said);
            diverged += 1;
        } else {
            assert_eq!((ran.code, &part["result"]), (0, &"same".into()));
        }
    }
    assert_eq!(diverged, 1);
    for ran in [
        merge(&dir, &[1, 2, 3]).code(1),
        dir.rr(&["verify", "rec.rr", "--jobs", "2"]).code(1),
    ] {
        assert!(ran.error(&dir).ends_with(said), "{}", ran.err);
    }
}

/// The state at the end of a segment is compared with its snapshot, even if no digest was recorded
/// there.
#[test]
fn a_snapshot_of_another_state_is_found_out() {
    let dir = mix();
    let good = part(&dir, 1, 3, 0);
    let path = format!(
        "rec.rr/snapshots/{}/snapshot.json",
        good["stop"].as_str().unwrap()
    );
    // The snapshot gets another digest, with a correct checksum, which is that of the compact text.
    let text = String::from_utf8(dir.read(&path)).unwrap();
    let compact: String = text.split_whitespace().collect();
    let start = compact.find("{\"format\"").unwrap();
    let (snapshot, old) = compact[start..].rsplit_once(",\"blake3\":\"").unwrap();
    assert_eq!(
        blake3::hash(snapshot.as_bytes()).to_hex().as_str(),
        &old[..64]
    );
    let snapshot = snapshot.replace(good["end_digest"].as_str().unwrap(), &"5".repeat(32));
    let sum = blake3::hash(snapshot.as_bytes()).to_hex();
    dir.write(
        &path,
        format!("{{\"snapshot\":{snapshot},\"blake3\":\"{sum}\"}}"),
    );
    let bad = part(&dir, 1, 3, 1);
    let said = bad["divergence"].as_str().unwrap();
    assert!(said.contains("as of the snapshot here"), "{said}");
    let refused = dir.rr(&["verify", "rec.rr", "--segment", "2/3"]).code(2);
    assert!(
        refused
            .error(&dir)
            .contains("is damaged: with it the machine has the digest")
    );
}

#[test]
fn damaged_snapshots_are_not_trusted() {
    let dir = mix();
    let whole = dir.rr(&["verify", "rec.rr"]).code(0);
    let good = part(&dir, 2, 3, 0);
    let name = good["start"].as_str().unwrap();
    let state = format!("rec.rr/snapshots/{name}/state.bin");
    let bytes = dir.read(&state);
    dir.write(&state, &bytes[1..]);
    let ran = dir
        .rr(&["verify", "rec.rr", "--segment", "2/3", "--json"])
        .code(0);
    assert!(ran.err.contains("state.bin: is damaged"), "{}", ran.err);
    assert!(ran.err.contains("replayed from before it"), "{}", ran.err);
    let fallen_back: Value = serde_json::from_slice(&ran.out).unwrap();
    assert!(fallen_back["began"].as_u64() < good["from"].as_u64());
    assert_eq!(fallen_back["digests"], good["digests"]);
    assert_eq!(fallen_back["end_digest"], good["end_digest"]);
    let ran = dir.rr(&["verify", "rec.rr", "--jobs", "2"]).code(0);
    assert_eq!(ran.out, whole.out);
    // A snapshot whose description is damaged does not count.
    dir.write(&format!("rec.rr/snapshots/{name}/snapshot.json"), "{");
    let ran = dir.rr(&["verify", "rec.rr", "--jobs", "2"]).code(0);
    assert!(ran.err.contains("snapshot.json: is damaged"), "{}", ran.err);
    assert_eq!(ran.out, whole.out);
}

/// Images are hashed once for all segments, and the user is told once.
#[test]
fn images_are_checked_for_all() {
    let dir = Dir::new();
    dir.write("disk.raw", vec![7; 1 << 20]);
    let machine = ["record", "-o", "rec.rr", "--kernel", &sample("virtio")];
    let disk = ["--drive", "file=disk.raw,format=raw"];
    let every = ["--snapshot-every", "3k"];
    dir.rr(&[&machine[..], &disk, &every].concat()).code(0);
    let jobs = ["verify", "rec.rr", "--jobs", "3"];
    let whole = dir.rr(&["verify", "rec.rr"]).code(0);
    assert_eq!(dir.rr(&jobs).code(0), whole);
    // A change that kept the time shows only when everything is read.
    let image = fs::File::options()
        .write(true)
        .open(dir.path("disk.raw"))
        .unwrap();
    let modified = image.metadata().unwrap().modified().unwrap();
    dir.write("disk.raw", vec![8; 1 << 20]);
    for at in [modified, std::time::SystemTime::now()] {
        image.set_modified(at).unwrap();
        let said = dir.rr(&jobs).code(2).error(&dir);
        assert!(said.contains("drive 0 changed since"), "{said}");
    }
    dir.write("disk.raw", vec![7; 1 << 20]);
    image.set_modified(modified).unwrap();
    // As if the recording had been killed before its image was hashed.
    let text = String::from_utf8(dir.read("rec.rr/machine.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    let images = manifest["images"].as_array_mut().unwrap();
    let disk = images.iter_mut().find(|image| image["role"] == "drive 0");
    disk.unwrap().as_object_mut().unwrap().remove("blake3");
    dir.write("rec.rr/machine.json", manifest.to_string());
    let ran = dir.rr(&jobs).code(0);
    assert_eq!(ran.out, whole.out);
    assert_eq!(
        ran.err.matches("was not measured").count(),
        1,
        "{}",
        ran.err
    );
    let quiet = dir.rr(&[&["--quiet"], &jobs[..]].concat()).code(0);
    assert_eq!((quiet.out, quiet.err), (whole.out, String::new()));
}

/// Verifies a recording in segments, which takes a while.
fn under_way(dir: &Dir) -> Running {
    let mix = sample("mix");
    let args = ["record", "-o", "rec.rr", "--kernel", &mix, "--append"];
    let every = ["n=1000", "--snapshot-every", "20M"];
    dir.rr(&[&args[..], &every].concat()).code(0);
    let running = dir.start(&["verify", "rec.rr", "--jobs", "2"]);
    let threads = format!("/proc/{}/task", running.child.id());
    eventually("its threads", || {
        let names = fs::read_dir(&threads).into_iter().flatten();
        let names =
            names.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name == "rr-segment\n").count() == 2
    });
    running
}

/// No process goes on after the program was killed.
#[test]
fn nothing_outlives_it() {
    let dir = Dir::new();
    let mut running = under_way(&dir);
    running.signal(Signal::KILL);
    assert_eq!(running.wait(), Some(137), "it was over before");
    let here = fs::canonicalize(dir.path(".")).unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let left = processes.filter(|process| {
        let place = fs::read_link(process.path().join("cwd"));
        place.is_ok_and(|place| place == here)
    });
    let left: Vec<_> = left.map(|process| process.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_signal_stops_all() {
    let dir = Dir::new();
    let running = under_way(&dir);
    running.signal(Signal::TERM);
    let said = running.ran().code(143).error(&dir);
    assert_eq!(said, "stopped by SIGTERM: not verified");
}

#[test]
fn what_makes_no_sense() {
    let dir = recorded(&["--kernel", &sample("hello")], "1G", b"");
    let error = |args: &[&str]| dir.rr(args).code(2).error(&dir);
    for choice in ["0/3", "4/3", "1/0", "x", "1/70000"] {
        let said = error(&["verify", "rec.rr", "--segment", choice]);
        assert!(said.contains("expected I/N, with I from 1 to N"), "{said}");
    }
    let said = error(&["verify", "rec.rr/replay.bin", "--jobs", "2"]);
    assert!(said.contains("a log has no segments"), "{said}");
    // An error of one segment ends all, and is reported once.
    fs::remove_file(dir.path("rec.rr/digests.bin")).unwrap();
    let said = error(&["verify", "rec.rr", "--jobs", "2"]);
    assert!(said.contains("digests.bin"), "{said}");
}
