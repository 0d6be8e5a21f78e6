//! The engine: joins the machine, the event log and the host.

pub mod host;
pub mod timeline;
