//! The monitor of the real binary, over real sockets. src/monitor/tests tests the protocol without
//! a machine.
#![allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod client;
mod clients;
mod commands;
mod flood;
#[path = "../e2e/guest.rs"]
#[allow(
    dead_code,
    reason = "shared with the end-to-end tests, which use more of it"
)]
mod guest;
#[path = "../e2e/harness.rs"]
#[allow(
    dead_code,
    reason = "shared with the end-to-end tests, which use more of it"
)]
mod harness;
mod port;
mod protocol;
mod replay;
mod stale;
