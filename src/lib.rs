//! The engine: joins the machine, the event log and the host.
//!
//! ARCHITECTURE.md at the root of the repository is the map.

// Under loom only the hand-over is built: it alone is modelled.
pub mod digests;
pub mod divergence;
pub mod driver;
pub mod error;
pub mod handover;
#[cfg(not(loom))]
pub mod host;
#[cfg(not(loom))]
pub mod launch;
pub mod lock;
pub mod options;
#[cfg(not(loom))]
pub mod record;
#[cfg(not(loom))]
pub mod recording;
#[cfg(not(loom))]
pub mod replay;
#[cfg(not(loom))]
pub mod session;
pub mod timeline;
