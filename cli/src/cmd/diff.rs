//! `rr diff`: where two logs, or two recordings, part.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use replay_format::diff::Diff;
use replay_format::{Completeness, Kind};
use rr::diff::{Bracket, Setting, bracket, settings};

use crate::diff_json;
use crate::diff_text;
use crate::hunk::{self, Compared};
use crate::input::Input;
use crate::kinds::Pattern;
use crate::output;

/// Show where two logs, or two recordings, part
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Compares two event logs, of rr or of any QEMU, and of two recordings also the machines and the \
    digests of their states.\n\n\
    Events are aligned on the instruction count: what is the same happens at the same instruction. The first \
    difference is shown with what both have before and after it, as `diff -u` does; then how much is the same, and \
    whether the two meet again. Exit status: 0 the same, 1 they differ, 2 trouble.",
    after_long_help = SCHEMA
)]
pub(crate) struct Args {
    /// A recording's directory, or an event log
    #[arg(value_name = "A")]
    first: PathBuf,

    /// The other one
    #[arg(value_name = "B")]
    second: PathBuf,

    /// Events that both have to show before and after the first difference, up to 100
    #[arg(short = 'U', long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    context: u8,

    /// Compare only these kinds of events, written as for `rr dump`; several with commas
    ///
    /// Between two recordings of one guest the readings of the host's clocks always differ: `--kind
    /// char-read,net,block` compares what came from outside.
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<Pattern>,

    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

const SCHEMA: &str = "\
EVENT_INSTRUCTION only says how far it is to the next event; it is not compared by itself. Neither is
what one version of the format does not hold: the checkpoint of an asynchronous event.

--json, schema 1: one object with these members:
  schema         1. Members may be added to it; a change of those below makes it 2
  same           true if nothing differs; exit status 0 then, else 1
  first, second  of each log: file, table, status (as in inspect), events, instructions
  both           events that both have
  only_first     events that only the first has; only_second likewise
  places         how many runs of differing events there are
  part           where they part: icount, and hunk: what is shown as text, each an object with
                 in (\"both\", \"first\" or \"second\") and event (a line of `rr dump --format ndjson`);
                 null if all events are the same
  meet           where they meet again behind the last difference: icount, and events, how many are
                 the same from there to the end; null if they do not
  kinds          name of the event -> first, second: how many each has; only_first, only_second:
                 how many only that one has
  settings       of two recordings: what differs in their machines, each with name, first, second
  digests        of two recordings: compared, how many states were held against each other; same_at,
                 the icount up to which they are the same; differ_at, of the first that differ, or null";

/// What only two recordings have.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) settings: Vec<Setting>,
    pub(crate) digests: Bracket,
}

/// Compares.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (first, second) = (Input::open(&args.first)?, Input::open(&args.second)?);
    let (one, two) = (first.log()?, second.log()?);
    let recorded = match (first.recording()?, second.recording()?) {
        (Some(a), Some(b)) => Some(Recorded {
            settings: settings(&a, &b)?,
            digests: bracket(&a.digests()?, &b.digests()?),
        }),
        _ => None,
    };
    let bytes = one.bytes().len().max(two.bytes().len()) as u64;
    let mut kinds = [args.kinds.is_empty(); Kind::COUNT];
    for pattern in &args.kinds {
        pattern.select(one.table(), &mut kinds);
        pattern.select(two.table(), &mut kinds);
    }
    let diff = Diff::of_kinds(&one, &two, kinds);
    let logs = hunk::compare(diff, args.context.into(), bytes);
    let compared = Compared {
        names: [first.name(), second.name()],
        logs: [&one, &two],
        hunk: logs.hunk,
        tally: logs.tally,
        kinds,
        recorded,
    };
    output::write(|out| match args.json {
        true => diff_json::print(&compared, out),
        false => diff_text::print(&compared, output::is_colourful(), out),
    })?;
    for (log, name) in compared.logs.into_iter().zip(&compared.names) {
        match (log.completeness(), log.error()) {
            (Completeness::Damaged { .. }, Some(error)) => {
                return Err(anyhow!(error.clone()).context(name.clone()));
            }
            (Completeness::Truncated { .. }, Some(error)) => {
                output::note(&format!("{name}: {error}"));
            }
            _ => {}
        }
    }
    Ok(ExitCode::from(u8::from(!compared.is_same())))
}
