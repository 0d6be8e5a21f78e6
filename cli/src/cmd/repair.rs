//! `rr repair`: saves the sound part of a log.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use replay_format::{Salvage, Table};
use rr::recording::{LOG, Recording};

use crate::args::input::Input;
use crate::output;
use crate::output::outcome::thousands;
use crate::output::outfile::{self, OutFile, Overwrite};
use crate::output::report::escaped;
use crate::output::table_reason::table_reason;

/// Save what is left of a log that was killed, cut or damaged
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Saves what is left of a log, of rr or of any QEMU, that was killed, cut \
    anywhere, or damaged: its events up to the first that is not whole or makes no sense, as a log \
    with a proper header and end.\n\n\
    QEMU writes the version of a log when the recording ends, so one that was killed has none. It \
    is then found by which version reads the events whole, or furthest; the answer says which, and \
    why.",
    after_long_help = "\
A recording of rr that was killed replays as it is. Where its log was cut or damaged later, LOG2 \
can take its place: name the recording's own replay.bin, with --overwrite. `rr replay` then stops \
at the last event that was saved, and `rr verify` says how far the digests vouch for it.

Examples:
  rr repair killed.bin -o saved.bin          then: rr inspect saved.bin
  rr repair killed.bin --table 10 -o saved.bin
  rr repair boot.rr -o boot.rr/replay.bin --overwrite"
)]
pub(crate) struct Args {
    /// An event log, or a recording's directory
    #[arg(value_name = "LOG|REC")]
    input: PathBuf,

    /// The log to write; - for standard output
    #[arg(short, long, value_name = "LOG2")]
    output: PathBuf,

    /// Take it for this version, whatever it looks like: 5 to 13, 7-3.0, 7-4.0, 12-7.1
    #[arg(long, value_name = "VERSION", value_parser = table)]
    table: Option<&'static Table>,

    #[command(flatten)]
    overwrite: Overwrite,
}

fn table(key: &str) -> Result<&'static Table, String> {
    Table::from_key(key).ok_or_else(|| {
        let known: Vec<&str> = Table::ALL.iter().map(Table::key).collect();
        format!("`{key}` is none of {}", known.join(", "))
    })
}

/// Runs the command: writes the repaired log, and prints how much survives.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let out = OutFile::create_log(&args.output, args.overwrite)?;
    let input = Input::open(&args.input)?;
    let salvage = match (args.table, input.is_recording()) {
        (Some(table), _) => Salvage::with_table(input.bytes(), table),
        (None, true) => Salvage::with_table(input.bytes(), Table::RR),
        (None, false) => Salvage::of(input.bytes()),
    };
    let salvage = salvage.with_context(|| input.name())?;
    let bytes = out.write(|out| salvage.write(out))?;
    out.keep()?;
    if let Some(recording) = recording_of(&args.output) {
        recording.seal_repaired()?;
    }
    let mut say = Vec::new();
    tell(&args, &input, &salvage, bytes, &mut say)?;
    // If the log goes to standard output, the report goes to standard error.
    if outfile::is_stdout(&args.output) {
        String::from_utf8_lossy(&say).lines().for_each(output::note);
    } else {
        output::write(|out| out.write_all(&say))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The recording whose log this is.
fn recording_of(log: &Path) -> Option<Recording> {
    let directory = log.parent().filter(|_| log.ends_with(LOG))?;
    let named = match directory == Path::new("") {
        true => Path::new("."),
        false => directory,
    };
    Recording::open(named).ok()
}

fn tell(
    args: &Args,
    input: &Input,
    salvage: &Salvage<'_>,
    bytes: u64,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let why = match args.table {
        Some(_) => "as --table says".to_owned(),
        None if input.is_recording() => "rr records no other".to_owned(),
        None => table_reason(salvage.table(), salvage.header(), salvage.loss().is_none()),
    };
    let end = salvage.end();
    let kept = end.offset.min(input.bytes().len() as u64);
    let lost = match salvage.loss() {
        None if salvage.was_whole() => "nothing: the log was whole".to_owned(),
        None => "nothing but the version in the header".to_owned(),
        Some(loss) => format!("{} bytes; {loss}", thousands(salvage.lost())),
    };
    let facts = [
        ("log", escaped(&input.name())),
        ("taken for", format!("{}: {why}", salvage.table().name())),
        (
            "survives",
            format!(
                "{} of {} bytes, {} events, {} instructions",
                thousands(kept),
                thousands(input.bytes().len() as u64),
                thousands(end.index),
                thousands(end.icount)
            ),
        ),
        ("lost", lost),
        (
            "written",
            format!(
                "{}, {} bytes",
                escaped(&args.output.display().to_string()),
                thousands(bytes)
            ),
        ),
    ];
    for (name, value) in facts {
        writeln!(out, "{name:<14}{value}")?;
    }
    Ok(())
}
