//! `rr verify` vouches only for what it has evidence for: a digest of the last state and a checksum
//! of the log. Without them it says what could not be checked, and has a status of its own.

use crate::harness::{Dir, sample};

/// A recording without a seal, as an earlier rr or a kill at the very end leaves it.
fn recorded(dir: &Dir) -> Vec<u8> {
    let kernel = sample("mix");
    let args = [
        "record", "--kernel", &kernel, "--append", "n=1", "-o", "rec.rr",
    ];
    dir.rr(&[&args[..], &["--digest-every", "10000"]].concat())
        .code(0);
    dir.unseal("rec.rr");
    dir.read("rec.rr/digests.bin")
}

/// The input of a run is changed, and its digests are lost: what the guest does differs, and there
/// is nothing to tell it by.
#[test]
fn a_changed_input_without_digests() {
    let dir = Dir::new();
    let input = std::fs::read(sample("heisenbug/input.txt")).unwrap();
    let kernel = sample("heisenbug");
    let args = ["record", "--kernel", &kernel, "-o", "rec.rr"];
    dir.rr_with(&args, &input);
    dir.unseal("rec.rr");
    let mut log = dir.read("rec.rr/replay.bin");
    let digests = dir.read("rec.rr/digests.bin");
    let at = log.windows(4).position(|bytes| bytes == b"d 1 ").unwrap();
    log[at + 4] ^= 1;
    dir.write("rec.rr/replay.bin", &log);
    for len in [0, 1, 15, 16, 17, 47] {
        dir.write("rec.rr/digests.bin", &digests[..len]);
        let verified = dir.rr(&["verify", "rec.rr"]);
        // The change may also lead away from the log.
        assert!([1, 4].contains(&verified.code), "{len}: {verified:?}");
        assert!(
            !verified.text().starts_with("verified"),
            "{len}: {verified:?}"
        );
    }
}

/// `digests.bin` is cut at any record, or loses one in the middle.
#[test]
fn digests_that_are_lost() {
    let dir = Dir::new();
    let digests = recorded(&dir);
    let records = (digests.len() - 16) / 32;
    assert!(records > 5);
    let check = |what: &str, bytes: &[u8], said: &str| {
        dir.write("rec.rr/digests.bin", bytes);
        let ran = dir.rr(&["verify", "rec.rr"]).code(4);
        let start = format!("{said}: ");
        assert!(ran.text().starts_with(&start), "{what}: {}", ran.text());
        let jobs = dir.rr(&["verify", "rec.rr", "--jobs", "2"]).code(4);
        assert_eq!(jobs, ran, "{what}");
        let last = dir.rr(&["verify", "rec.rr", "--segment", "2/2"]).code(4);
        assert!(last.text().starts_with(&start), "{what}: {}", last.text());
        // A replay compares what there is, and says what is not.
        let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
        let note = format!("; {said}: ");
        assert!(replayed.err.contains(&note), "{what}: {}", replayed.err);
    };
    for kept in [0, 1, records - 3, records - 2] {
        let at = match kept {
            0 => "0".to_owned(),
            kept => format!("{},000", kept * 10),
        };
        let said = format!("unchecked behind icount {at}");
        for more in [0, 1, 31] {
            let cut = &digests[..16 + 32 * kept + more];
            check(&format!("{kept} records and {more} bytes"), cut, &said);
        }
    }
    let without_log = &digests[..digests.len() - 32];
    check("no checksum of the log", without_log, "unchecked in part");
    for lost in [0, 1, records - 3] {
        let (start, end) = (16 + 32 * lost, 16 + 32 * (lost + 1));
        let bytes = [&digests[..start], &digests[end..]].concat();
        check(&format!("record {lost}"), &bytes, "unchecked in part");
    }
    dir.write("rec.rr/digests.bin", &digests);
    dir.rr(&["verify", "rec.rr"]).code(0);
}

/// Two recordings that are the same as far as their digests go, and one has more of them.
#[test]
fn the_same_as_far_as_is_known() {
    let dir = Dir::new();
    let digests = recorded(&dir);
    std::fs::create_dir(dir.path("cut.rr")).unwrap();
    for file in ["machine.json", "replay.bin"] {
        dir.write(
            &format!("cut.rr/{file}"),
            dir.read(&format!("rec.rr/{file}")),
        );
    }
    dir.write("cut.rr/digests.bin", &digests[..16 + 32]);
    for (one, two) in [("rec.rr", "cut.rr"), ("cut.rr", "rec.rr")] {
        let ran = dir.rr(&["diff", one, two]).code(4).text();
        assert!(ran.starts_with("the same: "), "{ran}");
        assert!(
            ran.contains("the states are unknown behind icount 10,000"),
            "{ran}"
        );
    }
    dir.rr(&["diff", "rec.rr", "rec.rr"]).code(0);
    let ran = dir.rr(&["diff", "cut.rr"]).code(4).text();
    assert!(ran.contains("unchecked behind icount 10,000"), "{ran}");
}

