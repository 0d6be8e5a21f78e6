//! The host: files, clocks, character devices. Nothing in here is known to the machine.

pub mod disk;
pub mod map;
pub mod net;
mod os_error;
mod pty;
pub mod serial;
pub mod server;
pub mod signals;
pub mod terminal;

pub use os_error::OsError;
