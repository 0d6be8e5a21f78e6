//! The engine: joins the machine, the event log and the host.
//!
//! ARCHITECTURE.md at the root of the repository is the map.

#[cfg(all(test, loom))]
mod atomics;
pub mod handover;
#[cfg_attr(loom, allow(dead_code, reason = "modelled alone"))]
mod questions;

// Under loom only the hand-overs are built: they alone are modelled.
#[cfg(not(loom))]
pub mod company;
#[cfg(not(loom))]
pub mod control;
#[cfg(not(loom))]
pub mod diff;
#[cfg(not(loom))]
pub mod digests;
#[cfg(not(loom))]
pub mod disks;
#[cfg(not(loom))]
pub mod divergence;
#[cfg(not(loom))]
mod drive;
#[cfg(not(loom))]
pub mod driver;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod host;
#[cfg(not(loom))]
pub mod hunt;
#[cfg(not(loom))]
pub mod images;
#[cfg(not(loom))]
pub mod launch;
#[cfg(not(loom))]
pub mod lock;
#[cfg(not(loom))]
mod log_sink;
#[cfg(not(loom))]
mod measure;
pub mod monitor;
#[cfg(not(loom))]
pub mod notes;
#[cfg(not(loom))]
pub mod options;
#[cfg(not(loom))]
mod ready;
#[cfg(not(loom))]
pub mod record;
#[cfg(not(loom))]
pub mod recording;
#[cfg(not(loom))]
pub mod relay;
#[cfg(not(loom))]
pub mod replay;
#[cfg(not(loom))]
pub mod segment;
#[cfg(not(loom))]
pub mod session;
#[cfg(not(loom))]
pub mod slice;
#[cfg(not(loom))]
pub mod snapshot;
#[cfg(not(loom))]
pub mod timeline;
#[cfg(not(loom))]
pub mod watch;
#[cfg(not(loom))]
mod wishes;
