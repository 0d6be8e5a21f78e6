//! Places in a recording, as the user names them.

use anyhow::Context;
use rr::recording::Recording;
use rr::snapshot::Store;
use rr::timeline::{Position, Target};

/// The instruction count of a position.
pub(crate) fn icount(recording: &Recording, position: &Position) -> anyhow::Result<u64> {
    let bytes = recording.map_log()?;
    let name = || recording.dir().display().to_string();
    let log = recording.log(&bytes)?;
    let store = Store::of(recording.dir());
    let find = |name: &str| store.find(name);
    // A slice has a start of its own, and a share is one of what it holds.
    if let Some(range) = &recording.manifest.slice {
        let len = u128::from(range.to - range.from.min(range.to));
        match position {
            Position::Start => return Ok(range.from),
            Position::Share(share) => {
                let part = len * u128::from(*share) / u128::from(Position::ALL);
                return Ok(range.from + u64::try_from(part).unwrap_or(0));
            }
            _ => {}
        }
    }
    Ok(match position.target(&log, &find).with_context(name)? {
        Target::Icount(icount) => icount,
        Target::Event(_) => position.resolve(&log, &find).with_context(name)?.icount,
    })
}
