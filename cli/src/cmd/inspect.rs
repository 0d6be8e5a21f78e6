//! `rr inspect`: prints the summary of a log, and of the recording that it belongs to.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use comfy_table::{CellAlignment, Table as Columns, presets};
use replay_format::{Completeness, HEADER_LEN, Log};
use rr::recording::seal::Sealing;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::args::input::Input;
use crate::output;
use crate::output::outfile::{OutFile, Overwrite};
use crate::output::report::{self, escaped};
use crate::output::table_reason::table_reason;
use crate::plot::{self, PlotFile};

/// Summarise a log: version, length, events and bytes per kind
#[derive(Debug, clap::Args)]
#[command(long_about = "Summarises a log, of rr or of any QEMU (versions 5 to 13 of the format), \
    and the recording that it is part of.\n\n\
    A log that was cut short is summarised up to its last whole event. So is a log that is \
    damaged, and the exit status is 2.", after_long_help = SCHEMA)]
pub(crate) struct Args {
    /// A recording's directory, or an event log
    #[arg(value_name = "REC|LOG")]
    input: PathBuf,

    /// Print JSON, for programs
    #[arg(long)]
    json: bool,

    /// Also draw the run: events of each kind, executing and idle time, speed of the host,
    /// snapshots; FILE.svg or FILE.html
    ///
    /// Over virtual time for a recording, which is replayed to know it; over instructions for a
    /// bare log. Where that replay leaves the recording is marked, and the exit status is 1. The
    /// file needs nothing else, and is light or dark as the reader's system is.
    #[arg(long, value_name = "FILE")]
    plot: Option<PlotFile>,

    #[command(flatten)]
    overwrite: Overwrite,
}

/// The help text about `--json`.
const SCHEMA: &str = include_str!("inspect_schema.txt");

/// The output of `--json`; the fields are documented in [`SCHEMA`].
#[derive(Debug, Serialize)]
struct Summary {
    schema: u32,
    file: String,
    version: u8,
    version_id: String,
    table: &'static str,
    table_name: &'static str,
    table_reason: String,
    complete: bool,
    status: &'static str,
    error: Option<Problem>,
    instructions: u64,
    events: u64,
    bytes: u64,
    whole_bytes: u64,
    kinds: Kinds,
    execution_ns: Option<u64>,
    recording: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<Sealing>,
}

/// Why the events end, and where.
#[derive(Debug, Serialize)]
struct Problem {
    message: String,
    offset: u64,
    index: u64,
    icount: u64,
}

