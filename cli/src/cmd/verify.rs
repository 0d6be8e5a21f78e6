//! `rr verify`: does a recording replay, is a log whole.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use replay_format::Completeness;
use rr::control::Control;
use rr::driver::Finish;
use rr::host::serial::Backend;
use rr::launch::{ReplayHow, replay};
use rr::recording::Recording;

use crate::input::Input;
use crate::outcome::{self, thousands};
use crate::output;
use crate::progress::InstructionProgress;

/// Checks that a recording replays exactly, or that a log is whole
///
/// A recording is replayed, with every interrupt, exception and state digest compared. Of a bare log
/// the structure is checked. Exit status: 0, or 1 if the replay diverged or the log is cut off.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A recording, or a log
    #[arg(value_name = "REC|LOG")]
    input: PathBuf,
}

/// Does it.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.input.is_file() {
        check_log(&args.input)
    } else {
        check_recording(&args.input)
    }
}

fn check_recording(dir: &Path) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(dir)?;
    let recorded = recording.digests()?.len();
    let mut progress = InstructionProgress::new();
    let how = ReplayHow::default();
    let control = Control::unused();
    let result = replay(
        &recording,
        &how,
        &Backend::Null,
        &control,
        None,
        &mut |icount| progress.at(icount),
    );
    drop(progress);
    let report = match outcome::or_diverged(result)? {
        Ok(report) => report,
        Err(code) => return Ok(code),
    };
    if report.finish == Finish::Interrupted {
        output::complain("stopped by a signal: not verified");
        return Ok(ExitCode::from(2));
    }
    let cut = match report.finish {
        Finish::LogCut => "; the recording was cut off there, at its last whole event",
        _ => "",
    };
    output::write(|out| {
        writeln!(
            out,
            "verified: {}, {} of {recorded} state digests equal, final digest {:032x}{cut}",
            outcome::extent(&report),
            report.digests_checked,
            report.digest
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn check_log(path: &Path) -> anyhow::Result<ExitCode> {
    let input = Input::open(path)?;
    let log = input.log()?;
    if let Some(error) = log.error().filter(|error| !error.is_truncated()) {
        return Err(anyhow::Error::new(error.clone()).context(input.name()));
    }
    let end = log.end();
    let (word, code) = match log.completeness() {
        Completeness::Complete => ("whole", 0),
        _ => ("cut off", 1),
    };
    output::write(|out| {
        writeln!(
            out,
            "{word}: {}, {} events, {} instructions, {} bytes",
            log.table().name(),
            thousands(end.index),
            thousands(end.icount),
            thousands(end.offset)
        )
    })?;
    Ok(ExitCode::from(code))
}
