//! End to end: the log tools of the real binary, on logs that QEMU recorded, and on recordings.
//!
//! Golden files are in `tests/golden/log_tools`. After an intended change, write them again with
//! `UPDATE_GOLDEN=1 cargo test -p rr-cli --test log_tools`, then check `git diff`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed, its helpers too"
)]

mod counts;
mod diff;
mod export;
mod golden;
mod harness;
mod help;
mod outputs;
mod plot;
mod recordings;
mod repair;
mod selection;
mod streams;
mod trouble;
#[path = "../support/walker.rs"]
mod walker;
