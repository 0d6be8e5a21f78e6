//! The log tools over long logs, as a user runs them: `cargo bench -p rr-cli`.
//!
//! `mix` is a log of over 1 GB of generated events of about 6 bytes. `linux` is QEMU's log of
//! Linux, repeated to over 500 MB, with events of 3 bytes. The aims: `inspect` at over 1 GB/s,
//! `dump --format ndjson` at over 200 MB/s of log, and memory that does not grow.
//!
//! The speed comes with the CPU time of all threads in seconds per GB, which holds on a busy host
//! too. Memory is the process's own (`RssAnon`, at its highest). The log is mapped, so the kernel
//! decides which of its pages stay in memory.
#![allow(
    clippy::expect_used,
    reason = "a benchmark: a panic is how it reports trouble"
)]

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../support/mix.rs"]
mod mix;

/// Rounds of each measurement.
const ROUNDS: usize = 5;

/// The command's output.
#[derive(Debug, Clone, Copy)]
enum To {
    Null,
    /// To a pipe, which this process reads as fast as it can.
    Pipe,
}

/// A log and its length.
struct Log {
    path: PathBuf,
    bytes: u64,
}

impl Log {
    fn new(dir: &Path, name: &str, once: &[u8], len: usize) -> Log {
        let path = dir.join(name);
        let mut file = BufWriter::new(File::create(&path).expect("room for the log"));
        mix::repeat(once, len, &mut file).expect("room for the log");
        let file = file.into_inner().expect("room for the log");
        // Otherwise it would be written during later measurements.
        file.sync_all().expect("room for the log");
        let bytes = file.metadata().expect("its length").len();
        Log { path, bytes }
    }
}

/// The cost of a run.
struct Cost {
    wall: Duration,
    /// CPU time of all threads, in s.
    cpu: f64,
    /// The peak of the process's own memory, in KB.
    memory: u64,
}

fn run(arguments: &[&str], log: &Log, to: To) -> Cost {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rr"))
        .arg("--quiet")
        .args(arguments)
        .arg(&log.path)
        .stdout(match to {
            To::Null => Stdio::null(),
            To::Pipe => Stdio::piped(),
        })
        .spawn()
        .expect("rr starts");
    let drain = child.stdout.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut room = vec![0; 1 << 18];
            while pipe.read(&mut room).expect("the pipe") > 0 {}
        })
    });
    let (mut memory, mut cpu) = (0, 0.0);
    while let Some((now, ticks)) = state(&child) {
        memory = memory.max(now);
        cpu = ticks as f64 / TICKS;
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().expect("it ends").success());
    let wall = start.elapsed();
    if let Some(drain) = drain {
        drain.join().expect("the reader");
    }
    Cost { wall, cpu, memory }
}

/// Clock ticks of Linux in a second.
const TICKS: f64 = 100.0;

/// The process's `RssAnon` in KB, and its CPU time in ticks; `None` once it has ended.
fn state(child: &Child) -> Option<(u64, u64)> {
    let read = |file| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).ok();
    let (status, stat) = (read("status")?, read("stat")?);
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let memory = line.trim_end_matches("kB").trim().parse().ok()?;
    // utime and stime, the 14th and 15th; the name, the second, can have spaces.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    Some((
        memory,
        fields.filter_map(|field| field.parse::<u64>().ok()).sum(),
    ))
}

/// Median and quartiles.
fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [2, 1, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

fn measure(name: &str, arguments: &[&str], log: &Log, to: To) {
    let costs: Vec<Cost> = (0..ROUNDS).map(|_| run(arguments, log, to)).collect();
    let megabytes = log.bytes as f64 / 1e6;
    let [speed, low, high] =
        quartiles(costs.iter().map(|cost| megabytes / cost.wall.as_secs_f64()));
    let [cpu, cpu_low, cpu_high] = quartiles(costs.iter().map(|cost| cost.cpu / megabytes * 1e3));
    let memory = costs.iter().map(|cost| cost.memory).max().unwrap_or(0);
    let line = format!(
        "{name}: {} to {to:?}: {speed:.0} MB/s of log (quartiles {low:.0} to {high:.0}, {ROUNDS} \
         rounds), {cpu:.2} s of CPU time per GB ({cpu_low:.2} to {cpu_high:.2}), {:.1} MB of \
         memory at most",
        arguments.join(" "),
        memory as f64 / 1024.0
    );
    writeln!(std::io::stdout(), "{line}").expect("standard output");
}

fn main() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mixed = mix::write(replay_format::Table::RR, &mix::mix(2_000_000));
    let linux = mix::linux(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let logs = [
        ("mix, 0.1 GB", &mixed, 100_000_000),
        ("mix, 1 GB", &mixed, 1_000_000_000),
        ("linux, 0.5 GB", &linux, 500_000_000),
    ];
    for (name, once, len) in logs {
        let log = Log::new(dir.path(), "log.bin", once, len);
        measure(name, &["inspect"], &log, To::Null);
        let dump = ["dump", "--format", "ndjson"];
        measure(name, &dump, &log, To::Null);
        measure(name, &dump, &log, To::Pipe);
    }
}
