//! Which part of another recording a slice is.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `machine.json` says of a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The recording that it was cut out of. For people: it is not needed any more.
    pub parent: PathBuf,
    /// The instruction count at which it starts.
    pub from: u64,
    /// The instruction count at which it ends.
    pub to: u64,
    /// That is where the run ended.
    pub ends: bool,
}
