//! The network against a guest made of smoltcp, and servers on this host's loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod forward;
mod guest;
mod malformed;
mod options;
mod services;
mod tcp;
mod unix;
