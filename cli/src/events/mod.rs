//! The events of a log as text, as tables and as JSON.

mod buffer;
pub(crate) mod json;
pub(crate) mod parallel;
pub(crate) mod table;
pub(crate) mod text;

/// The help text about `--format ndjson`, with examples.
pub(crate) const SCHEMA: &str = include_str!("schema.txt");
