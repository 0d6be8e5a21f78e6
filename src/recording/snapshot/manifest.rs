//! `snapshot.json`: the description of a snapshot, with a checksum of itself and of each file.

use super::{FORMAT, Snapshot, Stored, damaged};
use crate::error::{Damage, Error, RecordingFault};
use crate::host::map::open_regular;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use std::fs;
use std::path::{Component, Path};

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
    let layers = snapshot.drives.iter().map(|layer| &layer.file);
    let files = snapshot.files.iter().map(|stored| &stored.name);
    if let Some(name) = layers.chain(files).find(|name| !is_plain(name)) {
        return Err(damaged(path, Damage::FileName(name.clone())));
    }
    Ok(snapshot)
}

/// True for the name of a file in the snapshot's folder. A snapshot may come from a stranger, and
/// its names become parts of paths.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let first = parts.next();
    matches!(first, Some(Component::Normal(first)) if first == name) && parts.next().is_none()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::disk::{Below, Format};
    use crate::recording::snapshot::{Layer, LogPlace};
    use machine::Icount;

    fn of_file(name: &str, layer: &str) -> Snapshot {
        Snapshot {
            format: FORMAT,
            state_format: machine::state::FORMAT,
            name: "a".to_owned(),
            parent: None,
            icount: Icount::ZERO,
            virtual_time: 0,
            log: LogPlace {
                offset: 0,
                index: 0,
                icount: Icount::ZERO,
            },
            digest: String::new(),
            pinned: false,
            files: vec![Stored {
                name: name.to_owned(),
                size: 0,
                blake3: String::new(),
            }],
            drives: vec![Layer {
                drive: 0,
                file: layer.to_owned(),
                below: Below {
                    name: String::new(),
                    format: Format::Raw,
                },
            }],
        }
    }

    #[test]
    fn names_stay_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot.json");
        let read = |snapshot| {
            write(&path, snapshot).unwrap();
            super::read(&path, &fs::read(&path).unwrap())
        };
        read(of_file("state.bin", "drive-x.qcow2")).unwrap();
        for name in ["../x", "/x", "", "..", ".", "a/b", "a/", "./a"] {
            for snapshot in [of_file(name, "a"), of_file("a", name)] {
                let error = read(snapshot).unwrap_err();
                let error = crate::error::chain(&error);
                assert!(error.contains("names the file"), "{name:?}: {error}");
            }
        }
    }
}
