//! The host: files, disks, clocks, networks and character devices. The machine knows nothing of it.

pub mod device;
pub mod disk;
pub mod map;
pub mod net;
mod os_error;
pub mod part;
mod pty;
pub mod serial;
pub mod server;
pub mod signals;
pub mod small;
pub mod terminal;

pub use os_error::OsError;
