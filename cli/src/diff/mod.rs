//! The difference of two logs or two recordings, for people and for programs.

mod bisect;
pub(crate) mod hunk;
pub(crate) mod json;
mod paint;
pub(crate) mod replay;
pub(crate) mod text;

/// The help text about `--json`.
pub(crate) const SCHEMA: &str = include_str!("schema.txt");
