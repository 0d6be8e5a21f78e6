//! Snapshots: a replay from each one is the rest of the same run. No snapshot is ever incomplete,
//! and a damaged one is reported.

use crate::harness::{Dir, Ran, eventually, sample};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Records with a snapshot every `every` instructions.
fn recorded(machine: &[&str], every: &str, input: &[u8]) -> (Dir, Ran) {
    let dir = Dir::new();
    let args = ["record", "-o", "rec.rr", "--snapshot-every", every];
    let recorded = dir.rr_with(&[&args, machine].concat(), input).code(0);
    (dir, recorded)
}

/// The names, in the order of `list`.
fn names(dir: &Dir) -> Vec<String> {
    let list = dir.rr(&["snapshot", "list", "rec.rr", "--json"]).code(0);
    let list: serde_json::Value = serde_json::from_slice(&list.out).unwrap();
    assert_eq!(list["schema"], 1);
    let all = list["snapshots"].as_array().unwrap();
    assert!(all.iter().all(|one| one["damaged"].is_null()));
    let names = all.iter().map(|one| one["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

/// Replays from each snapshot. A replay compares the remaining digests, the last one included.
fn check_each(dir: &Dir, recorded: &Ran) -> Vec<String> {
    let names = names(dir);
    for name in &names {
        let replayed = dir.rr(&["replay", "rec.rr", "--from", name]).code(0);
        assert_eq!(replayed.icount(), recorded.icount(), "{name}");
        assert!(recorded.text().ends_with(&replayed.text()), "{name}");
    }
    names
}

fn on_disk(dir: &Dir) -> u64 {
    let list = dir.rr(&["snapshot", "list", "rec.rr", "--json"]).code(0);
    let list: serde_json::Value = serde_json::from_slice(&list.out).unwrap();
    let all = list["snapshots"].as_array().unwrap();
    all.iter().map(|one| one["on_disk"].as_u64().unwrap()).sum()
}

#[test]
fn each_is_the_rest_of_the_run() {
    let (mix, traps) = (sample("mix"), sample("traps"));
    let (clock, smp) = (sample("clock"), sample("smp"));
    let guests: [(&[&str], &str); 4] = [
        (&["--kernel", &mix, "--append", "n=20"], "1M"),
        (&["--kernel", &traps], "100k"),
        (&["--kernel", &clock, "--icount", "sleep=on"], "10k"),
        (&["--kernel", &smp, "--smp", "4", "--chaos", "3"], "50k"),
    ];
    for (machine, every) in guests {
        let (dir, recorded) = recorded(machine, every, b"");
        let names = check_each(&dir, &recorded);
        assert!(names.len() > 2 && names[0] == "start", "{names:?}");
        // A snapshot by a replay is the same, down to the digest of the state.
        let args = ["snapshot", "save", "rec.rr", "again", "--at"];
        let at = format!("@{}", names[names.len() / 2]);
        dir.rr(&[&args[..], &[&at]].concat()).code(0);
        let list = dir.rr(&["snapshot", "list", "rec.rr", "--json"]).code(0);
        let list: serde_json::Value = serde_json::from_slice(&list.out).unwrap();
        let digest = |name: &str| {
            let all = list["snapshots"].as_array().unwrap();
            let found = all.iter().find(|one| one["name"] == name).unwrap();
            found["digest"].as_str().unwrap().to_owned()
        };
        assert_eq!(digest("again"), digest(&at[1..]));
    }
}

#[test]
fn with_input_at_odd_places() {
    let customers = fs::read(sample("heisenbug/input.txt")).unwrap();
    let dir = Dir::new();
    let (bank, args) = (sample("heisenbug"), ["record", "-o", "rec.rr"]);
    let machine = ["--snapshot-every", "200k", "--kernel", &bank];
    let recorded = dir.rr_with(&[&args[..], &machine].concat(), &customers);
    assert!([0, 3].contains(&recorded.code), "{}", recorded.err);
    let names = check_each(&dir, &recorded);
    assert!(names.len() > 3, "{names:?}");
    // More snapshots between these, by a replay that begins at one of them.
    let on_the_way = ["--snapshot-every", "150k", "--serial", "null"];
    let replay = ["replay", "rec.rr", "--from", &names[1]];
    dir.rr(&[&replay[..], &on_the_way].concat()).code(0);
    assert!(check_each(&dir, &recorded).len() > names.len());
}

#[test]
fn deleting_gives_room_back_and_leaves_the_others() {
    let mix = sample("mix");
    let (dir, recorded) = recorded(&["--kernel", &mix, "--append", "n=20"], "1M", b"");
    let before = names(&dir);
    assert!(before.len() > 6, "{before:?}");
    let mut room = on_disk(&dir);
    for name in &before[..before.len() - 1] {
        dir.rr(&["snapshot", "delete", "rec.rr", name]).code(0);
        let left = on_disk(&dir);
        assert!(left < room, "{name}: {room} bytes, then {left}");
        room = left;
        if name == &before[2] || name == &before[before.len() - 2] {
            check_each(&dir, &recorded);
        }
    }
    assert_eq!(names(&dir), before[before.len() - 1..]);
    let gone = dir.rr(&["replay", "rec.rr", "--from", "start"]).code(2);
    let error = gone.error(&dir);
    assert!(
        error.contains("no snapshot `start`; there are: at-"),
        "{error}"
    );
    let gone = dir.rr(&["snapshot", "delete", "rec.rr", "start"]).code(2);
    assert!(gone.error(&dir).contains("no snapshot `start`"));
}

#[test]
fn a_budget_thins_out_the_oldest() {
    let mix = sample("mix");
    let budget = ["--snapshot-budget", "400K", "--append", "n=20"];
    let machine = [&["--kernel", &mix][..], &budget].concat();
    let (dir, recorded) = recorded(&machine, "1M", b"");
    assert!(on_disk(&dir) <= 400 << 10);
    let names = check_each(&dir, &recorded);
    let last = recorded.icount() / 1_000_000 * 1_000_000;
    assert_eq!(names[0], "start");
    assert_eq!(names[names.len() - 1], format!("at-{last}"));
    assert!(names.len() >= 3, "{names:?}");
}

#[test]
fn damage_is_refused() {
    let (dir, _) = recorded(&["--kernel", &sample("clock")], "5k", b"");
    let names = names(&dir);
    let name = &names[1];
    for file in ["snapshot.json", "state.bin", "pages.bin"] {
        let path = format!("rec.rr/snapshots/{name}/{file}");
        let whole = dir.read(&path);
        for at in (0..whole.len()).step_by(whole.len() / 16 + 1) {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            dir.write(&path, &bytes);
            let refused = dir.rr(&["replay", "rec.rr", "--from", name]).code(2);
            let error = refused.error(&dir);
            assert!(
                error.contains(file) || error.contains("snapshot"),
                "{error}"
            );
        }
        dir.write(&path, &whole[..whole.len() - 2]);
        dir.rr(&["replay", "rec.rr", "--from", name]).code(2);
        fs::remove_file(dir.path(&path)).unwrap();
        dir.rr(&["replay", "rec.rr", "--from", name]).code(2);
        dir.write(&path, &whole);
        dir.rr(&["replay", "rec.rr", "--from", name]).code(0);
    }
    // A damaged parent damages its child.
    let parent = format!("rec.rr/snapshots/{}/state.bin", names[0]);
    let whole = dir.read(&parent);
    dir.write(&parent, &whole[1..]);
    let refused = dir.rr(&["replay", "rec.rr", "--from", name]).code(2);
    assert!(refused.error(&dir).contains("start/state.bin: is damaged"));
}

/// A snapshot of another version of rr is not damaged.
#[test]
fn of_another_version() {
    let (dir, _) = recorded(&["--kernel", &sample("hello")], "1G", b"");
    let path = "rec.rr/snapshots/start/snapshot.json";
    let text = String::from_utf8(dir.read(path)).unwrap();
    let older = text.replace("    \"pinned\": false,\n", "");
    assert_ne!(older, text);
    let replay = ["replay", "rec.rr", "--from", "start"];
    for (text, wanted) in [
        (
            older.clone(),
            "was made by another version of rr: missing field `pinned`",
        ),
        (
            older.replacen("\"format\": 1", "\"format\": 0", 1),
            "formats 0 and ",
        ),
        (
            text.replacen("\"format\": 1", "\"format\": 2", 1),
            "formats 2 and ",
        ),
        (
            text.replacen("state_format\": ", "state_format\": 9", 1),
            "formats 1 and 9",
        ),
    ] {
        dir.write(path, text);
        let said = dir.rr(&replay).code(2).error(&dir);
        assert!(said.contains(wanted), "{said}");
    }
    dir.write(path, text);
    dir.rr(&replay).code(0);
}

#[test]
fn what_is_no_snapshot() {
    let (dir, _) = recorded(&["--kernel", &sample("hello")], "1G", b"");
    let error = |args: &[&str]| dir.rr(args).code(2).error(&dir);
    assert_eq!(
        error(&["snapshot", "save", "rec.rr", "start", "--at", "50%"]),
        "rec.rr: snapshot `start` already exists; choose another name, or delete it first"
    );
    let no_name = error(&["snapshot", "save", "rec.rr", "../x", "--at", "0"]);
    assert!(
        no_name.contains("`../x` is no name of a snapshot: expected"),
        "{no_name}"
    );
    let behind = error(&["snapshot", "save", "rec.rr", "x", "--at", "1G"]);
    assert!(behind.contains("past the end"), "{behind}");
    let no_recording = error(&["snapshot", "list", "none.rr"]);
    assert!(no_recording.contains("no such recording"), "{no_recording}");
    assert_eq!(names(&dir), ["start"]);
    let table = dir.rr(&["snapshot", "list", "rec.rr"]).code(0).text();
    assert!(table.contains("power-on"), "{table}");
}

/// The files in the folder of snapshots.
fn entries(dir: &Dir) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir.path("rec.rr/snapshots"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

#[test]
fn kill_9_leaves_no_half_of_one() {
    let machine = ["--kernel", &sample("mix"), "--append", "n=2", "-m", "64M"];
    let (dir, recorded) = recorded(&machine, "1G", b"");
    let before = names(&dir);
    let (mut killed, mut saved) = (0, 0);
    for round in 0..30 {
        let args = ["snapshot", "save", "rec.rr", "new", "--at", "80%"];
        let mut running = dir.start(&args);
        std::thread::sleep(Duration::from_millis(round % 15 * 2));
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        match names(&dir).as_slice() {
            found if found == before => killed += 1,
            found => {
                assert_eq!(found, [before[0].as_str(), "new"]);
                let from_it = dir.rr(&["replay", "rec.rr", "--from", "new"]).code(0);
                assert_eq!(from_it.icount(), recorded.icount());
                dir.rr(&["snapshot", "delete", "rec.rr", "new"]).code(0);
                saved += 1;
            }
        }
    }
    assert!(killed > 0, "{killed} killed, {saved} saved");
    // The next save removes the incomplete folders of the killed ones.
    dir.rr(&["snapshot", "save", "rec.rr", "new", "--at", "80%"])
        .code(0);
    let places = ["", ".lock", "new", "start"].map(|name| dir.path("rec.rr/snapshots").join(name));
    assert_eq!(entries(&dir), places[1..]);
}

#[test]
fn a_killed_recording_has_its_snapshots() {
    let dir = Dir::new();
    let args = ["record", "-o", "rec.rr", "--kernel", &sample("mix")];
    let mut running = dir.start(&[&args[..], &["--snapshot-every", "2M"]].concat());
    let third = dir.path("rec.rr/snapshots/at-6000000/snapshot.json");
    eventually("a third snapshot", || third.exists());
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    for name in names(&dir) {
        dir.rr(&["replay", "rec.rr", "--from", &name]).code(0);
    }
    // A new recording in the same place has no old snapshots.
    let again = [
        "record",
        "-o",
        "rec.rr",
        "--overwrite",
        "--kernel",
        &sample("hello"),
    ];
    dir.rr(&again).code(0);
    assert_eq!(names(&dir), ["start"]);
}

#[test]
fn disks_and_frames_go_with_it() {
    let dir = Dir::new();
    let content: Vec<u8> = (0..1u32 << 20).map(|at| (at / 7) as u8).collect();
    dir.write("disk.raw", &content);
    let kernel = sample("virtio");
    let devices = ["--drive", "file=disk.raw,format=raw", "--netdev", "user"];
    let args = ["record", "-o", "rec.rr", "--kernel", &kernel];
    let every = ["--snapshot-every", "3k"];
    let recorded = dir.rr(&[&args[..], &devices, &every].concat()).code(0);
    let names = check_each(&dir, &recorded);
    assert!(names.len() > 4, "{names:?}");
    assert!(dir.read("disk.raw") == content);
    for name in &names {
        let layer = dir
            .path("rec.rr/snapshots")
            .join(name)
            .join("drive-drive0.qcow2");
        assert!(layer.exists(), "{}", layer.display());
    }
    // Every other snapshot is deleted, and what the rest needs of it moves.
    for name in names.iter().step_by(2) {
        dir.rr(&["snapshot", "delete", "rec.rr", name]).code(0);
    }
    check_each(&dir, &recorded);
}
