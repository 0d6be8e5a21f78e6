//! `rr diff`: shows the first difference of two logs, or of two recordings.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use machine::{Fault, Icount};
use replay_format::diff::Diff;
use replay_format::{Completeness, Kind, Log};
use rr::analysis::bisect::{Bisection, Known, Source, bisect};
use rr::analysis::diff::{Bracket, bracket, settings};
use rr::error::Error;
use rr::recording::Recording;

use crate::args::input::Input;
use crate::args::kinds::Pattern;
use crate::diff;
use crate::diff::hunk::{self, Compared, Recorded, SEED};
use crate::output::{self, outcome, words};

/// Show where two logs, or two recordings, part
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Compares two event logs, of rr or of any QEMU, and of two recordings also the \
    machines and the digests of their states.\n\n\
    Events are aligned on the instruction count: what is the same happens at the same \
    instruction. The first difference is shown with what both have before and after it, as \
    `diff -u` does; then how much is the same, and \
    whether the two meet again. Exit status: 0 the same, 1 they differ, 2 trouble, 4 the same as \
    far as there are digests of both.",
    after_long_help = diff::SCHEMA
)]
pub(crate) struct Args {
    /// A recording's directory, or an event log
    #[arg(value_name = "A")]
    first: PathBuf,

    /// The other one; without it a recording is compared with its own replay
    #[arg(value_name = "B")]
    second: Option<PathBuf>,

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

    /// Compare logs and digests alone: replay nothing
    #[arg(long, requires = "second")]
    no_hunt: bool,

    /// Compare after every instruction, however long it takes: finds also what is the same again
    /// soon after
    ///
    /// Else that is done between two state digests of which the second differs, and where the logs
    /// part; further off, states are compared at distances. Takes a minute for a thousand million
    /// instructions.
    #[arg(long, conflicts_with = "no_hunt")]
    every_instruction: bool,

    /// For tests of the hunt: in the replay the first instruction from ICOUNT on that has a result
    /// gives a wrong one; with `:MNEMONIC`, that instruction does, each time
    #[arg(
        long,
        value_name = "ICOUNT[:MNEMONIC]",
        hide = true,
        conflicts_with = "second"
    )]
    plant_fault: Option<Fault>,

    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let first = Input::open(&args.first)?;
    let Some(second) = &args.second else {
        return diff::replay::run(&first, args.plant_fault, args.every_instruction, args.json);
    };
    let second = Input::open(second)?;
    let (one, two) = (first.log()?, second.log()?);
    let recordings = first.recording()?.zip(second.recording()?);
    let mut recorded = match &recordings {
        Some((a, b)) => {
            let digests = [a.digests()?, b.digests()?];
            Some(Recorded {
                settings: settings(a, b)?,
                digests: bracket(&digests[0], &digests[1]),
                one_ended: digests[0].last().is_some() != digests[1].last().is_some(),
                bisection: None,
            })
        }
        None => None,
    };
    let bytes = one.bytes().len().max(two.bytes().len()) as u64;
    let mut kinds = [args.kinds.is_empty(); Kind::COUNT];
    for pattern in &args.kinds {
        pattern.select(one.table(), &mut kinds);
        pattern.select(two.table(), &mut kinds);
    }
    let diff = Diff::of_kinds(&one, &two, kinds);
    let logs = hunk::compare(diff, args.context.into(), bytes);
    if let (Some((a, b)), Some(recorded)) = (&recordings, &mut recorded)
        && !args.no_hunt
        && (logs.tally.places > 0 || recorded.digests.differ_at.is_some() || args.every_instruction)
    {
        let given = Known {
            known: recorded.digests,
            part: logs.tally.part.map(Icount::new),
            closely: args.every_instruction,
        };
        recorded.bisection = bisected([(a, &one), (b, &two)], recorded, given)?;
    }
    let compared = Compared {
        names: [first.name(), second.name()],
        logs: [&one, &two],
        hunk: logs.hunk,
        tally: logs.tally,
        kinds,
        recorded,
    };
    output::write(|out| match args.json {
        true => diff::json::print(&compared, out),
        false => diff::text::print(&compared, output::is_colourful(), out),
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
    Ok(match compared.is_same() {
        true if compared.one_ended() => ExitCode::from(outcome::UNCHECKED),
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    })
}

/// Bisects the replays of two recordings, if that makes sense. If it cannot, the user is told, and
/// that is no error: the logs are compared all the same.
fn bisected<'l>(
    sides: [(&Recording, &'l Log<'l>); 2],
    recorded: &Recorded<'_>,
    given: Known,
) -> anyhow::Result<Option<Bisection<'l>>> {
    if recorded.settings.iter().any(|setting| setting.name != SEED) {
        output::note(
            "not replayed side by side: the machines differ, so their states do from the start",
        );
        return Ok(None);
    }
    let known = match recorded.settings.is_empty() {
        true => given.known,
        // Other settings differ, so the states differ from the start, and the digests tell nothing.
        false => Bracket::default(),
    };
    let notes = output::notes();
    let sources = sides.map(|(recording, log)| Source {
        recording,
        log,
        fault: None,
        notes: &notes,
    });
    match bisect(sources, Known { known, ..given }) {
        Ok(bisection) => Ok(Some(bisection)),
        Err(error @ Error::Cancelled) => Err(error.into()),
        Err(error) => {
            output::note(&format!("not replayed side by side: {}", words::of(&error)));
            Ok(None)
        }
    }
}
