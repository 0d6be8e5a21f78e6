//! The requests that failed in a recording; they are kept beside its log.
//!
//! The log says when a request completed, and not how. A request that failed has left a part of its
//! effect on the disk, or none, and the guest may read that back. So this file holds that part too,
//! and a replay applies exactly it.

use super::DiskError;
use crate::host::map::MapError;
use crate::host::part;
use crate::host::small;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Version of the file's format.
const FORMAT: u32 = 1;

/// A piece of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length, in bytes.
    pub len: u64,
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IoError {
    /// The drive.
    pub drive: u8,
    /// The operation's number.
    pub id: u64,
    /// The host's error, for people only.
    pub reason: String,
    /// The part of the request that took effect.
    pub applied: Vec<Extent>,
}

/// All failed requests of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IoErrors {
    errors: BTreeMap<u64, IoError>,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    errors: Vec<IoError>,
}

impl IoErrors {
    /// Name of the file inside a recording.
    pub const FILE: &'static str = "io-errors.json";
    /// Its name while it is being written.
    pub const PART: &'static str = "io-errors.json.part";

    /// Adds a failed request. An operation fails only once.
    pub fn insert(&mut self, error: IoError) {
        self.errors.insert(error.id, error);
    }

    /// The failure of this operation, if it failed.
    pub fn get(&self, id: u64) -> Option<&IoError> {
        self.errors.get(&id)
    }

    /// Drops all failures but those of these operations.
    pub(super) fn keep(&mut self, ids: &[u64]) {
        self.errors.retain(|id, _| ids.contains(id));
    }

    /// All failures, in the order of their operations.
    pub fn iter(&self) -> impl Iterator<Item = &IoError> {
        self.errors.values()
    }

    /// True if no request failed.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Writes the file atomically: a reader finds the old file or the new one, never half of it.
    /// Call it before the log says that the operation completed. Otherwise a recording that is
    /// killed in between would replay the failed request as a successful one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), DiskError> {
        let fail = |cause| DiskError::io(path, "write the recording's I/O errors")(cause);
        let stored = Stored {
            format: FORMAT,
            errors: self.errors.values().cloned().collect(),
        };
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| fail(error.into()))?;
        part::write(path, &path.with_file_name(Self::PART), &text, true).map_err(fail)
    }

    /// Reads the file. If there is none, no request failed.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub fn load(path: &Path) -> Result<Self, DiskError> {
        let bytes = match small::read(path, small::DESCRIPTION) {
            Err(MapError::Missing { .. }) => return Ok(Self::default()),
            bytes => bytes?,
        };
        let damaged = |what: String| {
            DiskError::format(path, format!("is damaged: {what}; restore it from a copy"))
        };
        let stored: Stored =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if stored.format != FORMAT {
            let reason = format!(
                "has format {}, and this rr knows {FORMAT}; use the rr that recorded it",
                stored.format
            );
            return Err(DiskError::format(path, reason));
        }
        let mut errors = Self::default();
        for error in stored.errors {
            if errors.get(error.id).is_some() {
                return Err(damaged(format!("operation {} stands twice", error.id)));
            }
            errors.insert(error);
        }
        Ok(errors)
    }
}
