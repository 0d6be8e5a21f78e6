//! The part of another recording that a slice holds.

use machine::Icount;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The part of another recording that a slice holds, as its `machine.json` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Path of the other recording. It is for people: the slice does not need it.
    pub parent: PathBuf,
    /// The instruction count at which it starts.
    pub from: Icount,
    /// The instruction count at which it ends.
    pub to: Icount,
    /// True if the run ended at `to`.
    pub ends: bool,
}
