//! Prints the difference of two logs for people.

use machine::Icount;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table as Columns, presets};
use replay_format::diff::Edit;
use replay_format::{Kind, Record};
use serde_json::Value;

use crate::diff::bisect;
use crate::diff::hunk::{Compared, Recorded, SEED};
use crate::diff::paint::{BOLD, CYAN, GREEN, Paint, RED};
use crate::events::text::Arguments;
use crate::output::outcome::thousands;
use crate::output::report::escaped;

/// Prints the first difference, and how much is the same.
pub(crate) fn print(
    compared: &Compared<'_, '_>,
    colour: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let paint = Paint(colour);
    let [first, second] = &compared.names;
    if compared.is_same() {
        writeln!(
            out,
            "the same: {} events, {} instructions",
            thousands(compared.tally.both()),
            thousands(compared.logs[0].end().icount)
        )?;
        let states = compared.recorded.as_ref().filter(|_| compared.one_ended());
        return match states {
            Some(Recorded { digests, .. }) => {
                let behind = match digests.same_at {
                    Some(icount) => format!(" behind icount {}", thousands(icount.get())),
                    None => String::new(),
                };
                let why = "only one of the two has a digest of its last state";
                writeln!(out, "the states are unknown{behind}: {why}")
            }
            None => Ok(()),
        };
    }
    if compared.tally.places > 0 {
        paint.line(BOLD, &format!("--- {}", escaped(first)), out)?;
        paint.line(BOLD, &format!("+++ {}", escaped(second)), out)?;
        hunk(compared, paint, out)?;
        writeln!(out)?;
    }
    for (name, value) in summary(compared) {
        writeln!(out, "{name:<14}{value}")?;
    }
    writeln!(out)?;
    for line in kinds(compared).lines() {
        // comfy-table pads both sides of a column.
        let line = line.trim_end();
        writeln!(out, "{}", line.strip_prefix(' ').unwrap_or(line))?;
    }
    match compared
        .recorded
        .as_ref()
        .and_then(|recorded| recorded.bisection.as_ref())
    {
        Some(bisection) => {
            writeln!(out)?;
            bisect::print(bisection, paint, out)
        }
        None => Ok(()),
    }
}

fn hunk(compared: &Compared<'_, '_>, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let edits = &compared.hunk.edits;
    let next = |pick: fn(&Edit<'_>) -> Option<u64>| {
        let index = edits.iter().find_map(pick);
        index.map_or("end".to_owned(), |index| format!("event#{index}"))
    };
    let first = next(|edit| match edit {
        Edit::Both(record, _) | Edit::First(record) => Some(record.index),
        Edit::Second(_) => None,
    });
    let second = next(|edit| match edit {
        Edit::Both(_, record) | Edit::Second(record) => Some(record.index),
        Edit::First(_) => None,
    });
    paint.line(CYAN, &format!("@@ -{first} +{second} @@"), out)?;
    let records = || edits.iter().map(record);
    let digits = |number: u64| number.to_string().len();
    let icount = records().map(|record| digits(record.icount)).max();
    let name = records()
        .map(|record| record.event.kind().name().len())
        .max();
    let (icount, name) = (icount.unwrap_or(0), name.unwrap_or(0));
    for edit in edits {
        let (sign, colour) = match edit {
            Edit::Both(..) => (' ', ""),
            Edit::First(_) => ('-', RED),
            Edit::Second(_) => ('+', GREEN),
        };
        let record = record(edit);
        let line = format!(
            "{sign}{:>icount$}  {:<name$}  {}",
            record.icount,
            record.event.kind().name(),
            Arguments(&record.event)
        );
        paint.line(colour, line.trim_end(), out)?;
    }
    if compared.hunk.cut {
        writeln!(out, " ...")?;
    }
    Ok(())
}

fn record<'e, 'a>(edit: &'e Edit<'a>) -> &'e Record<'a> {
    match edit {
        Edit::Both(record, _) | Edit::First(record) | Edit::Second(record) => record,
    }
}

