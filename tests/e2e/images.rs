//! Disk images are hashed while the guest runs: no run waits for a large image, and a changed image
//! is found all the same.

use crate::harness::{Dir, Running, eventually, sample};
use rustix::process::Signal;
use std::fs::{File, FileTimes};
use std::os::unix::fs::FileExt;

const DRIVE: &str = "file=disk.raw,format=raw";

/// An image of this size, all zero. It is a hole, so it takes no room on the host.
fn sparse(dir: &Dir, bytes: u64) -> File {
    let file = File::create(dir.path("disk.raw")).unwrap();
    file.set_len(bytes).unwrap();
    file
}

/// An image that is too large to be hashed before a test ends.
fn enormous(dir: &Dir) -> File {
    sparse(dir, 4 << 40)
}

/// Changes the image, and keeps the time of its last change.
fn change_in_secret(image: &File, at: u64) {
    let modified = image.metadata().unwrap().modified().unwrap();
    image.write_all_at(b"changed", at).unwrap();
    let times = FileTimes::new().set_modified(modified);
    image.set_times(times).unwrap();
}

fn record(dir: &Dir, guest: &str) -> Running {
    let kernel = sample(guest);
    dir.start(&[
        "record", "--kernel", &kernel, "--drive", DRIVE, "-o", "x.rr",
    ])
}

fn is_measured(dir: &Dir) -> bool {
    let manifest = String::from_utf8(dir.read("x.rr/machine.json")).unwrap();
    let disk = manifest.split("\"drive 0\"").nth(1).unwrap();
    assert!(disk.contains("\"modified\": "), "{manifest}");
    disk.contains("\"blake3\": \"")
}

#[test]
fn measured_while_the_guest_runs() {
    let dir = Dir::new();
    let _image = sparse(&dir, 64 << 20);
    let mut running = record(&dir, "echo");
    // The guest still waits for its input.
    eventually("the hash", || {
        dir.path("x.rr/machine.json").exists() && is_measured(&dir)
    });
    running.signal(Signal::KILL);
    running.wait();
    let replayed = dir.rr(&["replay", "x.rr"]).code(0);
    assert!(!replayed.err.contains("not measured"), "{}", replayed.err);
    assert!(!dir.path("x.rr/machine.json.part").exists());
}

/// A recording that was killed before its image was hashed: the replay says what is not checked.
#[test]
fn killed_before_it_was_measured() {
    let dir = Dir::new();
    let image = enormous(&dir);
    let mut running = record(&dir, "echo");
    running.wait_for("quit` ends");
    assert!(!is_measured(&dir));
    running.signal(Signal::KILL);
    running.wait();
    let replayed = dir.rr(&["replay", "x.rr"]).code(0);
    let note = "disk.raw: drive 0 was not measured before the recording was killed; its size and \
                the time of its last change are as recorded, its content is not checked\n";
    assert!(replayed.err.contains(note), "{}", replayed.err);
    let inspected = dir.rr(&["inspect", "x.rr"]).text();
    assert!(inspected.contains("content not measured"), "{inspected}");
    // With another time, it may be another image.
    image.write_all_at(b"touched", 0).unwrap();
    let error = dir.rr(&["replay", "x.rr"]).code(2).error(&dir);
    let wanted =
        "DIR/disk.raw: drive 0 changed since the recording: the time of its last change was ";
    assert!(error.starts_with(wanted), "{error}");
    let allowed = ["replay", "x.rr", "--allow-changed-images"];
    dir.rr(&allowed).code(0);
}

/// The guest has ended, and its image is not hashed yet. A signal cancels that, and the recording
/// is complete.
#[test]
fn a_signal_gives_up() {
    let dir = Dir::new();
    let _image = enormous(&dir);
    let mut running = record(&dir, "hello");
    running.wait_for("rr: note: measuring the disk images to their end; Ctrl-C gives up\n");
    running.signal(Signal::INT);
    let recorded = running.ran().code(0);
    assert!(
        recorded
            .err
            .contains("rr: note: a signal gave up: the disk images were not measured"),
        "{}",
        recorded.err
    );
    dir.check_replay("x.rr", &recorded);
}

/// Another program writes to the image during the recording.
#[test]
fn changed_while_it_is_recorded() {
    let dir = Dir::new();
    let image = sparse(&dir, 1 << 20);
    let mut running = record(&dir, "echo");
    running.wait_for("quit` ends");
    image.write_all_at(b"changed", 0).unwrap();
    std::io::Write::write_all(running.child.stdin.as_mut().unwrap(), b"quit\n").unwrap();
    let ran = running.ran().code(2);
    let error = ran.err.lines().last().unwrap();
    assert!(
        error.contains("disk.raw: was changed while it was in use"),
        "{error}"
    );
}

/// Every change is found. It is reported as the cause of the divergence that follows from it: the
/// guest reads sector 0.
#[test]
fn changed_since() {
    let dir = Dir::new();
    let image = sparse(&dir, 64 << 20);
    let recorded = record(&dir, "virtio").ran().code(0);
    dir.check_replay("x.rr", &recorded);
    let changed = "DIR/disk.raw: drive 0 changed since the recording: its BLAKE3 was ";
    for at in [0, 60 << 20] {
        change_in_secret(&image, at);
        if at == 0 {
            let allowed = ["replay", "x.rr", "--allow-changed-images"];
            let diverged = dir.rr(&allowed).code(1).err;
            assert!(diverged.contains("diverged"), "{diverged}");
        }
        for command in ["replay", "verify"] {
            let error = dir.rr(&[command, "x.rr"]).code(2).error(&dir);
            assert!(error.starts_with(changed), "{error}");
        }
    }
    // The time of the last change differs, so the image is refused before the guest prints
    // anything.
    image.write_all_at(b"changed", 7 << 20).unwrap();
    let ran = dir.rr(&["replay", "x.rr"]).code(2);
    assert_eq!(ran.text(), "");
    assert!(ran.error(&dir).starts_with(changed));
    // A copy with the same content and another time is accepted.
    image.set_len(0).unwrap();
    image.set_len(64 << 20).unwrap();
    dir.check_replay("x.rr", &recorded);
    image.set_len(32 << 20).unwrap();
    let error = dir.rr(&["replay", "x.rr"]).code(2).error(&dir);
    assert!(
        error.contains("its size was 67108864, is 33554432"),
        "{error}"
    );
}

/// A replay that stops at a place does not wait for the image. The user is told that its content
/// was not checked.
#[test]
fn a_replay_that_stops_early_does_not_wait() {
    let dir = Dir::new();
    let image = sparse(&dir, 1 << 30);
    record(&dir, "hello").ran().code(0);
    let early = ["replay", "x.rr", "--until", "10"];
    let ran = dir.rr(&early).code(0);
    assert!(ran.err.contains("content is not checked"), "{}", ran.err);
    assert!(ran.err.contains("the position is reached"), "{}", ran.err);
    change_in_secret(&image, (1 << 30) - 7);
    dir.rr(&early).code(0);
    // A result that stays, or a success, must not rest on a changed image.
    let save = ["snapshot", "save", "x.rr", "x", "--at", "10"];
    for args in [&["replay", "x.rr"][..], &["verify", "x.rr"], &save] {
        let error = dir.rr(args).code(2).err;
        assert!(error.contains("changed since the recording"), "{error}");
    }
}
