//! The engine: joins the machine, the event log and the host.
//!
//! ARCHITECTURE.md at the root of the repository is the map.

pub mod handover;

// Under loom only the hand-overs are built: they alone are modelled.
#[cfg(not(loom))]
pub mod control;
#[cfg(not(loom))]
pub mod digests;
#[cfg(not(loom))]
pub mod divergence;
#[cfg(not(loom))]
pub mod driver;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod host;
#[cfg(not(loom))]
pub mod images;
#[cfg(not(loom))]
pub mod launch;
#[cfg(not(loom))]
pub mod lock;
pub mod monitor;
#[cfg(not(loom))]
pub mod options;
#[cfg(not(loom))]
pub mod record;
#[cfg(not(loom))]
pub mod recording;
#[cfg(not(loom))]
pub mod replay;
#[cfg(not(loom))]
pub mod session;
#[cfg(not(loom))]
pub mod snapshot;
#[cfg(not(loom))]
pub mod timeline;
#[cfg(not(loom))]
mod wishes;
