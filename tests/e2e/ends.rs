//! Runs that end where, or when, the user said.

use crate::harness::{Dir, sample};

#[test]
fn at_an_instruction_count() {
    for (guest, more, until) in [
        ("mix", &["--append", "n=50"][..], "100k"),
        ("mix", &["--append", "n=50", "--core", "interp"], "1234567"),
        ("smp", &["--smp", "3", "--chaos", "5"], "77777"),
        ("echo", &[], "20000"),
        ("hello", &[], "0"),
    ] {
        let dir = Dir::new();
        let kernel = sample(guest);
        let machine = [&["--kernel", &kernel, "--until", until], more].concat();
        let run = dir.rr(&[&["run"], &machine[..]].concat()).code(0);
        assert!(
            run.err.starts_with("rr: note: the position is reached; "),
            "{}",
            run.err
        );
        let record = ["record", "-o", "rec.rr", "--digest-every", "10000"];
        let recorded = dir.rr(&[&record[..], &machine].concat()).code(0);
        let wanted: u64 = until.replace('k', "000").parse().unwrap();
        assert_eq!([run.icount(), recorded.icount()], [wanted; 2], "{guest}");
        let verified = dir.rr(&["verify", "rec.rr"]).code(0);
        assert_eq!(verified.icount(), wanted);
        dir.check_replay("rec.rr", &recorded);
    }
}

/// A guest that ends before is not waited for.
#[test]
fn behind_the_end() {
    let dir = Dir::new();
    let run = dir.rr(&["run", "--kernel", &sample("hello"), "--until", "5G"]);
    assert!(run.code(0).err.contains("the guest powered off"));
}

/// A replay of a run that was ended so goes to its end, and says so.
#[test]
fn when_the_time_is_over() {
    let dir = Dir::new();
    let kernel = sample("clock");
    let machine = [
        "--kernel",
        &kernel,
        "--append",
        "n=1000000 ms=1",
        "--timeout",
        "300ms",
    ];
    let run = dir.rr(&[&["run"], &machine[..]].concat()).code(124);
    assert!(run.err.contains("the time is over"), "{}", run.err);
    let record = ["record", "-o", "rec.rr"];
    let recorded = dir.rr(&[&record[..], &machine].concat()).code(124);
    dir.check_replay("rec.rr", &recorded);
    dir.rr(&["verify", "rec.rr"]).code(0);
    // A guest that waits for input is ended, too.
    let machine = ["--kernel", &sample("echo"), "--timeout", "0.2"];
    let mut running = dir.start(&[&["record", "-o", "echo.rr"], &machine[..]].concat());
    assert_eq!(running.wait(), Some(124));
    dir.rr(&["verify", "echo.rr"]).code(0);
}

#[test]
fn a_replay_that_takes_too_long() {
    let dir = Dir::new();
    let machine = ["--kernel", &sample("mix"), "--append", "n=2000"];
    dir.rr(&[&["record", "-o", "rec.rr"], &machine[..]].concat())
        .code(0);
    let replayed = dir.rr(&["replay", "rec.rr", "--core", "interp", "--timeout", "200ms"]);
    assert!(replayed.code(124).err.contains("the time is over"));
}

#[test]
fn ends_that_make_no_sense() {
    let dir = Dir::new();
    for (option, value, says) in [
        ("--until", "50%", "has no 50%"),
        ("--until", "event#3", "has no event#3"),
        ("--until", "@start", "has no @start"),
        ("--until", "soon", "`soon` is no position"),
        ("--timeout", "0", "`0` is no time above 0"),
        ("--timeout", "5d", "`5d` is no time above 0"),
    ] {
        let args = [
            "record",
            "--kernel",
            &sample("hello"),
            "-o",
            "x.rr",
            option,
            value,
        ];
        let error = dir.rr(&args).code(2).error(&dir);
        assert!(error.contains(says), "{error}");
        assert!(!dir.path("x.rr").exists());
    }
}
