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
pub mod analysis;
#[cfg(not(loom))]
pub mod divergence;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod host;
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
