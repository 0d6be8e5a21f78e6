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

// As in src/lib.rs.
#[cfg(not(loom))]
pub use rest::*;

#[cfg(not(loom))]
#[path = "."]
mod rest {
    use super::exchange;

    pub(super) mod address;
    pub mod commands;
    pub(super) mod connection;
    pub mod execute;
    pub mod generated;
    pub(super) mod in_band;
    pub(super) mod io;
    pub mod json;
    pub(super) mod limiter;
    pub mod request;
    pub(super) mod server;
    pub mod session;
    #[cfg(test)]
    mod tests;
    pub mod visit;
    pub(super) mod wake;

    pub use {
        address::Address,
        in_band::InBand,
        server::{Events, Monitor, Running},
    };
}
