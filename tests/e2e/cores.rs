//! A recording does not depend on how it was executed: each sample is recorded in one way, and
//! replays in the others.

use crate::harness::{Dir, sample};

const CORES: [&str; 3] = ["interp", "auto", "jit"];

#[test]
fn what_one_records_the_others_repeat() {
    let lines = b"first\ntime\nquit\n";
    let transactions = std::fs::read(sample("heisenbug/input.txt")).unwrap();
    let guests: [(&str, &[&str], &[u8]); 8] = [
        ("hello", &[], b""),
        ("traps", &[], b""),
        ("mix", &["--append", "n=1 fp=1"], b""),
        ("clock", &["--append", "n=3 ms=1"], b""),
        ("echo", &[], lines),
        ("heisenbug", &[], &transactions),
        ("smp", &["--smp", "2", "--append", "n=100"], b""),
        ("virtio_bad", &["--netdev", "none"], b""),
    ];
    let dir = Dir::new();
    for (guest, options, input) in guests {
        let kernel = sample(guest);
        for core in CORES {
            let machine = [
                "--kernel",
                &kernel,
                "--core",
                core,
                "--digest-every",
                "9973",
            ];
            let record = ["record", "-o", "rec.rr", "--overwrite"];
            let recorded = dir.rr_with(&[&record, &machine[..], options].concat(), input);
            assert!(recorded.icount() > 0);
            for other in CORES.iter().filter(|other| **other != core) {
                let replayed = dir.rr(&["replay", "rec.rr", "--core", other]);
                assert_eq!(
                    replayed.code(0).out,
                    recorded.out,
                    "{guest}: {core}, {other}"
                );
                let verified = dir.rr(&["verify", "rec.rr", "--core", other]).code(0);
                assert_eq!(
                    verified.icount(),
                    recorded.icount(),
                    "{guest}: {core}, {other}"
                );
            }
        }
    }
}

/// The first instruction is counted like any other, however it is executed.
#[test]
fn a_replay_stops_at_the_same_instruction() {
    let dir = Dir::new();
    let kernel = sample("mix");
    dir.rr(&[
        "record", "--kernel", &kernel, "--append", "n=1", "-o", "rec.rr",
    ])
    .code(0);
    for until in ["1", "77777", "333333"] {
        let stops = CORES.map(|core| {
            let stopped = dir.rr(&["replay", "rec.rr", "--until", until, "--core", core]);
            assert_eq!(stopped.icount(), until.parse::<u64>().unwrap(), "{core}");
            (stopped.code, stopped.out)
        });
        assert!(stops.iter().all(|stop| *stop == stops[0]), "{until}");
    }
}
