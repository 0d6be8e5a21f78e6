//! The engine: joins the machine, the event log and the host.
//!
//! ARCHITECTURE.md at the root of the repository is the map.

// Under loom only the hand-overs between threads are built, because only they are modelled.
pub mod sync;

#[cfg(not(loom))]
pub mod analysis;
#[cfg(not(loom))]
pub mod divergence;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod host;
#[cfg(not(loom))]
pub mod monitor;
#[cfg(not(loom))]
pub mod notes;
#[cfg(not(loom))]
pub mod recording;
#[cfg(not(loom))]
pub mod run;
#[cfg(not(loom))]
pub mod session;
#[cfg(not(loom))]
pub mod timeline;
