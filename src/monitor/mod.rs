//! The monitor: QMP with out-of-band execution.
//!
//! ```text
//!  sockets -- I/O thread (io.rs) -- exchange ----- main loop (in_band.rs) -- commands
//!                  |                                                            |
//!            out-of-band commands                             BQL, replay lock, vCPU thread
//! ```
//!
//! [`json`], [`request`] and [`session`] parse requests and decide what happens to each, without
//! I/O. The commands are described in `schema/`, and `generated/` is made from it.

mod address;
pub mod commands;
mod connection;
pub mod execute;
pub mod generated;
mod in_band;
mod io;
pub mod json;
mod limiter;
pub mod request;
mod server;
pub mod session;
#[cfg(test)]
mod tests;
pub mod visit;
mod wake;

pub use {
    address::Address,
    in_band::InBand,
    server::{Events, Monitor, Running},
};