/// A crash of the system leaves zeroes behind what was written, in both files.
#[test]
fn zeroes_behind_a_crash() {
    let dir = Dir::new();
    let kernel = sample("clock");
    let args = [
        "record",
        "--kernel",
        &kernel,
        "--append",
        "n=20 ms=1",
        "-o",
        "rec.rr",
    ];
    dir.rr(&[&args[..], &["--digest-every", "1000"]].concat())
        .code(0);
    dir.unseal("rec.rr");
    let (log, digests) = (
        dir.read("rec.rr/replay.bin"),
        dir.read("rec.rr/digests.bin"),
    );
    for (share, zeroes) in [(2, 4096), (3, 5), (5, 70_001), (7, 512), (11, 13)] {
        let mut cut = log[..log.len() * share / 12].to_vec();
        while cut.last() == Some(&0) {
            cut.pop();
        }
        dir.write("rec.rr/digests.bin", &digests[..16 + 32]);
        dir.write("rec.rr/replay.bin", &cut);
        dir.write("cut", &cut);
        let plain = dir.rr(&["replay", "rec.rr"]).code(0);
        let verified = dir.rr(&["verify", "rec.rr"]).code(4);
        let dumped = dir.rr(&["dump", "cut"]).code(0);

        cut.resize(cut.len() + zeroes, 0);
        dir.write("rec.rr/replay.bin", &cut);
        dir.write("cut", &cut);
        dir.write(
            "rec.rr/digests.bin",
            [&digests[..16 + 32], &[0; 4096]].concat(),
        );
        let what = format!("{share}/12 and {zeroes} zeroes");
        let again = dir.rr(&["dump", "cut"]).code(0);
        assert_eq!(again.text(), dumped.text(), "{what}");
        let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
        assert_eq!(replayed.text(), plain.text(), "{what}");
        assert_eq!(replayed.icount(), plain.icount(), "{what}");
        let crashed = dir.rr(&["verify", "rec.rr"]).code(4);
        assert_eq!(crashed.text(), verified.text(), "{what}");
        if zeroes >= 9 {
            for said in [&again.err, &replayed.err, &crashed.err] {
                assert!(
                    said.contains(" bytes of zeroes at the end, as a crash"),
                    "{said}"
                );
            }
            let inspected = dir.rr(&["inspect", "cut"]).code(0);
            assert!(inspected.text().contains(" bytes of zeroes at the end"));
        }
        let repaired = dir
            .rr(&["repair", "rec.rr", "-o", "saved", "--overwrite"])
            .code(0);
        let len = std::fs::metadata(dir.path("saved")).unwrap().len();
        assert!(
            len <= (cut.len() - zeroes) as u64 + 1,
            "{what}: {}",
            repaired.text()
        );
        dir.rr(&["verify", "saved"]).code(0);
        dir.rr(&["diff", "cut", "cut"]).code(0);
        let export = ["export", "rec.rr", "--console", "-"];
        assert_eq!(dir.rr(&export).code(0).out, plain.out, "{what}");
        dir.rr(&["inspect", "rec.rr", "--plot", "plot.svg", "--overwrite"])
            .code(0);
    }
}

/// A block of the log was lost, and what was written behind it was not: the log ends before it.
#[test]
fn a_hole_of_a_crash() {
    let dir = Dir::new();
    let kernel = sample("clock");
    let append = "n=40 ms=1";
    let args = [
        "record", "--kernel", &kernel, "--append", append, "-o", "rec.rr",
    ];
    dir.rr(&args).code(0);
    dir.unseal("rec.rr");
    let digests = dir.read("rec.rr/digests.bin");
    dir.write("rec.rr/digests.bin", &digests[..16]);
    let log = dir.read("rec.rr/replay.bin");
    let at = log.len() / 2;
    let at = (at..).find(|at| log[at - 1] != 0).unwrap();
    dir.write("rec.rr/replay.bin", &log[..at]);
    let cut = dir.rr(&["replay", "rec.rr"]).code(0);
    let mut holed = log.clone();
    holed[at..at + 512].fill(0);
    assert!(holed[at + 512..].iter().any(|byte| *byte != 0));
    dir.write("rec.rr/replay.bin", &holed);
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
    assert_eq!(replayed.out, cut.out);
    assert_eq!(replayed.icount(), cut.icount());
    let verified = dir.rr(&["verify", "rec.rr"]).code(4);
    for said in [&replayed.err, &verified.err] {
        assert!(
            said.contains(" other bytes behind them, as a crash"),
            "{said}"
        );
    }
    dir.rr(&["repair", "rec.rr", "-o", "saved"]).code(0);
    let len = std::fs::metadata(dir.path("saved")).unwrap().len();
    assert!(len <= at as u64 + 1, "{len}");
    dir.rr(&["verify", "saved"]).code(0);
}
