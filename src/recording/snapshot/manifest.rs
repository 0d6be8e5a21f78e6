//! `snapshot.json`: the description of a snapshot, with a checksum of itself and of each file.

use super::{FORMAT, Snapshot, Stored, damaged};
use crate::error::{Damage, Error, RecordingFault};
use crate::host::map::open_regular;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use std::fs;
use std::path::Path;

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    snapshot: Snapshot,
    /// BLAKE3 of the members above as compact JSON.
    blake3: String,
}

/// The format versions alone. They tell a file of another version from a damaged one.
#[derive(Deserialize)]
struct OfSomeVersion {
    snapshot: Formats,
}

#[derive(PartialEq, Eq, Deserialize)]
struct Formats {
    format: u32,
    state_format: u32,
}

/// The format versions that this rr reads.
const KNOWN: Formats = Formats {
    format: FORMAT,
    state_format: machine::state::FORMAT,
};

/// Reads what [`write`] wrote.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Snapshot, Error> {
    let strange = |error: serde_json::Error| match error.classify() {
        // The JSON is well-formed, but lacks a member: members were added without a new version.
        Category::Data => Error::recording(path, RecordingFault::SnapshotMembers(error)),
        _ => damaged(path, Damage::Json(error)),
    };
    let OfSomeVersion { snapshot: found } = serde_json::from_slice(bytes).map_err(strange)?;
    if found != KNOWN {
        let of = |formats: &Formats| (formats.format, formats.state_format);
        let (found, known) = (of(&found), of(&KNOWN));
        return Err(Error::recording(
            path,
            RecordingFault::SnapshotFormats { found, known },
        ));
    }
    let Sealed { snapshot, blake3 } = serde_json::from_slice(bytes).map_err(strange)?;
    if seal(&snapshot, path)? != blake3 {
        return Err(damaged(path, Damage::Seal));
    }
    Ok(snapshot)
}

/// Writes the file, with a checksum of its own. Returns the snapshot.
pub(super) fn write(path: &Path, snapshot: Snapshot) -> Result<Snapshot, Error> {
    let blake3 = seal(&snapshot, path)?;
    let sealed = Sealed { snapshot, blake3 };
    let text = serde_json::to_string_pretty(&sealed)
        .map_err(|error| Error::recording(path, RecordingFault::Encode(error.into())))?;
    fs::write(path, text + "\n").map_err(Error::file(path, "write"))?;
    Ok(sealed.snapshot)
}

fn seal(snapshot: &Snapshot, path: &Path) -> Result<String, Error> {
    let text = serde_json::to_vec(snapshot);
    let text =
        text.map_err(|error| Error::recording(path, RecordingFault::Encode(error.into())))?;
    Ok(blake3::hash(&text).to_hex().to_string())
}

impl Stored {
    /// The size and checksum of a file.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        let (file, _) = open_regular(path)?;
        let name = path.file_name().unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        // The file is read and not mapped: on a full tmpfs, reading a hole of a mapping is SIGBUS.
        hasher
            .update_reader(file)
            .map_err(Error::file(path, "read"))?;
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            size: hasher.count(),
            blake3: hasher.finalize().to_hex().to_string(),
        })
    }

    /// True if a file has this size and checksum. A file of another size is not read.
    pub(super) fn is(&self, path: &Path) -> Result<bool, Error> {
        let (_, len) = open_regular(path)?;
        Ok(len == self.size && Self::of(path)? == *self)
    }
}
