//! `rr replay`: a recording, repeated.

use std::path::PathBuf;
use std::process::ExitCode;

use rr::host::serial::Backend;
use rr::launch::{ReplayHow, replay};
use rr::recording::Recording;
use rr::timeline::{Position, Target, no_snapshots};

use anyhow::Context;

use crate::core_args::CoreArgs;
use crate::progress::InstructionProgress;
use crate::{outcome, output};

/// Replays a recording exactly
///
/// What the guest printed goes to standard output again. Nothing is read from the host: no clock, no
/// serial input. Every interrupt, exception and state digest of the recording is checked. Exit status:
/// 0, or 1 if the replay diverged; a recording that was cut off replays to its last whole event.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recording
    #[arg(value_name = "REC")]
    recording: PathBuf,

    /// Stop there: an instruction count (12345, 1.5M), a share (50%), event#17, or end
    #[arg(long, value_name = "POS")]
    until: Option<Position>,

    /// Where the guest's output goes: stdio, null, file:PATH, unix:PATH, pty
    #[arg(long, value_name = "BACKEND", default_value = "stdio")]
    serial: Backend,

    /// Replay even if images have changed: shows where that makes a difference
    #[arg(long)]
    allow_changed_images: bool,

    #[command(flatten)]
    core: CoreArgs,
}

/// Does it.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(&args.recording)?;
    let how = ReplayHow {
        // To the end is to the last event; a count stops in front of the events at it.
        until: args
            .until
            .as_ref()
            .filter(|at| **at != Position::End)
            .map(|at| resolve(&recording, at))
            .transpose()?,
        changed_images: args.allow_changed_images,
        execution: args.core.execution(),
    };
    let mut progress = InstructionProgress::new();
    let result = replay(&recording, &how, &args.serial, &mut |icount| {
        progress.at(icount)
    });
    drop(progress);
    let report = match outcome::or_diverged(result)? {
        Ok(report) => report,
        Err(code) => return Ok(code),
    };
    output::note(&format!(
        "{}; replayed {}",
        outcome::finish(&report),
        outcome::extent(&report)
    ));
    Ok(outcome::status(&report, false))
}

/// The instruction count of a position.
fn resolve(recording: &Recording, position: &Position) -> anyhow::Result<u64> {
    let bytes = recording.map_log()?;
    let name = || recording.dir().display().to_string();
    let log = recording.log(&bytes)?;
    Ok(
        match position.target(&log, &no_snapshots).with_context(name)? {
            Target::Icount(icount) => icount,
            Target::Event(_) => {
                position
                    .resolve(&log, &no_snapshots)
                    .with_context(name)?
                    .icount
            }
        },
    )
}