fn summary(compared: &Compared<'_, '_>) -> Vec<(&'static str, String)> {
    let tally = &compared.tally;
    let mut facts = Vec::new();
    facts.push(match tally.part {
        Some(icount) => (
            "part",
            format!(
                "at icount {}: {} events are the same before that",
                thousands(icount),
                thousands(tally.before)
            ),
        ),
        None => ("part", "nowhere: all events are the same".to_owned()),
    });
    if tally.part.is_some() {
        facts.push(match tally.meet {
            Some(icount) => (
                "meet again",
                format!(
                    "at icount {}: {} events are the same from there to the end",
                    thousands(icount),
                    thousands(tally.tail)
                ),
            ),
            None => ("meet again", "no".to_owned()),
        });
        facts.push((
            "differ",
            format!(
                "in {}: {} events only in the first, {} only in the second, {} in both",
                match tally.places {
                    1 => "1 place".to_owned(),
                    places => format!("{} places", thousands(places)),
                },
                thousands(tally.first()),
                thousands(tally.second()),
                thousands(tally.both())
            ),
        ));
    }
    let [one, two] = compared.logs.map(|log| thousands(log.end().icount));
    facts.push((
        "instructions",
        match one == two {
            true => format!("{one} in both"),
            false => format!("{one} in the first, {two} in the second"),
        },
    ));
    if let Some(recorded) = &compared.recorded {
        let digests = recorded.digests;
        let seeds_differ = recorded.settings.iter().any(|setting| setting.name == SEED);
        let upto = |at: Option<Icount>| {
            at.map_or("the start".to_owned(), |at| {
                format!("icount {}", thousands(at.get()))
            })
        };
        facts.push((
            "states",
            match digests.differ_at {
                Some(_) if seeds_differ => "differ from the start, as the seeds do".to_owned(),
                Some(at) => format!(
                    "part between {} and icount {}",
                    upto(digests.same_at),
                    thousands(at.get())
                ),
                None if digests.compared == 0 => {
                    "unknown: no digests at the same icount".to_owned()
                }
                None => format!(
                    "the same in {} digests, up to {}",
                    digests.compared,
                    upto(digests.same_at)
                ),
            },
        ));
        let mut title = "settings";
        for setting in &recorded.settings {
            let value = |value: &Option<Value>| match value {
                None => "not set".to_owned(),
                Some(Value::String(text)) => escaped(text),
                Some(other) => escaped(&other.to_string()),
            };
            let name = escaped(&setting.name);
            let (one, two) = (value(&setting.first), value(&setting.second));
            facts.push((
                title,
                format!("{name}: {one} in the first, {two} in the second"),
            ));
            title = "";
        }
        if seeds_differ {
            let hint = "a guest that draws entropy parts at that: record with the same --rng-seed";
            facts.push(("", hint.to_owned()));
        }
    }
    facts
}

fn kinds(compared: &Compared<'_, '_>) -> Columns {
    let mut columns = Columns::new();
    columns.load_style(presets::NOTHING);
    columns.set_header(["event", "first", "second", "only first", "only second"]);
    for kind in rows(compared) {
        let cells = [kind.first, kind.second, kind.only_first, kind.only_second];
        let cells = cells.map(|count| count.to_string());
        columns.add_row([kind.name.to_owned()].into_iter().chain(cells));
    }
    for column in columns.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    columns
}

/// The number of events of a kind, and the numbers that only one log has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) first: u64,
    pub(crate) second: u64,
    pub(crate) only_first: u64,
    pub(crate) only_second: u64,
}

/// The kinds that occur, in the order of the ids. Counts of instructions are left out, because they
/// differ with every other difference.
pub(crate) fn rows<'c>(compared: &'c Compared<'_, '_>) -> impl Iterator<Item = Row> + 'c {
    let [one, two] = compared.logs;
    let [_, first, second] = &compared.tally.events;
    let row = move |&kind: &Kind| Row {
        name: kind.name(),
        first: one.summary().events_of(kind),
        second: two.summary().events_of(kind),
        only_first: first.get(kind.index()).copied().unwrap_or(0),
        only_second: second.get(kind.index()).copied().unwrap_or(0),
    };
    let compared = |kind: &&Kind| **kind != Kind::Instruction && compared.kinds[kind.index()];
    let kinds = Kind::ALL.iter().filter(compared);
    kinds.map(row).filter(|row| row.first + row.second > 0)
}
