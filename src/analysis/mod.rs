//! Tools that work on recordings: comparing two, cutting out a part, replaying one in segments.

pub mod bisect;
pub mod diff;
pub mod segments;
pub mod slice;
pub(crate) mod symbols;
