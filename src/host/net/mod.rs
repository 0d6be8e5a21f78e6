//! The network on the host, as `--netdev` names it. A backend has a thread of its own, with its
//! sockets, its timers and the host's time. Only frames reach the guest.
//!
//! A replay opens none of this: its frames come from the log.

mod adapters;
mod options;
mod thread;
mod unix;
mod user;

#[cfg(test)]
mod tests;

pub use adapters::Adapters;
pub use options::{
    DEFAULT_ID, Forward, NetdevKind, NetdevOptions, NetdevParseError, Protocol, Subnet, UserOptions,
};
pub use thread::{NetCounts, OnFrame};

use super::OsError;
use crate::notes::Notes;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use thiserror::Error;
use thread::Thread;

/// Why a network could not be opened.
#[derive(Debug, Error)]
pub enum NetError {
    /// The host refuses to listen on a forwarded port.
    #[error("hostfwd={protocol}:{address}: cannot listen")]
    Forward {
        /// `tcp` or `udp`.
        protocol: &'static str,
        /// The address to listen on.
        address: SocketAddrV4,
        /// The host's reason.
        #[source]
        cause: OsError,
    },
    /// The Unix socket could not be opened.
    #[error(
        "network unix:{}: cannot {}",
        path.display(),
        if *server { "listen" } else { "connect" }
    )]
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// True if rr was to listen on the socket, false if it was to connect.
        server: bool,
        /// The host's reason.
        #[source]
        cause: OsError,
    },
    /// The thread could not be started.
    #[error("network {id}: cannot start its thread")]
    Thread {
        /// The network's name.
        id: String,
        /// The host's reason.
        #[source]
        cause: OsError,
    },
}

/// An open network. Dropping it closes its sockets and ends its thread.
#[derive(Debug)]
pub struct NetHandle {
    thread: Option<Thread>,
    forwards: Vec<SocketAddrV4>,
}

impl NetHandle {
    /// Opens a network. `on_frame` gets the frames for the guest, on the network's own thread;
    /// `notes` gets the messages for the user.
    ///
    /// # Errors
    /// If the host refuses a port, a socket or a thread.
    pub fn open(
        options: &NetdevOptions,
        notes: &Notes,
        on_frame: OnFrame,
    ) -> Result<Self, NetError> {
        let mut forwards = Vec::new();
        let thread = match &options.kind {
            NetdevKind::User(user) => {
                let backend = user::UserBackend::open(user)?.told_to(notes);
                forwards = backend.forwards();
                Some(Thread::start(&options.id, backend, notes, on_frame)?)
            }
            NetdevKind::Unix { path, server } => {
                let backend = unix::UnixBackend::open(path, *server, notes)?;
                Some(Thread::start(&options.id, backend, notes, on_frame)?)
            }
            NetdevKind::None => None,
        };
        Ok(Self { thread, forwards })
    }

    /// Hands over a frame from the guest: an Ethernet frame without its checksum. This never waits;
    /// if too many frames are queued, the frame is dropped and counted.
    pub fn send(&self, frame: Vec<u8>) {
        if let Some(thread) = &self.thread {
            thread.send(frame);
        }
    }

    /// The addresses that the host listens on for the guest, in the order of the options. Port 0 is
    /// replaced by the real port.
    pub fn forwards(&self) -> &[SocketAddrV4] {
        &self.forwards
    }

    /// The numbers of frames so far.
    pub fn counts(&self) -> NetCounts {
        self.thread.as_ref().map(|t| t.counts()).unwrap_or_default()
    }
}
