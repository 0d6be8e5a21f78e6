//! `rr verify`: checks that a recording replays exactly, or that a log is whole.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use machine::Execution;
use replay_format::Completeness;
use rr::recording::Recording;
use rr::run::open::ReplayOptions;
use rr::run::report::Finish;
use rr::session::context::RunContext;

use crate::args::core::CoreArgs;
use crate::args::input::Input;
use crate::output;
use crate::output::outcome::{self, thousands};
use crate::replayed::unseen;
use crate::segments::{self, Choice, SCHEMA, jobs};

/// Checks that a recording replays exactly, or that a log is whole
///
/// A recording is replayed, with every interrupt, exception and state digest compared. Of a bare
/// log the structure is checked. Exit status: 0; 1 if the replay diverged or the log is cut off; 4
/// if a part could not be checked, as nothing was recorded to check it by: behind the last state
/// digest of a recording that was killed, or where digests are lost.
///
/// A recording with snapshots can be verified in segments, from one snapshot to another: side by
/// side (--jobs), or one by one, on several machines (--segment), whose results --merge then joins.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SCHEMA)]
pub(crate) struct Args {
    /// A recording, or a log
    #[arg(value_name = "REC|LOG", required_unless_present = "merge")]
    input: Option<PathBuf>,

    /// Replay segments side by side, N at once
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroU16>,

    /// Replay one segment of N: they are of about equal length, as far as there are snapshots
    #[arg(long, value_name = "I/N", conflicts_with = "jobs")]
    segment: Option<Choice>,

    /// Print the result of the segment as JSON, for --merge
    #[arg(long, requires = "segment")]
    json: bool,

    /// Join the results of all segments of a recording
    #[arg(long, value_name = "FILE", num_args = 1..,
          conflicts_with_all = ["input", "jobs", "segment"])]
    merge: Vec<PathBuf>,

    #[command(flatten)]
    core: CoreArgs,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(input) = &args.input else {
        return segments::merge_files(&args.merge);
    };
    let execution = args.core.execution();
    match (args.jobs, args.segment) {
        (None, None) if input.is_file() => check_log(input),
        _ if input.is_file() => {
            bail!(
                "{}: a log has no segments, as only its structure can be checked",
                input.display()
            )
        }
        (_, Some(choice)) => segments::verify_one(input, choice, execution, args.json),
        (Some(jobs), None) => jobs::verify(input, jobs, execution),
        (None, None) => check_recording(input, execution),
    }
}

fn check_recording(dir: &Path, execution: Execution) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(dir)?;
    let recorded = recording.digests()?.len();
    recording.check_overlays(&output::notes())?;
    let context = RunContext {
        execution,
        ..RunContext::default()
    };
    let how = ReplayOptions::default();
    let report = match unseen(&recording, &how, context, "not verified")? {
        Ok(report) => report,
        Err(code) => return Ok(code),
    };
    let evidence = recording.evidence(report.icount)?;
    let cut = report.finish == Finish::LogCut;
    if cut {
        outcome::note_zeroes(&recording)?;
    }
    Ok(outcome::verified(&outcome::Verified {
        icount: report.icount,
        virtual_time: report.virtual_time,
        digests: (report.digests_checked, recorded as u64),
        digest: &report.digest.to_string(),
        cut,
        unchecked: evidence.unchecked(),
    })?)
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
