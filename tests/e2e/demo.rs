//! `rr demo`, the first command that people run.

use crate::harness::Dir;

#[test]
fn twice_in_a_row() {
    let dir = Dir::new();
    let mut digests = Vec::new();
    for _ in 0..2 {
        let demo = dir.rr(&["demo", "here/it/is"]).code(0);
        let text = demo.text();
        for wanted in [
            "1. Recorded a guest that asks for the time: ",
            "2. Replayed it: ",
            "3. Verified: 1 of 1 state digests equal; final digest ",
            "Try next:",
            "rr replay here/it/is/clock.rr",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        digests.push(
            text.split("final digest ")
                .nth(1)
                .map(|rest| rest[..32].to_owned()),
        );
        // The commands that it names work.
        let replayed = dir.rr(&["replay", "here/it/is/clock.rr"]).code(0);
        assert_eq!(replayed.out, dir.read("here/it/is/recorded.txt"));
        assert_eq!(replayed.out, dir.read("here/it/is/replayed.txt"));
        dir.rr(&["verify", "here/it/is/clock.rr"]).code(0);
        dir.rr(&["inspect", "here/it/is/clock.rr"]).code(0);
        let dumped = dir
            .rr(&["dump", "here/it/is/clock.rr", "--limit", "20"])
            .code(0);
        assert_eq!(dumped.text().lines().count(), 20);
    }
    assert_ne!(
        digests[0], digests[1],
        "the second demo is another recording"
    );
}

#[test]
fn where_nothing_can_be_written() {
    let dir = Dir::new();
    dir.write("file", "");
    let error = dir.rr(&["demo", "file"]).code(2).error(&dir);
    assert!(error.starts_with("file: "), "{error}");
}
