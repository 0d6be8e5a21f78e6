//! What is made of recordings: what differs between two, parts of one, its replay in pieces.

pub mod bisect;
pub mod diff;
pub mod segments;
pub mod slice;
pub(crate) mod symbols;
