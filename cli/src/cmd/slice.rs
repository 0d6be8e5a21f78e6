//! `rr slice`: a range of a log, as a log.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use replay_format::{Seek, Slice};
use rr::timeline::{Position, Target, no_snapshots};

use crate::input::Input;
use crate::outcome::thousands;
use crate::outfile::{OutFile, Overwrite};
use crate::output;

/// Cut a range out of a log, as a log
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Cuts a range out of an event log, of rr or of any QEMU, and writes it as a whole log of the same \
    version. Instruction counts stay as they are: the slice begins with the instructions up to its first place, so \
    `rr diff` finds the same events at the same places.\n\n\
    A slice is for reading: dump, inspect, diff, export. The state of the machine at its first place is not in it, so \
    it cannot be replayed; only a slice from the start can, up to its end, by the program that recorded the log."
)]
pub(crate) struct Args {
    /// An event log
    #[arg(value_name = "LOG")]
    input: PathBuf,

    /// The first place: 12345 or 1.5M instructions, 50%, event#17, start, end; events at it are in the slice
    #[arg(long, value_name = "POS", default_value_t = Position::Start)]
    from: Position,

    /// The last place, written likewise; events at it are in the slice
    #[arg(long, value_name = "POS", default_value_t = Position::End)]
    to: Position,

    /// The log to write; - for standard output
    #[arg(short, long, value_name = "LOG2")]
    output: PathBuf,

    #[command(flatten)]
    overwrite: Overwrite,
}

/// Writes the slice.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let out = OutFile::create(&args.output, args.overwrite)?;
    let input = Input::open(&args.input)?;
    if input.is_recording() {
        bail!(
            "{}: is a recording, and slices of recordings are still to come; slice its log, {}",
            args.input.display(),
            input.name()
        );
    }
    let log = input.log()?;
    let find = |position: &Position, option: &'static str| {
        let target = position.target(&log, &no_snapshots).context(option);
        target
            .with_context(|| input.name())
            .map(|target| match target {
                Target::Icount(icount) => Seek::Icount(icount),
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
    output::note(match first {
        0 => {
            "it is for dump, inspect, diff and export; it replays, up to its end, where the whole log does"
        }
        _ => {
            "it is for dump, inspect, diff and export; it cannot be replayed, as the machine's state at its \
             start is not in it"
        }
    });
    Ok(ExitCode::SUCCESS)
}
