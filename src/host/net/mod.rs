//! The network on the host: what `--netdev` names. A backend lives on a thread of its own, with its sockets, its
//! timers and the host's time; nothing of it reaches the guest but frames.
//!
//! In a replay none of this is opened: the frames come from the log.

mod options;
mod thread;
mod unix;
mod user;

#[cfg(test)]
mod tests;

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
    /// The host does not let a forwarded port be listened on.
    #[error("hostfwd={protocol}:{address}: cannot listen")]
    Forward {
        /// `tcp` or `udp`.
        protocol: &'static str,
        /// Where it was to listen.
        address: SocketAddrV4,
        /// The host's reason.
        #[source]
        cause: OsError,
    },
    /// The Unix socket could not be opened.
    #[error("network unix:{}: cannot {}", path.display(), if *server { "listen" } else { "connect" })]
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// It was to be listened on.
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
    /// Opens a network; frames for the guest go to `on_frame`, on the network's own thread, and what is to be said of it to `notes`.
    ///
    /// # Errors
    /// Ports, sockets and threads that the host refuses.
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

    /// Hands a frame of the guest over: an Ethernet frame without checksum at its end. Never waits; when too many frames
    /// wait, the frame is dropped and counted.
    pub fn send(&self, frame: Vec<u8>) {
        if let Some(thread) = &self.thread {
            thread.send(frame);
        }
    }

    /// Where the host listens for the guest, in the order of the options; port 0 has become the real one.
    pub fn forwards(&self) -> &[SocketAddrV4] {
        &self.forwards
    }

    /// Frames that have passed until now.
    pub fn counts(&self) -> NetCounts {
        self.thread.as_ref().map(|t| t.counts()).unwrap_or_default()
    }
}
