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
    Ok(match position.target(&log, &find).with_context(name)? {
        Target::Icount(icount) => icount,
        Target::Event(_) => position.resolve(&log, &find).with_context(name)?.icount,
    })
}
