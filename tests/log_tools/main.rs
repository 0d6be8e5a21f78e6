//! End to end: `rr dump` and `rr inspect`, over the real binary, on logs that QEMU recorded.
//!
//! Golden files are in `tests/golden/log_tools`. To write them anew after a change that is meant:
//! `UPDATE_GOLDEN=1 cargo test -p rr-cli --test log_tools`, then look at what `git diff` says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed, its helpers too"
)]

mod counts;
mod golden;
mod harness;
mod recordings;
mod selection;
mod streams;
mod trouble;
#[path = "../support/walker.rs"]
mod walker;
