//! Replays a recording for a command, with a progress bar.

use machine::Icount;
use std::process::ExitCode;

use rr::error::Error;
use rr::host::serial::Backend;
use rr::recording::Recording;
use rr::run::observe::Observer;
use rr::run::open::ReplayOptions;
use rr::run::report::{Finish, Report};
use rr::session::context::RunContext;
use rr::session::launch::replay;

use crate::output::progress::InstructionProgress;
use crate::output::{self, outcome};

/// Replays a recording. A divergence is printed, and gives the exit status.
pub(crate) fn replayed(
    recording: &Recording,
    how: &ReplayOptions,
    serial: &Backend,
    context: RunContext<'_>,
) -> anyhow::Result<Result<Report, ExitCode>> {
    outcome::or_diverged(untold(recording, how, serial, context))
}

/// Replays a recording. A divergence is left to the caller.
pub(crate) fn untold(
    recording: &Recording,
    how: &ReplayOptions,
    serial: &Backend,
    context: RunContext<'_>,
) -> Result<Report, Error> {
    let mut progress = InstructionProgress::new();
    let context = RunContext {
        progress: Some(&mut |icount: Icount| progress.at(icount.get())),
        notes: output::notes(),
        ..context.shorter()
    };
    replay(recording, how, serial, context)
}

/// Replays a recording without the guest's output. If it is interrupted, that is an error: `undone`
/// says what was not done.
pub(crate) fn unseen(
    recording: &Recording,
    how: &ReplayOptions,
    context: RunContext<'_>,
    undone: &str,
) -> anyhow::Result<Result<Report, ExitCode>> {
    let replayed = replayed(recording, how, &Backend::Null, context)?;
    Ok(replayed.and_then(|report| match report.finish {
        Finish::Interrupted => Err(outcome::interrupted(undone)),
        _ => Ok(report),
    }))
}

/// Replays a recording with an observer.
pub(crate) fn watched(
    recording: &Recording,
    serial: &Backend,
    observer: &mut dyn Observer,
) -> Result<Report, Error> {
    let context = RunContext {
        observer: Some(observer),
        ..RunContext::default()
    };
    untold(recording, &ReplayOptions::default(), serial, context)
}
