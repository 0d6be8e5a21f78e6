//! End to end: the real binary runs, records, replays and verifies machines. A recording is always
//! replayed by another process than the one that made it.
#![allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod cores;
mod damage;
mod demo;
mod devices;
mod diff;
mod divergence;
mod echo_rounds;
mod ends;
mod errors;
mod evidence;
mod guest;
mod harness;
mod hostile;
mod images;
mod killed;
mod limits;
mod overwrite;
mod pace;
mod positions;
mod refused;
mod reset;
mod samples;
mod samples_rebuild;
mod sealed;
mod segments;
mod serial;
mod slices;
mod snapshots;
mod terminal;
