//! The engine: joins the machine, the event log and the host.
//!
//! ARCHITECTURE.md at the root of the repository is the map.

pub mod digests;
pub mod divergence;
pub mod driver;
pub mod error;
pub mod handover;
pub mod host;
pub mod launch;
pub mod lock;
pub mod options;
pub mod record;
pub mod recording;
pub mod replay;
pub mod session;
pub mod timeline;
