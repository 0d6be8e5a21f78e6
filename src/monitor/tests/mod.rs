//! The protocol over real sockets, with commands that need no machine. Commands about a machine are
//! tested end to end, in tests/monitor.
#![allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod flood;
mod in_band;
mod out_of_band;
mod rig;
mod shape;
mod sockets;
