//! `rr replay`: repeats a recording.

use std::path::PathBuf;
use std::process::ExitCode;

use rr::error::NameError;
use rr::host::serial::Backend;
use rr::recording::Recording;
use rr::recording::position::Position;
use rr::recording::snapshot::snapshot_name;
use rr::run::open::ReplayOptions;
use rr::run::report::Finish;
use rr::run::snapshots::Plan;
use rr::session::context::RunContext;
use rr::session::control::Mode;

use crate::args::core::CoreArgs;
use crate::args::ends::TimeoutArgs;
use crate::args::monitor::MonitorArgs;
use crate::args::position;
use crate::args::snapshot::SnapshotArgs;
use crate::output::{self, outcome};
use crate::replayed::replayed;

/// Replays a recording exactly
///
/// What the guest printed goes to standard output again. Nothing is read from the host: no clock,
/// no serial input. Every interrupt, exception and state digest of the recording is checked. Exit
/// status: 0, or 1 if the replay diverged; a recording that was cut off replays to its last whole
/// event.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recording
    #[arg(value_name = "REC")]
    recording: PathBuf,

    /// Begin at this snapshot
    #[arg(long, value_name = "SNAPSHOT", value_parser = from_snapshot)]
    from: Option<String>,

    /// Stop there: an instruction count (12345, 1.5M), a share (50%), event#17, @SNAPSHOT, or end
    #[arg(long, value_name = "POS")]
    until: Option<Position>,

    /// Where the guest's output goes: stdio, null, file:PATH, unix:PATH, pty
    #[arg(long, value_name = "BACKEND", default_value = "stdio")]
    serial: Backend,

    /// Replay even if images have changed: shows where that makes a difference
    #[arg(long)]
    allow_changed_images: bool,

    #[command(flatten)]
    timeout: TimeoutArgs,

    #[command(flatten)]
    snapshots: SnapshotArgs,

    #[command(flatten)]
    monitor: MonitorArgs,

    #[command(flatten)]
    core: CoreArgs,
}

/// Parses the name of a snapshot, with or without the `@` of other positions.
fn from_snapshot(text: &str) -> Result<String, NameError> {
    snapshot_name(text.strip_prefix('@').unwrap_or(text))
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(&args.recording)?;
    let how = ReplayOptions {
        // `end` is after the last event. An instruction count is before the events at it.
        until: args
            .until
            .as_ref()
            .filter(|at| **at != Position::End)
            .map(|at| position::icount(&recording, at))
            .transpose()?,
        changed_images: args.allow_changed_images,
        from: args.from,
        plan: args.snapshots.plan(Plan::default()),
    };
    let dir = Some(args.recording.clone());
    let (control, frontends) = args.monitor.open(Mode::Replay, dir)?;
    let context = RunContext {
        control,
        frontends,
        execution: args.core.execution(),
        timeout: args.timeout.timeout,
        ..RunContext::default()
    };
    let report = match replayed(&recording, &how, &args.serial, context)? {
        Ok(report) => report,
        Err(code) => return Ok(code),
    };
    let cut = report.finish == Finish::LogCut;
    if cut {
        outcome::note_zeroes(&recording)?;
    }
    let unchecked = match cut || report.whole {
        true => recording.evidence(report.icount)?.unchecked(),
        false => None,
    };
    let unchecked = unchecked.map_or(String::new(), |unchecked| {
        let (what, why) = (outcome::checked(Some(unchecked)), outcome::lack(unchecked));
        format!("; {what}: {why}")
    });
    output::note(&format!(
        "{}; replayed {}{unchecked}",
        outcome::finish(&report),
        outcome::extent(&report)
    ));
    Ok(outcome::status(&report, false))
}
