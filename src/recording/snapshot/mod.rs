//! Snapshots: the whole state of a machine at one place of its recording, to go on from there.
//!
//! ```text
//! NAME.rr/snapshots/NAME/
//!   snapshot.json   the description, with a checksum of itself and of each file
//!   state.bin       harts and devices, and the disk operations whose completion the guest has
//!                   not seen yet (postcard)
//!   pages.bin       pages of RAM that differ from the parent's
//!   drive-ID.qcow2  clusters of a disk that differ from the parent's: a layer on the parent's
//!                   layer, or on the image
//! ```
//!
//! A snapshot lies on its parent, and the first one on the machine's state at power-on. So it is as
//! large as what has changed since then. When a snapshot with children is deleted, the pages and
//! clusters that they need of it move into them.
//!
//! A snapshot appears whole or not at all: it is made under another name, and renamed.

mod chain;
mod draft;
mod manifest;
pub(crate) mod pages;
mod store;

pub use chain::{Chain, Loaded};
pub(crate) use chain::{Checked, Saved};
pub use store::{Listed, Store};

use crate::error::{Damage, Error, NameError, RecordingFault};
use crate::host::disk::Below;
use machine::Icount;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the format of `snapshot.json` and of its files, without the machine's own state.
pub(crate) const FORMAT: u32 = 1;
/// Name of the folder in a recording.
pub const FOLDER: &str = "snapshots";
/// Name of the snapshot that every recording starts with, unless the user names it.
pub const FIRST: &str = "start";
const MANIFEST: &str = "snapshot.json";
pub(crate) const STATE: &str = "state.bin";
pub(crate) const PAGES: &str = "pages.bin";

/// The description of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub(crate) format: u32,
    /// Version of the format of the harts' and devices' state.
    pub(crate) state_format: u32,
    /// Its name.
    pub name: String,
    /// Name of the snapshot that it lies on.
    pub parent: Option<String>,
    /// Instructions executed since power-on.
    pub icount: Icount,
    /// Virtual time, in ns.
    pub virtual_time: u64,
    /// The place in the log after all events that have happened.
    pub log: LogPlace,
    /// Digest of the whole state of the machine, in hexadecimal.
    pub digest: String,
    /// True if the recording cannot be replayed without this snapshot, as at the start of a slice.
    pub pinned: bool,
    pub(crate) files: Vec<Stored>,
    pub(crate) drives: Vec<Layer>,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPlace {
    /// Byte offset in the file.
    pub offset: u64,
    /// Events before it.
    pub index: u64,
    /// Instructions counted by the events before it.
    pub icount: Icount,
}

impl From<replay_format::Position> for LogPlace {
    fn from(at: replay_format::Position) -> Self {
        Self {
            offset: at.offset,
            index: at.index,
            icount: Icount::new(at.icount),
        }
    }
}

impl From<LogPlace> for replay_format::Position {
    fn from(at: LogPlace) -> Self {
        Self {
            offset: at.offset,
            index: at.index,
            icount: at.icount.get(),
        }
    }
}

/// A file of a snapshot, with its size and checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    name: String,
    size: u64,
    blake3: String,
}

/// A drive's layer in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layer {
    pub(crate) drive: u8,
    pub(crate) file: String,
    pub(crate) below: Below,
}

/// Checks that a text can be the name of a snapshot. It also is the name of its folder.
///
/// # Errors
/// [`NameError`], which says what a name may be.
pub fn snapshot_name(name: &str) -> Result<String, NameError> {
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let rest = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match first && name.chars().all(rest) && name.len() <= 64 {
        true => Ok(name.to_owned()),
        false => Err(NameError(name.to_owned())),
    }
}

/// True if rr gives a file in a snapshot's folder this name.
pub(crate) fn is_own(name: &str) -> bool {
    [MANIFEST, STATE, PAGES].contains(&name)
        || (name.starts_with("drive-") && name.ends_with(".qcow2"))
}

/// True if a folder of this name can be a snapshot, or what is left of one.
pub(crate) fn is_folder(name: &str) -> bool {
    name.starts_with(store::HALF) || snapshot_name(name).is_ok()
}

/// True if it is the name of the snapshots' lock.
pub(crate) fn is_lock(name: &str) -> bool {
    name == store::LOCK
}

fn damaged(path: &Path, damage: Damage) -> Error {
    Error::recording(path, RecordingFault::Snapshot(damage))
}
