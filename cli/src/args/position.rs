//! Positions in a recording or a log, as the user writes them.

use anyhow::{Context, bail};
use machine::Icount;
use replay_format::Log;
use rr::recording::Recording;
use rr::recording::position::{Position, Target, no_snapshots};
use rr::recording::range::Range;
use rr::recording::snapshot::Store;

use crate::args::input::Input;

/// The instruction count of a position.
pub(crate) fn icount(recording: &Recording, position: &Position) -> anyhow::Result<Icount> {
    let bytes = recording.map_log()?;
    let name = || recording.dir().display().to_string();
    let log = recording.log(&bytes)?;
    let store = Store::of(recording.dir());
    let find = |name: &str| store.find(name);
    if let Some(icount) = in_slice(recording.manifest.slice.as_ref(), position) {
        return Ok(icount);
    }
    Ok(match position.target(&log, &find).with_context(name)? {
        Target::Icount(icount) => icount,
        Target::Event(_) => position.resolve(&log, &find).with_context(name)?.icount,
    })
}

/// The place of a position in the user's log. Of a recording only the log must exist.
pub(crate) fn target(input: &Input, log: &Log<'_>, position: &Position) -> anyhow::Result<Target> {
    let Some(directory) = input.directory() else {
        if let Position::Snapshot(_) = position {
            bail!("{position}: a bare log has no snapshots; name the directory of its recording");
        }
        return Ok(position.target(log, &no_snapshots)?);
    };
    let recording = input.recording().ok().flatten();
    let range = recording.and_then(|recording| recording.manifest.slice);
    if let Some(icount) = in_slice(range.as_ref(), position) {
        return Ok(Target::Icount(icount));
    }
    let store = Store::of(directory);
    Ok(position.target(log, &|name| store.find(name))?)
}

/// The instruction count of a position that has another meaning in a slice: a slice has its own
/// start, and a share is a share of the slice.
fn in_slice(range: Option<&Range>, position: &Position) -> Option<Icount> {
    let range = range?;
    match position {
        Position::Start => Some(range.from),
        Position::Share(share) => {
            let len = u128::from(range.to.since(range.from));
            let part = len * u128::from(*share) / u128::from(Position::ALL);
            Some(range.from + u64::try_from(part).unwrap_or(0))
        }
        _ => None,
    }
}
