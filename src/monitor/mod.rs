//! The monitor: QMP with out-of-band execution.
//!
//! ```text
//!  sockets -- I/O thread (io.rs) -- exchange ----- main loop (in_band.rs) -- commands
//!                  |                                                            |
//!            out-of-band commands                             BQL, replay lock, vCPU thread
//! ```
//!
//! What a client may say and what becomes of it is in [`json`], [`request`] and [`session`], all
//! without I/O. What the commands are is in `schema/`, from which `generated/` is made.

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
