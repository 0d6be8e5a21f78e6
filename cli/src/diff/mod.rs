//! The difference between two logs or two recordings, for people and for programs.

mod bisect;
pub(crate) mod hunk;
pub(crate) mod json;
mod paint;
pub(crate) mod replay;
pub(crate) mod text;

/// What `rr diff --help` says of `--json`.
pub(crate) const SCHEMA: &str = include_str!("schema.txt");
