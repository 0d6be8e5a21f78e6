//! The engine: joins the machine, the event log and the host.
//!
//! ARCHITECTURE.md at the root of the repository is the map.

#[cfg(all(test, loom))]
mod atomics;
pub mod handover;
pub mod monitor;
#[cfg_attr(loom, allow(dead_code, reason = "modelled alone"))]
mod questions;

// Under loom only the hand-overs are built: they alone are modelled.
#[cfg(not(loom))]
pub use engine::*;

#[cfg(not(loom))]
#[path = "."]
mod engine {
    pub mod company;
    pub mod control;
    pub mod diff;
    pub mod digests;
    pub mod disks;
    pub mod divergence;
    pub(crate) mod drive;
    pub mod driver;
    pub mod error;
    pub mod host;
    pub mod hunt;
    pub mod images;
    pub mod launch;
    pub mod lock;
    pub(crate) mod log_sink;
    pub(crate) mod measure;
    pub mod notes;
    pub mod options;
    pub mod pace;
    pub(crate) mod ready;
    pub mod record;
    pub mod recording;
    pub mod relay;
    pub mod replay;
    pub mod segment;
    pub mod session;
    pub mod slice;
    pub mod snapshot;
    pub mod timeline;
    pub mod watch;
    pub(crate) mod wishes;
}
