//! The speed of the machine on `samples/mix`: not recorded, recorded and replayed, each interpreted
//! and translated.
//!
//! First come ratios of CPU time from interleaved runs, which hold on a noisy host; one of them is
//! what a watchpoint costs pages that have none. Then criterion measures the instructions a second.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark: a panic is how it reports trouble"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use machine::boot::{self, BootConfig};
use machine::bus::RAM_BASE;
use machine::inputs::{Halted, Inputs, Mark, Moment, Output};
use machine::{Config, Execution, Exit, Icount, Machine, PowerOn, Probe, WatchKind, Watchpoint};
use rr::host::serial::Backend;
use rr::recording::Recording;
use rr::recording::options::{IcountOptions, MachineOptions, fresh_seed};
use rr::run::open::ReplayOptions;
use rr::run::report::Report;
use rr::run::snapshots::Plan;
use rr::session::context::RunContext;
use rr::session::launch::{DIGEST_INTERVAL, RecordTo, replay, run};
use rustix::time::{ClockId, clock_gettime};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rounds of the interleaved runs.
const ROUNDS: usize = 15;
/// Iterations of the load: about 100 million instructions.
const LOAD: &str = "n=230";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Run,
    Interpret,
    Record,
    Replay,
}

struct Bench {
    rec: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let rec = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-mix.rr");
        let bench = Self { rec };
        bench.go(Mode::Record);
        bench
    }

    fn go(&self, mode: Mode) -> Report {
        let to = RecordTo {
            dir: &self.rec,
            overwrite: true,
            digest_interval: DIGEST_INTERVAL,
            sync: true,
            plan: Plan::recording(),
        };
        let execution = match mode {
            Mode::Interpret => Execution::Interpreter,
            _ => Execution::default(),
        };
        let context = RunContext {
            execution,
            ..RunContext::default()
        };
        match mode {
            Mode::Run | Mode::Interpret => run(&options(), &Backend::Null, None, context),
            Mode::Record => run(&options(), &Backend::Null, Some(&to), context),
            Mode::Replay => {
                let recording = Recording::open(&self.rec).unwrap();
                let how = ReplayOptions::default();
                replay(&recording, &how, &Backend::Null, context)
            }
        }
        .unwrap()
    }

    /// CPU time of one run.
    fn cost(&self, mode: Mode) -> Duration {
        let before = cpu_time();
        self.go(mode);
        cpu_time() - before
    }
}

/// For a guest that only prints.
struct Silent;

impl Inputs for Silent {
    fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
        Ok(0)
    }
    fn output(&mut self, _: Moment, _: Output<'_>) -> Result<(), Halted> {
        Ok(())
    }
    fn mark(&mut self, _: Moment, _: Mark) -> Result<(), Halted> {
        Ok(())
    }
}

/// Memory of the machine that runs alone, in bytes. Nothing is in its last page.
const MEMORY: u64 = 16 << 20;

/// A machine without an engine around it.
fn machine_alone() -> Machine {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let kernel = std::fs::read(samples.join("bin/mix.elf")).unwrap();
    let plan = boot::plan(&BootConfig {
        kernel: Some(&kernel),
        append: LOAD,
        ..BootConfig::new(MEMORY)
    });
    let config = Config {
        shift: 2,
        ..Config::new(MEMORY)
    };
    Machine::new(&config, PowerOn::from(plan.unwrap())).unwrap()
}

/// CPU time of a run to the guest's end with these probes, none of which stops it.
fn cost_with(probes: &[Probe]) -> f64 {
    let mut machine = machine_alone();
    for probe in probes {
        machine.insert_probe(*probe);
    }
    let before = cpu_time();
    let exit = machine.run(Icount::MAX, &mut Silent);
    let cost = cpu_time() - before;
    assert!(matches!(exit, Exit::Request(_)), "{exit:?}");
    cost.as_secs_f64()
}

/// A watchpoint on a page that the guest never touches.
fn untouched() -> Probe {
    Probe::Watch(Watchpoint {
        address: RAM_BASE + (MEMORY - 4096),
        len: 8,
        kind: WatchKind::Access,
    })
}

fn options() -> MachineOptions {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    MachineOptions {
        kernel: Some(samples.join("bin/mix.elf")),
        append: LOAD.to_owned(),
        icount: IcountOptions {
            sleep: false,
            ..IcountOptions::default()
        },
        rng_seed: fresh_seed().unwrap(),
        ..MachineOptions::default()
    }
}

/// CPU time of this process so far, all threads.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn median(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
    (at(0.25), at(0.5), at(0.75))
}

fn ratios(bench: &Bench) {
    let (mut record, mut again, mut interpret) = (Vec::new(), Vec::new(), Vec::new());
    let mut watched = Vec::new();
    for _ in 0..ROUNDS {
        watched.push(cost_with(&[untouched()]) / cost_with(&[]));
        let plain = bench.cost(Mode::Run).as_secs_f64();
        record.push(bench.cost(Mode::Record).as_secs_f64() / plain);
        again.push(bench.cost(Mode::Replay).as_secs_f64() / plain);
        interpret.push(bench.cost(Mode::Interpret).as_secs_f64() / plain);
    }
    for (name, base, values) in [
        ("record", "run", record),
        ("replay", "run", again),
        ("interpreted run", "run", interpret),
        ("a watchpoint elsewhere", "none", watched),
    ] {
        let (low, middle, high) = median(values);
        println!(
            "mix: CPU time of {name} against {base}: {middle:.3} (quartiles {low:.3} to {high:.3}, \
             {ROUNDS} interleaved rounds)"
        );
    }
}

fn speed(criterion: &mut Criterion) {
    let bench = Bench::new();
    ratios(&bench);
    let instructions = bench.go(Mode::Run).icount.get();
    let mut group = criterion.benchmark_group("mix");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(instructions));
    for mode in [Mode::Run, Mode::Interpret, Mode::Record, Mode::Replay] {
        group.bench_function(
            BenchmarkId::from_parameter(format!("{mode:?}").to_lowercase()),
            |b| {
                b.iter(|| bench.go(mode));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, speed);
criterion_main!(benches);
