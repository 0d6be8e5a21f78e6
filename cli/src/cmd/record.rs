//! `rr record`: runs a machine and records it.

use machine::Icount;
use std::path::PathBuf;
use std::process::ExitCode;

use rr::recording::snapshot::{FIRST, snapshot_name};
use rr::run::snapshots::Plan;
use rr::session::context::RunContext;
use rr::session::control::Mode;
use rr::session::launch::{DIGEST_INTERVAL, RecordTo};

use crate::args::core::CoreArgs;
use crate::args::ends::EndArgs;
use crate::args::machine::{MachineArgs, SerialArgs};
use crate::args::monitor::MonitorArgs;
use crate::args::snapshot::SnapshotArgs;
use crate::output::{self, outcome};

/// Records a machine into a directory NAME.rr
///
/// The recording holds everything that came from outside, and `rr replay NAME.rr` repeats the run
/// exactly. The images stay where they are; their sizes and BLAKE3 digests are checked at replay.
/// Exit status: 0, or 3 if the guest reported failure: the recording is complete in both cases.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    serial: SerialArgs,
    #[command(flatten)]
    core: CoreArgs,

    /// The recording: a new directory
    #[arg(short, long, value_name = "REC")]
    output: PathBuf,

    /// Replace the recording REC if it exists
    #[arg(long)]
    overwrite: bool,

    /// Do not make the recording outlive a crash of the system: for runs to throw away
    #[arg(long)]
    no_sync: bool,

    /// Instructions from one state digest to the next
    #[arg(long, value_name = "N", default_value_t = DIGEST_INTERVAL,
          value_parser = clap::value_parser!(u64).range(1..))]
    digest_every: u64,

    /// Name of the snapshot that is taken at the start
    #[arg(long, value_name = "NAME", default_value = FIRST, value_parser = snapshot_name)]
    snapshot: String,

    #[command(flatten)]
    snapshots: SnapshotArgs,

    #[command(flatten)]
    ends: EndArgs,

    #[command(flatten)]
    monitor: MonitorArgs,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let options = args.machine.options()?;
    let to = RecordTo {
        dir: &args.output,
        overwrite: args.overwrite,
        digest_interval: args.digest_every,
        sync: !args.no_sync,
        plan: args.snapshots.plan(Plan {
            at: Some((Icount::ZERO, args.snapshot)),
            ..Plan::default()
        }),
    };
    let dir = Some(args.output.clone());
    let (control, frontends) = args.monitor.open(Mode::Record, dir)?;
    let context = RunContext {
        control,
        frontends,
        execution: args.core.execution(),
        notes: output::notes(),
        ..RunContext::default()
    };
    let context = args.ends.apply(context)?;
    let report = rr::session::launch::run(&options, &args.serial.serial, Some(&to), context)?;
    output::note(&format!(
        "{}; recorded {} in {}",
        outcome::finish(&report),
        outcome::extent(&report),
        args.output.display()
    ));
    Ok(outcome::status(&report, true))
}
