//! `rr dump`: prints the events of a log, one by one.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use replay_format::{Error, Kind, Log, Position, Record, Seek};
use rr::recording::position::{self as places, Target};

use crate::args::input::Input;
use crate::args::kinds::{Kinds, Pattern};
use crate::args::position;
use crate::events::json::Ndjson;
use crate::events::table::Tables;
use crate::events::text::{Lines, Widths};
use crate::events::{self, parallel};
use crate::output;
use crate::output::progress::Progress;

/// Print the events of a log
#[derive(Debug, clap::Args)]
#[command(long_about = "Prints the events of a log, of rr or of any QEMU (versions 5 to 13 of the \
    format).\n\n\
    A log that was cut short is printed up to its last whole event; a note on standard error says \
    how it ends. A log that is damaged is printed up to the damage, and the exit status is \
    2.", after_long_help = events::SCHEMA)]
pub(crate) struct Args {
    /// A recording's directory, or an event log
    #[arg(value_name = "REC|LOG")]
    input: PathBuf,

    /// How to print them
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,

    /// The first place: 12345 or 1.5M instructions, 50%, event#17, @SNAPSHOT, start, end
    ///
    /// Events at this place are printed, and the EVENT_INSTRUCTION that reaches or passes it.
    #[arg(long, value_name = "POS", default_value_t = places::Position::Start,
          hide_default_value = true)]
    from: places::Position,

    /// The last place, written likewise
    ///
    /// Events at this place are printed, those behind it are not.
    #[arg(long, value_name = "POS", default_value_t = places::Position::End,
          hide_default_value = true)]
    to: places::Position,

    /// Only these kinds of events; several with commas
    ///
    /// Upper or lower case, with or without EVENT_ or REPLAY_ASYNC_EVENT_ in front:
    /// EVENT_CHAR_WRITE, net, clock-host. A name that others begin with stands for all of these
    /// (checkpoint), and * for anything (EVENT_CHECKPOINT_CLOCK*). `rr inspect` lists the kinds of
    /// a log.
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<Pattern>,

    /// Stop after so many events
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// How events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One event per line: index, offset, icount, event, arguments; payloads as a short preview
    Text,
    /// One JSON object per line; the schema is below
    Ndjson,
    /// Tables, for reading
    Table,
}

/// The events that are printed.
#[derive(Debug)]
struct Selection {
    from: Target,
    to: Target,
    kinds: Kinds,
    limit: u64,
}

impl Selection {
    /// True if the event's kind is printed.
    #[inline]
    fn has(&self, record: &Record<'_>) -> bool {
        self.kinds.get(record.event.kind().index()) == Some(&true)
    }

    /// True if all events before `place` are before the last place.
    fn is_in_front(&self, place: &Position) -> bool {
        match self.to {
            Target::Icount(icount) => place.icount < icount.get(),
            Target::Event(index) => place.index <= index,
        }
    }
}

/// How a dump ended.
#[derive(Debug)]
enum Ended {
    /// At the last selected event, or at the end of the log.
    Well,
    /// At a place where the log cannot be read further.
    At(Error),
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let input = Input::open(&args.input)?;
    let log = input.log()?;
    let selection = select(&args, &input, &log).with_context(|| input.name())?;
    let (end, name) = (log.end(), name_width(&log, &selection.kinds));
    let start = log.seek(match selection.from {
        Target::Icount(icount) => Seek::Icount(icount.get()),
        Target::Event(index) => Seek::Event(index),
    });
    let ended = output::write(|out| match args.format {
        Format::Text => {
            let mut lines = Lines::new(out, Widths::up_to(end, name));
            let ended = each(&log, start, &selection, |record| lines.write(record))?;
            lines.finish().map(|()| ended)
        }
        Format::Ndjson => {
            let start = match args.limit {
                None => {
                    let last = |place: &Position| selection.is_in_front(place);
                    let selected = |record: &Record<'_>| selection.has(record);
                    parallel::ndjson(&log, start, last, &selected, out)?
                }
                Some(_) => start,
            };
            let mut ndjson = Ndjson::new(out);
            let ended = each(&log, start, &selection, |record| ndjson.write(record))?;
            ndjson.finish().map(|()| ended)
        }
        Format::Table => {
            let mut tables = Tables::new(out, end, name);
            let ended = each(&log, start, &selection, |record| tables.write(record))?;
            tables.finish().map(|()| ended)
        }
    })?;
    match ended {
        Ended::Well => Ok(ExitCode::SUCCESS),
        Ended::At(error) if error.is_truncated() => {
            output::note(&format!("{}: {error}", input.name()));
            Ok(ExitCode::SUCCESS)
        }
        Ended::At(error) => Err(anyhow!(error).context(input.name())),
    }
}

fn select(args: &Args, input: &Input, log: &Log<'_>) -> anyhow::Result<Selection> {
    let mut kinds = [args.kinds.is_empty(); Kind::COUNT];
    for pattern in &args.kinds {
        pattern.select(log.table(), &mut kinds);
    }
    let find = |position: &places::Position| position::target(input, log, position);
    Ok(Selection {
        from: find(&args.from).context("--from")?,
        to: find(&args.to).context("--to")?,
        kinds,
        limit: args.limit.unwrap_or(u64::MAX),
    })
}

/// The longest name of the selected events, in characters.
fn name_width(log: &Log<'_>, kinds: &Kinds) -> usize {
    let there = log.summary().kinds().map(|(kind, ..)| kind);
    let selected = there.filter(|kind| kinds.get(kind.index()) == Some(&true));
    selected.map(|kind| kind.name().len()).max().unwrap_or(0)
}

/// Calls `print` for each selected event.
fn each<F>(log: &Log<'_>, start: Position, selection: &Selection, mut print: F) -> io::Result<Ended>
where
    F: FnMut(&Record<'_>) -> io::Result<()>,
{
    let mut progress = Progress::new(log.bytes().len() as u64);
    let mut left = selection.limit;
    // The place comes from this log, so it is valid.
    let mut events = log.events_at(start).unwrap_or_else(|_| log.events());
    loop {
        // The record is used in place: moving each record out costs a third of the time.
        let next = events.next();
        let record = match &next {
            Some(Ok(record)) => record,
            Some(Err(error)) => return Ok(Ended::At(error.clone())),
            None => return Ok(Ended::Well),
        };
        progress.at(record.offset);
        if selection.from.is_after(record) {
            continue;
        }
        if left == 0 || selection.to.is_before(record) {
            return Ok(Ended::Well);
        }
        if selection.has(record) {
            print(record)?;
            left -= 1;
        }
        // Damage after the last selected event is no error.
        if left == 0 || selection.to == Target::Event(record.index) {
            return Ok(Ended::Well);
        }
    }
}
