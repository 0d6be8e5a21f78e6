//! Slices: any range of a recording can become a recording, which needs nothing of the first one.

use crate::harness::{Dir, sample};
use std::fs;

/// Pseudo-random numbers, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    /// A number below `end`, which is not 0.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// A range in `from..=to`.
    fn range(&mut self, from: u64, to: u64) -> (u64, u64) {
        let first = from + self.below(to - from + 1);
        (first, first + self.below(to - first + 1))
    }
}

fn slice(dir: &Dir, parent: &str, (from, to): (u64, u64), name: &str) {
    let (from, to) = (from.to_string(), to.to_string());
    let args = ["slice", parent, "--from", &from, "--to", &to, "-o", name];
    let sliced = dir.rr(&args).code(0);
    assert!(sliced.err.contains("verified: "), "{}", sliced.err);
}

/// Cuts ranges out of `rec.rr`, and slices each again. Then only the slices are left.
fn check(dir: &Dir, seed: u64, rounds: usize, code: i32) {
    let recorded = dir.rr(&["replay", "rec.rr"]).code(code);
    let end = dir.rr(&["verify", "rec.rr"]).code(0).icount();
    let mut dice = Dice(seed);
    let mut ranges = vec![(0, end), (end / 2, end), (end, end)];
    ranges.extend((0..rounds).map(|_| dice.range(0, end)));
    let mut slices = Vec::new();
    for (number, range) in ranges.into_iter().enumerate() {
        let name = format!("slice{number}.rr");
        slice(dir, "rec.rr", range, &name);
        slices.push((name, range));
    }
    fs::rename(dir.path("rec.rr"), dir.path("away")).unwrap();
    for (name, range) in slices {
        let replayed = dir.rr(&["replay", &name]).code(0);
        assert_eq!(replayed.icount(), range.1, "{name}");
        assert!(recorded.text().contains(&replayed.text()), "{name}");
        dir.rr(&["verify", &name]).code(0);
        let again = dice.range(range.0, range.1);
        let inner = format!("of-{name}");
        slice(dir, &name, again, &inner);
        fs::rename(dir.path(&name), dir.path("gone")).unwrap();
        let verified = dir.rr(&["verify", &inner]).code(0);
        assert_eq!(verified.icount(), again.1, "{inner}");
        fs::remove_dir_all(dir.path("gone")).unwrap();
    }
}

/// Records with few snapshots and many digests.
fn recorded(machine: &[&str], input: &[u8]) -> Dir {
    let dir = Dir::new();
    let args = ["record", "-o", "rec.rr", "--digest-every", "9973"];
    let ran = dir.rr_with(&[&args[..], machine].concat(), input);
    assert!([0, 3].contains(&ran.code), "{}", ran.err);
    dir
}

#[test]
fn of_instructions_and_traps() {
    let kernel = sample("mix");
    let every = ["--snapshot-every", "700k", "-m", "16M"];
    let machine = [&["--kernel", &kernel, "--append", "n=2"][..], &every].concat();
    check(&recorded(&machine, b""), 1, 5, 0);
    let kernel = sample("traps");
    check(&recorded(&["--kernel", &kernel, "-m", "16M"], b""), 2, 5, 0);
}

#[test]
fn of_several_harts_in_chaos() {
    let machine = ["--kernel", &sample("smp"), "--smp", "4", "--chaos", "5"];
    check(&recorded(&machine, b""), 3, 5, 0);
}

#[test]
fn with_input() {
    let customers = fs::read(sample("heisenbug/input.txt")).unwrap();
    check(
        &recorded(&["--kernel", &sample("heisenbug")], &customers),
        4,
        5,
        0,
    );
}

#[test]
fn asleep() {
    let machine = ["--kernel", &sample("clock"), "--icount", "sleep=on"];
    check(&recorded(&machine, b""), 5, 6, 0);
}

#[test]
fn with_a_disk_and_a_network() {
    let dir = Dir::new();
    dir.write("disk.raw", vec![7; 1 << 20]);
    let machine = ["record", "-o", "rec.rr", "--kernel", &sample("virtio")];
    let devices = ["--drive", "file=disk.raw,format=raw", "--netdev", "user"];
    let every = ["--snapshot-every", "5k", "--digest-every", "997"];
    dir.rr(&[&machine[..], &devices, &every].concat()).code(0);
    check(&dir, 6, 8, 0);
}

#[test]
fn what_is_no_range() {
    let dir = recorded(&["--kernel", &sample("traps")], b"");
    let refused = |from: &str, to: &str| {
        let args = ["slice", "rec.rr", "--from", from, "--to", to, "-o", "x.rr"];
        dir.rr(&args).code(2).error(&dir)
    };
    let error = refused("500", "400");
    assert!(error.contains("no range from 500 to 400"), "{error}");
    let error = refused("10", "1G");
    assert!(error.contains("past the end"), "{error}");
    assert!(!dir.path("x.rr").exists());
    // Features that a slice does not have.
    slice(&dir, "rec.rr", (1000, 5000), "part.rr");
    let args = ["slice", "part.rr", "--from", "999", "-o", "x.rr"];
    let error = dir.rr(&args).code(2).error(&dir);
    assert!(error.contains("it starts at 1000"), "{error}");
    let args = ["slice", "part.rr", "--to", "5001", "-o", "x.rr"];
    let error = dir.rr(&args).code(2).error(&dir);
    assert!(error.contains("5001"), "{error}");
    let left: Vec<_> = fs::read_dir(dir.path(".")).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing half-made is left");
}

#[test]
fn one_that_is_there_is_replaced_only_if_asked() {
    let dir = recorded(&["--kernel", &sample("traps")], b"");
    slice(&dir, "rec.rr", (1000, 5000), "part.rr");
    let args = ["slice", "rec.rr", "--from", "2000", "--to", "3000", "-o"];
    let error = dir.rr(&[&args[..], &["part.rr"]].concat()).code(2);
    assert!(error.error(&dir).contains("already exists"));
    assert_eq!(dir.rr(&["verify", "part.rr"]).code(0).icount(), 5000);
    dir.rr(&[&args[..], &["part.rr", "--overwrite"]].concat())
        .code(0);
    assert_eq!(dir.rr(&["verify", "part.rr"]).code(0).icount(), 3000);
    // A folder that is no recording is never replaced.
    fs::create_dir(dir.path("folder")).unwrap();
    dir.write("folder/diary", "mine");
    dir.rr(&[&args[..], &["folder", "--overwrite"]].concat())
        .code(2);
    assert_eq!(dir.read("folder/diary"), b"mine");
}

#[test]
fn inspect_says_what_it_is_part_of() {
    let dir = recorded(&["--kernel", &sample("traps")], b"");
    let end = dir.rr(&["verify", "rec.rr"]).code(0).icount();
    slice(&dir, "rec.rr", (1000, 5000), "part.rr");
    slice(&dir, "rec.rr", (2000, end), "rest.rr");
    let parent = dir.path("rec.rr").canonicalize().unwrap();
    let parent = parent.display();
    let line = |rec: &str| {
        let text = dir.rr(&["inspect", rec]).code(0).text();
        let line = text.lines().find(|line| line.starts_with("part of"));
        line.map(str::to_owned)
    };
    assert_eq!(line("rec.rr"), None);
    let wanted = format!("part of       {parent}, from icount 1000 to 5000");
    assert_eq!(line("part.rr"), Some(wanted));
    let wanted = format!("part of       {parent}, from icount 2000 to {end}, where that ends");
    assert_eq!(line("rest.rr"), Some(wanted));
}
