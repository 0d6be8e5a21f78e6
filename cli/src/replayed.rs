//! A recording, replayed for a command: with progress, and a divergence told.

use std::process::ExitCode;

use rr::error::Error;
use rr::host::serial::Backend;
use rr::recording::Recording;
use rr::run::driver::Finish;
use rr::run::observe::Watcher;
use rr::session::Report;
use rr::session::context::Company;
use rr::session::launch::{ReplayHow, replay};

use crate::output::progress::InstructionProgress;
use crate::output::{self, outcome};

/// Replays it. A divergence is told, and gives the exit status.
pub(crate) fn replayed(
    recording: &Recording,
    how: &ReplayHow,
    serial: &Backend,
    company: Company<'_>,
) -> anyhow::Result<Result<Report, ExitCode>> {
    outcome::or_diverged(untold(recording, how, serial, company))
}

/// The same; a divergence is left to the caller.
pub(crate) fn untold(
    recording: &Recording,
    how: &ReplayHow,
    serial: &Backend,
    company: Company<'_>,
) -> Result<Report, Error> {
    let mut progress = InstructionProgress::new();
    let company = Company {
        progress: Some(&mut |icount| progress.at(icount)),
        notes: output::notes(),
        ..company.shorter()
    };
    replay(recording, how, serial, company)
}

/// The same where nobody sees the guest, and a replay that was stopped is worth nothing: `undone`
/// says what was not done.
pub(crate) fn unseen(
    recording: &Recording,
    how: &ReplayHow,
    company: Company<'_>,
    undone: &str,
) -> anyhow::Result<Result<Report, ExitCode>> {
    let replayed = replayed(recording, how, &Backend::Null, company)?;
    Ok(replayed.and_then(|report| match report.finish {
        Finish::Interrupted => Err(outcome::interrupted(undone)),
        _ => Ok(report),
    }))
}

/// Replays a recording with somebody who watches.
pub(crate) fn watched(
    recording: &Recording,
    serial: &Backend,
    watcher: &mut dyn Watcher,
) -> Result<Report, Error> {
    let company = Company {
        watcher: Some(watcher),
        ..Company::default()
    };
    untold(recording, &ReplayHow::default(), serial, company)
}