/// A list, in the order of the event ids; a map would lose the order.
#[derive(Debug)]
struct Kinds(Vec<(&'static str, Count)>);

#[derive(Debug, Clone, Copy, Serialize)]
struct Count {
    count: u64,
    bytes: u64,
}

impl Serialize for Kinds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// Runs the command: prints the summary, then an error if the log or the recording is damaged.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let input = Input::open(&args.input)?;
    let log = input.log()?;
    let plot = args.plot.as_ref();
    let plot = plot
        .map(|plot| Ok::<_, anyhow::Error>((plot, OutFile::create(&plot.path, args.overwrite)?)));
    let plot = plot.transpose()?;
    // A damaged machine.json must not hide the summary of the log.
    let (machine, machine_error) = match input.machine() {
        Ok(machine) => (machine, None),
        Err(error) => (None, Some(error)),
    };
    let (seal, seal_error) = match sealed(&input, machine.is_some()) {
        Ok(seal) => (seal, None),
        Err(error) => (None, Some(error)),
    };
    let mut summary = summarise(input.name(), &log, machine);
    summary.seal = seal;
    output::write(|out| {
        if args.json {
            write!(out, "{}", report::json(&summary)?)?;
            writeln!(out)
        } else {
            print(&summary, out)
        }
    })?;
    let drawn = plot.map(|(kind, file)| plot::draw(kind, file, &input, &log));
    let code = drawn.transpose()?.unwrap_or(ExitCode::SUCCESS);
    match (log.completeness(), log.error()) {
        (Completeness::Damaged { .. }, Some(error)) => {
            return Err(anyhow!(error.clone()).context(input.name()));
        }
        (Completeness::Truncated { .. }, Some(error)) => {
            output::note(&format!("{}: {error}", input.name()));
        }
        _ => {}
    }
    machine_error.or(seal_error).map_or(Ok(code), Err)
}

/// How the recording is sealed. Its log and its digests must be as they were sealed; overlays are
/// not read.
fn sealed(input: &Input, is_recording: bool) -> anyhow::Result<Option<Sealing>> {
    let Some(recording) = input.recording().ok().flatten().filter(|_| is_recording) else {
        return Ok(None);
    };
    let Some(sealing) = recording.sealing()? else {
        return Ok(None);
    };
    recording.check_log(input.bytes())?;
    recording.digests()?;
    Ok(Some(sealing))
}

fn whole(log: &Log<'_>) -> bool {
    log.completeness() == Completeness::Complete
}

fn summarise(file: String, log: &Log<'_>, recording: Option<Value>) -> Summary {
    let end = log.end();
    let kinds = log.summary().kinds();
    let shift = recording
        .as_ref()
        .and_then(|m| m.pointer("/machine/icount/shift")?.as_u64());
    Summary {
        schema: 1,
        file,
        version: log.table().version().number(),
        version_id: format!("{:#010x}", log.header().version_id),
        table: log.table().key(),
        table_name: log.table().name(),
        table_reason: table_reason(log.table(), Some(log.header()), whole(log)),
        complete: whole(log),
        status: match log.completeness() {
            Completeness::Complete => "complete",
            Completeness::Truncated { .. } => "truncated",
            Completeness::Damaged { .. } => "damaged",
        },
        error: log.error().map(|error| {
            let at = error.position().unwrap_or(end);
            Problem {
                message: error.to_string(),
                offset: at.offset,
                index: at.index,
                icount: at.icount,
            }
        }),
        instructions: end.icount,
        events: end.index,
        bytes: log.bytes().len() as u64,
        whole_bytes: end.offset,
        kinds: Kinds(
            kinds
                .map(|(kind, count, bytes)| (kind.name(), Count { count, bytes }))
                .collect(),
        ),
        execution_ns: shift.and_then(|shift| {
            let factor = 1u64.checked_shl(u32::try_from(shift).ok()?)?;
            end.icount.checked_mul(factor)
        }),
        recording,
        seal: None,
    }
}

fn print(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let mut facts: Vec<(&str, String)> = vec![
        ("log", escaped(&summary.file)),
        (
            "version",
            format!("{} ({})", summary.version, summary.version_id),
        ),
        (
            "table",
            format!("{}: {}", summary.table_name, summary.table_reason),
        ),
        ("complete", completeness(summary)),
        ("instructions", summary.instructions.to_string()),
        ("events", summary.events.to_string()),
        ("bytes", summary.bytes.to_string()),
    ];
    if let Some(ns) = summary.execution_ns {
        let seconds = format!(
            "{}.{:09} s of virtual time",
            ns / 1_000_000_000,
            ns % 1_000_000_000
        );
        facts.push(("executing", format!("{seconds}, idle time not counted")));
    }
    if let Some(seal) = &summary.seal {
        let what = match seal.repaired {
            true => "the log was repaired; checksums of",
            false => "checksums of",
        };
        let files: Vec<_> = seal.files.iter().map(|name| escaped(name)).collect();
        facts.push(("sealed", format!("{what} {}", files.join(", "))));
    }
    if let Some(recording) = &summary.recording {
        facts.push(("", String::new()));
        recorded(recording, &mut facts);
    }
    for (name, value) in &facts {
        let line = format!("{name:<14}{value}");
        writeln!(out, "{}", line.trim_end())?;
    }
    if summary.kinds.0.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for line in kinds(summary).lines() {
        // comfy-table pads both sides of a column.
        writeln!(
            out,
            "{}",
            line.trim_end().strip_prefix(' ').unwrap_or(&line)
        )?;
    }
    Ok(())
}

fn completeness(summary: &Summary) -> String {
    match &summary.error {
        None => "yes, it ends with EVENT_END".to_owned(),
        Some(error) => format!(
            "no, {} whole events in {} of {} bytes; {}",
            summary.events, summary.whole_bytes, summary.bytes, error.message
        ),
    }
}

/// The options of machine.json; options that are not set are left out.
fn recorded(recording: &Value, facts: &mut Vec<(&str, String)>) {
    let plain = |value: &Value| match value {
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    };
    let mut options = BTreeMap::new();
    if let Some(Value::Object(machine)) = recording.get("machine") {
        for (name, value) in machine {
            flatten(name, value, &mut options);
        }
    }
    if let Some(slice) = recording.get("slice") {
        let member = |name| slice.get(name).map(plain).unwrap_or_default();
        let (parent, from, to) = (member("parent"), member("from"), member("to"));
        let ends = match slice.get("ends") {
            Some(Value::Bool(true)) => ", where that ends",
            _ => "",
        };
        facts.push((
            "part of",
            format!("{parent}, from icount {from} to {to}{ends}"),
        ));
    }
    if let Some(by) = recording.get("rr_version") {
        facts.push(("recorded by", format!("rr {}", plain(by))));
    }
    let mut title = "machine";
    for (name, value) in options {
        facts.push((title, format!("{}={}", escaped(&name), plain(value))));
        title = "";
    }
    let mut title = "images";
    for image in recording
        .get("images")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let member = |name| image.get(name).map(plain).unwrap_or_default();
        let (role, path, size) = (member("role"), member("path"), member("size"));
        let hash = match image.get("blake3") {
            Some(hash) => format!("blake3 {}", plain(hash)),
            None => "content not measured".to_owned(),
        };
        facts.push((title, format!("{role} {path}, {size} bytes, {hash}")));
        title = "";
    }
    if let Some(interval) = recording.get("digest_interval") {
        facts.push(("digests", format!("every {} instructions", plain(interval))));
    }
}

fn flatten<'v>(name: &str, value: &'v Value, into: &mut BTreeMap<String, &'v Value>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (member, value) in members {
                flatten(&format!("{name}.{member}"), value, into);
            }
        }
        Value::String(text) if text.is_empty() => {}
        value => {
            into.insert(name.to_owned(), value);
        }
    }
}

fn kinds(summary: &Summary) -> Columns {
    let mut columns = Columns::new();
    columns.load_style(presets::NOTHING);
    columns.set_header(["event", "count", "bytes", "share"]);
    for (name, Count { count, bytes }) in &summary.kinds.0 {
        // Thousandths of the events' bytes: the header belongs to no event.
        let events = summary.whole_bytes.saturating_sub(HEADER_LEN as u64).max(1);
        let share = u128::from(*bytes) * 1000 / u128::from(events);
        let share = format!("{}.{}%", share / 10, share % 10);
        columns.add_row([
            (*name).to_owned(),
            count.to_string(),
            bytes.to_string(),
            share,
        ]);
    }
    for column in columns.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    columns
}
