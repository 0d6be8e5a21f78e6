//! Limits of the host are errors in words, and what is there stays usable.

use crate::harness::{Dir, sample};

/// A snapshot may have more ancestors than the process may have open files.
#[test]
fn more_snapshots_than_open_files() {
    let dir = Dir::new();
    dir.write("disk.raw", [1; 65536]);
    let kernel = sample("hello");
    let args = [
        "record",
        "-m",
        "4M",
        "--drive",
        "file=disk.raw,format=raw",
        "-o",
        "rec.rr",
    ];
    let every = ["--snapshot-every", "200", "--no-sync", "--kernel", &kernel];
    dir.rr(&[&args[..], &every].concat()).code(0);
    let snapshots = std::fs::read_dir(dir.path("rec.rr/snapshots"))
        .unwrap()
        .count();
    assert!(snapshots > 80, "{snapshots}");
    for command in [
        "replay rec.rr --from at-19400 --serial null",
        "slice rec.rr --from 19000 --to 19400 -o part.rr",
        "verify part.rr",
    ] {
        dir.shell(&format!("ulimit -n 48; rr -q {command}")).code(0);
    }
}

#[test]
fn memory_that_the_host_refuses() {
    let dir = Dir::new();
    let kernel = sample("hello");
    let record = format!("rr -q record --kernel {kernel} -o rec.rr");
    let refused = dir
        .shell(&format!("ulimit -v 100000; {record} -m 128M"))
        .code(2);
    let error = refused.error(&dir);
    assert!(
        error.starts_with("the host has no memory for 128 MiB of RAM; "),
        "{error}"
    );
    assert!(!dir.path("rec.rr").exists());
    // So does a replay on a smaller host.
    dir.shell(&format!("{record} -m 128M")).code(0);
    for command in ["replay rec.rr", "verify rec.rr"] {
        let refused = dir
            .shell(&format!("ulimit -v 100000; rr -q {command}"))
            .code(2);
        assert!(
            refused.error(&dir).contains("no memory for 128 MiB"),
            "{command}"
        );
    }
}

/// A file's size limit is an error of every command, also of those that await no signal.
#[test]
fn a_file_at_its_size_limit() {
    let dir = Dir::new();
    let kernel = sample("hello");
    dir.rr(&["record", "--kernel", &kernel, "-o", "rec.rr"])
        .code(0);
    for command in [
        "slice rec.rr -o part.rr",
        "export rec.rr --chrome-trace trace.json",
        "repair rec.rr -o log.bin",
    ] {
        let refused = dir.shell(&format!("ulimit -f 0; rr -q {command}")).code(2);
        assert!(
            refused.error(&dir).contains("too large"),
            "{command}: {}",
            refused.err
        );
    }
    dir.rr(&["verify", "rec.rr"]).code(0);
}
