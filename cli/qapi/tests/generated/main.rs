//! Generated code, compiled and run: `output/` is what `rr qapi gen tests/schema/monitor.json` writes.
#![allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]

#[allow(
    dead_code,
    unreachable_pub,
    reason = "the whole of it is the monitor's"
)]
#[path = "output/mod.rs"]
mod generated;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the whole of it is the monitor's"
)]
#[path = "../../../../src/monitor/visit.rs"]
mod visit;

mod arguments;
mod calls;
mod stale;
