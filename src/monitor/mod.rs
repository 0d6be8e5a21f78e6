//! The monitor: QMP with out-of-band execution.
//!
//! ```text
//!  sockets -- I/O thread (io.rs) -- exchange.rs -- main loop (in_band.rs) -- commands
//!                  |                                                            |
//!            out-of-band commands                             BQL, replay lock, vCPU thread
//! ```
//!
//! What a client may say and what becomes of it is in [`json`], [`request`] and [`session`], all without I/O. What the
//! commands are is in `schema/`, from which `generated/` is made.

pub mod exchange;

#[cfg(not(loom))]
mod address;
#[cfg(not(loom))]
pub mod commands;
#[cfg(not(loom))]
mod connection;
#[cfg(not(loom))]
pub mod execute;
#[cfg(not(loom))]
pub mod generated;
#[cfg(not(loom))]
mod in_band;
#[cfg(not(loom))]
mod io;
#[cfg(not(loom))]
pub mod json;
#[cfg(not(loom))]
mod limiter;
#[cfg(not(loom))]
pub mod request;
#[cfg(not(loom))]
mod server;
#[cfg(not(loom))]
pub mod session;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(not(loom))]
pub mod visit;
#[cfg(not(loom))]
mod wake;

#[cfg(not(loom))]
pub use {
    address::Address,
    in_band::InBand,
    server::{Attached, Events, Monitor, Running},
};
