//! `rr slice`: cuts a range out of a recording or a log.

use machine::Icount;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use replay_format::{Seek, Slice};
use rr::recording::Recording;
use rr::recording::position::{Position, Target};

use crate::args::input::Input;
use crate::args::position;
use crate::output;
use crate::output::outcome::{self, thousands};
use crate::output::outfile::{OutFile, Overwrite};
use crate::output::progress::InstructionProgress;

/// Cut a range out of a recording, as a recording; or out of a log, as a log
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Cuts a range out of a recording. The new recording starts from a snapshot, holds \
    the log and the digests of its range, and needs nothing of its parent but the images. \
    Instruction counts stay as they are. It is replayed, and compared with the parent's digests, \
    before it is there; it can be sliced again.\n\n\
    Of a bare event log, of rr or of any QEMU, the range is written as a whole log of the same \
    version: it begins with the instructions up to its first place. Such a slice is for reading: \
    dump, inspect, diff, export. The state of the machine at its first place is not in it, so it \
    cannot be replayed; only a slice from the start can, up to its end, by the program that \
    recorded the log."
)]
pub(crate) struct Args {
    /// A recording, or an event log
    #[arg(value_name = "REC|LOG")]
    input: PathBuf,

    /// The first place: 12345 or 1.5M instructions, 50%, event#17, @SNAPSHOT, start, end; events at
    /// it are in the slice
    #[arg(long, value_name = "POS", default_value_t = Position::Start)]
    from: Position,

    /// The last place, written likewise. Of a log, events at it are in the slice
    #[arg(long, value_name = "POS", default_value_t = Position::End)]
    to: Position,

    /// The recording or log to write; - for standard output of a log
    #[arg(short, long, value_name = "REC2|LOG2")]
    output: PathBuf,

    #[command(flatten)]
    overwrite: Overwrite,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let input = Input::open(&args.input)?;
    if let Some(recording) = input.recording()? {
        return of_recording(&recording, &args);
    }
    let out = OutFile::create(&args.output, args.overwrite)?;
    let log = input.log()?;
    let find = |position: &Position, option: &'static str| {
        let target = position::target(&input, &log, position).context(option);
        target
            .with_context(|| input.name())
            .map(|target| match target {
                Target::Icount(icount) => Seek::Icount(icount.get()),
                Target::Event(index) => Seek::Event(index),
            })
    };
    let (from, to) = (find(&args.from, "--from")?, find(&args.to, "--to")?);
    let slice = Slice::new(&log, from, to);
    if log.seek(to).offset < log.seek(from).offset {
        bail!("--to: {} is before --from {}", args.to, args.from);
    }
    let bytes = out.write(|out| slice.write(out))?;
    out.keep()?;
    let (first, last) = slice.icounts();
    output::note(&format!(
        "{} bytes: {} events, from icount {} to {}, as in {}",
        thousands(bytes),
        thousands(slice.events()),
        thousands(first),
        thousands(last),
        input.name()
    ));
    // The part that is missing or damaged could belong to the range.
    if let Some(error) = log.error().filter(|_| last == log.end().icount) {
        output::note(&format!("{}: {error}", input.name()));
    }
    output::note(match first {
        0 => {
            "it is for dump, inspect, diff and export; it replays, up to its end, where the whole \
             log does"
        }
        _ => {
            "it is for dump, inspect, diff and export; it cannot be replayed, as the machine's \
             state at its start is not in it"
        }
    });
    Ok(ExitCode::SUCCESS)
}

fn of_recording(recording: &Recording, args: &Args) -> anyhow::Result<ExitCode> {
    let find = |position: &Position, option: &'static str| {
        position::icount(recording, position).context(option)
    };
    let range = (find(&args.from, "--from")?, find(&args.to, "--to")?);
    let mut progress = InstructionProgress::new();
    let overwrite = args.overwrite.overwrite;
    let mut progress_at = |icount: Icount| progress.at(icount.get());
    let (to, notes) = (&args.output, output::notes());
    let report =
        rr::analysis::slice::slice(recording, range, to, overwrite, &mut progress_at, &notes);
    drop(progress);
    let report = match outcome::or_diverged(report)? {
        Ok(report) => report,
        Err(code) => return Ok(code),
    };
    output::note(&format!(
        "from icount {} to {}, verified: {} state digests equal, final digest {}",
        thousands(range.0.get()),
        thousands(report.icount.get()),
        report.digests_checked,
        report.digest
    ));
    Ok(ExitCode::SUCCESS)
}
