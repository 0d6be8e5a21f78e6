//! `rr snapshot`: takes, lists and deletes the snapshots of a recording.

use machine::Icount;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};
use rr::error::Error;
use rr::host::signals;
use rr::recording::Recording;
use rr::recording::place::Place;
use rr::recording::position::Position;
use rr::recording::snapshot::{Listed, Snapshot, Store, snapshot_name};
use rr::timeline::{Keep, Options, Timeline};
use serde::Serialize;

use crate::args::position;
use crate::output::outcome::{self, thousands};
use crate::output::progress::InstructionProgress;
use crate::output::{self, report, words};

/// Version of what `list --json` prints.
const SCHEMA: u32 = 1;

/// Takes, lists and deletes snapshots of a recording
///
/// A snapshot is the whole machine at one place: `rr replay REC --from NAME` begins there, and a
/// seek starts from the nearest. It is as large as what has changed since the one before.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Save(Save),
    List(List),
    Delete(Delete),
}

/// Replays up to a place, and takes a snapshot there
#[derive(Debug, clap::Args)]
struct Save {
    /// The recording
    #[arg(value_name = "REC")]
    recording: PathBuf,

    /// Name of the new snapshot
    #[arg(value_name = "NAME", value_parser = snapshot_name)]
    name: String,

    /// Where: an instruction count (12345, 1.5M), a share (50%), event#17, @SNAPSHOT, start, end
    #[arg(long, value_name = "POS")]
    at: Position,
}

/// Lists the snapshots of a recording
#[derive(Debug, clap::Args)]
struct List {
    /// The recording
    #[arg(value_name = "REC")]
    recording: PathBuf,

    /// As JSON: {"schema": 1, "snapshots": [{"name", "parent", "icount", "virtual_time_ns", "size",
    /// "on_disk", "digest", "damaged"}]}; sizes in bytes
    #[arg(long)]
    json: bool,
}

/// Deletes snapshots; those that lie on them stay as they are
#[derive(Debug, clap::Args)]
struct Delete {
    /// The recording
    #[arg(value_name = "REC")]
    recording: PathBuf,

    /// The snapshots
    #[arg(value_name = "NAME", required = true, value_parser = snapshot_name)]
    names: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Save(args) => save(args),
        What::List(args) => list(&args),
        What::Delete(args) => delete(&args),
    }
}

fn store(dir: &Path) -> anyhow::Result<Store> {
    Recording::open(dir)?;
    Ok(Store::of(dir))
}

fn save(args: Save) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(&args.recording)?;
    let store = Store::of(recording.dir());
    if store.has(&args.name) {
        bail!(
            "{}: snapshot `{}` already exists; choose another name, or delete it first",
            args.recording.display(),
            args.name
        );
    }
    let at = position::icount(&recording, &args.at)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let _signals = signals::raise(&cancel).context("cannot listen to signals")?;
    let mut progress = InstructionProgress::new();
    let mut progress_at = |icount: Icount| progress.at(icount.get());
    let options = Options {
        keep: Keep::Recording,
        cancel,
        progress: Some(&mut progress_at),
        notes: output::notes(),
        ..Options::default()
    };
    let saved = save_at(&recording, Place::at(at), &args.name, options);
    drop(progress);
    let snapshot = match saved {
        Err(Error::Cancelled) => return Ok(outcome::interrupted("no snapshot was taken")),
        saved => match outcome::or_diverged(saved)? {
            Ok(snapshot) => snapshot,
            Err(code) => return Ok(code),
        },
    };
    output::note(&format!(
        "snapshot `{}` at {}",
        args.name,
        outcome::length(snapshot.icount, snapshot.virtual_time)
    ));
    Ok(ExitCode::SUCCESS)
}

fn save_at(
    recording: &Recording,
    place: Place,
    name: &str,
    options: Options<'_>,
) -> Result<Snapshot, Error> {
    let bytes = recording.map_log()?;
    let log = recording.whole_log(&bytes)?;
    let mut timeline = Timeline::open(recording, &log, options.shorter())?;
    timeline.goto(place)?;
    let snapshot = timeline.save(name)?;
    timeline.check_images()?;
    Ok(snapshot)
}

/// A snapshot in `list --json`.
#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    parent: Option<&'a str>,
    icount: Option<Icount>,
    virtual_time_ns: Option<u64>,
    size: u64,
    on_disk: u64,
    digest: Option<&'a str>,
    damaged: Option<String>,
}

impl<'a> Entry<'a> {
    fn new(listed: &'a Listed) -> Self {
        let sound = listed.snapshot.as_ref().ok();
        Self {
            name: &listed.name,
            parent: sound.and_then(|snapshot| snapshot.parent.as_deref()),
            icount: sound.map(|snapshot| snapshot.icount),
            virtual_time_ns: sound.map(|snapshot| snapshot.virtual_time),
            size: listed.size,
            on_disk: listed.on_disk,
            digest: sound.map(|snapshot| snapshot.digest.as_str()),
            damaged: listed.snapshot.as_ref().err().map(|error| words::of(error)),
        }
    }
}

fn list(args: &List) -> anyhow::Result<ExitCode> {
    let list = store(&args.recording)?.list()?;
    let entries: Vec<Entry<'_>> = list.iter().map(Entry::new).collect();
    if args.json {
        let all = serde_json::json!({ "schema": SCHEMA, "snapshots": entries });
        let text = report::json(&all)?;
        output::write(|out| writeln!(out, "{text}"))?;
    } else {
        output::write(|out| writeln!(out, "{}", table(&entries)))?;
    }
    let damaged = entries.iter().filter_map(|entry| entry.damaged.as_ref());
    let mut code = ExitCode::SUCCESS;
    for reason in damaged {
        output::complain(reason);
        code = ExitCode::from(2);
    }
    Ok(code)
}

fn table(entries: &[Entry<'_>]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "name",
        "icount",
        "virtual time",
        "bytes",
        "on disk",
        "on top of",
    ]);
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for entry in entries {
        let time = entry.virtual_time_ns.map(Duration::from_nanos);
        table.add_row([
            entry.name.to_owned(),
            match entry.icount {
                Some(icount) => thousands(icount.get()),
                None => "damaged".to_owned(),
            },
            time.map_or(String::new(), |time| format!("{time:.3?}")),
            thousands(entry.size),
            thousands(entry.on_disk),
            entry.parent.unwrap_or("power-on").to_owned(),
        ]);
    }
    table
}

fn delete(args: &Delete) -> anyhow::Result<ExitCode> {
    let store = store(&args.recording)?;
    for name in &args.names {
        store.delete(name)?;
    }
    Ok(ExitCode::SUCCESS)
}
