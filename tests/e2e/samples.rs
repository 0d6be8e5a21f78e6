//! Every sample, recorded and replayed.

use crate::harness::{Dir, sample};

#[test]
fn hello() {
    let dir = Dir::new();
    let kernel = sample("hello");
    let recorded = dir.round_trip(&["--kernel", &kernel], b"").code(0);
    assert!(recorded.text().starts_with("Hello"), "{}", recorded.text());
    let run = dir.rr(&["run", "--kernel", &kernel]).code(0);
    assert_eq!(run.text(), recorded.text());
}

#[test]
fn traps() {
    for icount in ["shift=0", "shift=3,sleep=off", "shift=10,sleep=on"] {
        let dir = Dir::new();
        let machine = ["--kernel", &sample("traps"), "--icount", icount];
        let recorded = dir.round_trip(&machine, b"").code(0);
        let text = recorded.text();
        assert!(!text.contains("FAIL"), "{icount}: {text}");
        let run = dir.rr(&[&["run"], &machine[..]].concat()).code(0);
        assert_eq!(run.text(), text, "{icount}");
    }
}

#[test]
fn mix() {
    let dir = Dir::new();
    let kernel = sample("mix");
    let machine = ["--kernel", &kernel, "--append", "n=3 fp=1"];
    let recorded = dir.round_trip(&machine, b"").code(0);
    assert!(recorded.text().contains("checksum c6e23d28"));
    let run = dir.rr(&[&["run"], &machine[..]].concat()).code(0);
    assert_eq!(run.text(), recorded.text());
}

#[test]
fn the_checksums_of_mix_are_those_of_its_readme() {
    let dir = Dir::new();
    for (append, checksum) in [("n=10", "fe67badc"), ("n=10 fp=1", "69eac44b")] {
        let kernel = sample("mix");
        let run = dir.rr(&["run", "--kernel", &kernel, "--append", append]);
        let text = run.code(0).text();
        assert!(text.contains(&format!("checksum {checksum}")), "{text}");
    }
}

/// Digests at odd intervals: record and replay divide the run into different periods.
#[test]
fn states_are_equal_all_along() {
    let input = b"one\ntime\nthree\nquit\n";
    for (guest, append, every) in [
        ("mix", "n=1 fp=1", "9973"),
        ("traps", "", "997"),
        ("echo", "", "89"),
        ("clock", "n=3 ms=1", "101"),
    ] {
        let dir = Dir::new();
        let kernel = sample(guest);
        let machine = [
            "--kernel",
            &kernel,
            "--append",
            append,
            "--digest-every",
            every,
        ];
        let recorded = dir.round_trip(&machine, input).code(0);
        assert!(recorded.icount() > 0);
    }
}

#[test]
fn echo() {
    for icount in ["shift=0,sleep=off", "shift=2", "shift=7,sleep=on"] {
        let dir = Dir::new();
        let machine = ["--kernel", &sample("echo"), "--icount", icount];
        let input = b"first\ntime\n\nlast but one\nquit\nnever read\n";
        let recorded = dir.round_trip(&machine, input).code(0);
        let text = recorded.text();
        assert!(text.contains("2: time\nmtime "), "{text}");
        assert!(text.contains("4: last but one\n5: quit\n"), "{text}");
        assert!(text.contains("5 lines, 30 bytes, "), "{text}");
    }
}

#[test]
fn clock() {
    for icount in ["shift=0,sleep=off", "shift=5,sleep=off", "shift=2,sleep=on"] {
        let dir = Dir::new();
        let kernel = sample("clock");
        let machine = [
            "--kernel", &kernel, "--append", "n=4 ms=5", "--icount", icount,
        ];
        let recorded = dir.round_trip(&machine, b"").code(0);
        // Another recording shows another time.
        let again = [&["record", "-o", "again.rr"], &machine[..]].concat();
        let again = dir.rr(&again).code(0);
        assert_ne!(again.text(), recorded.text());
    }
}

/// Idle time that is skipped takes no real time: here twenty ticks of a second each.
#[test]
fn clock_without_sleep_does_not_wait() {
    let dir = Dir::new();
    let kernel = sample("clock");
    let append = ["--append", "n=20 ms=500", "--icount", "sleep=off"];
    let machine = [&["--kernel", &kernel], &append[..]].concat();
    let started = std::time::Instant::now();
    let args = [&["record", "-o", "rec.rr"], &machine[..]].concat();
    let recorded = dir.rr(&args).code(0);
    let took = started.elapsed();
    assert!(took.as_secs() < 10, "{took:?}: {}", recorded.text());
    dir.check_replay("rec.rr", &recorded);
}

/// It fails in some runs. A replay does the same as its recording.
#[test]
fn heisenbug() {
    let input = std::fs::read(sample("heisenbug/input.txt")).unwrap();
    for icount in ["shift=2,sleep=on", "shift=3,sleep=off"] {
        let dir = Dir::new();
        let machine = ["--kernel", &sample("heisenbug"), "--icount", icount];
        let recorded = dir.round_trip(&machine, &input);
        let text = recorded.text();
        assert!(
            text.contains("200 transactions, 0 refused, 14799 paid in"),
            "{text}"
        );
        let wanted = if text.contains("BUG") { 3 } else { 0 };
        assert_eq!(recorded.code, wanted, "{text}");
        assert_eq!(
            recorded.err.contains("reported failure, code 1"),
            wanted == 3
        );
    }
}

/// The pipe of the README, in which customers type.
#[test]
fn heisenbug_with_customers() {
    let dir = Dir::new();
    let customers = sample("heisenbug/input.txt").replace("input.txt", "customers");
    let kernel = sample("heisenbug");
    let script = format!("{customers} | rr record --kernel {kernel} -o rec.rr");
    let recorded = dir.shell(&script);
    assert!(
        recorded.text().contains("200 transactions"),
        "{}",
        recorded.err
    );
    dir.check_replay("rec.rr", &recorded);
}

/// A recording can be moved. It needs only its images.
#[test]
fn a_recording_can_move() {
    let dir = Dir::new();
    std::fs::copy(sample("hello"), dir.path("guest.elf")).unwrap();
    let recorded = dir.rr(&["record", "--kernel", "guest.elf", "-o", "a.rr"]);
    let recorded = recorded.code(0);
    std::fs::create_dir(dir.path("elsewhere")).unwrap();
    std::fs::rename(dir.path("a.rr"), dir.path("elsewhere/b.rr")).unwrap();
    dir.check_replay("elsewhere/b.rr", &recorded);
    // The kernel may be moved into it.
    std::fs::rename(dir.path("guest.elf"), dir.path("elsewhere/b.rr/guest.elf")).unwrap();
    dir.check_replay("elsewhere/b.rr", &recorded);
}
