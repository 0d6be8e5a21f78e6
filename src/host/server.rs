//! A Unix socket whose clients come and go: QEMU's `server=on,wait=off`.
//!
//! One client at a time; the next one waits in the socket's queue. The main loop accepts, reads,
//! and notices the end. The vCPU's thread writes to the connected client, if there is one.

use parking_lot::Mutex;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The socket, and the client that is connected to it.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    listener: UnixListener,
    client: Mutex<Option<Arc<UnixStream>>>,
}

/// The descriptor that the main loop polls.
#[derive(Debug)]
pub(crate) enum Awaited<'a> {
    /// No client is connected: poll the listening socket.
    Listener(&'a UnixListener),
    /// A client is connected: poll for its bytes or its end.
    Client(Arc<UnixStream>),
}

impl AsFd for Awaited<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Listener(listener) => listener.as_fd(),
            Self::Client(client) => client.as_fd(),
        }
    }
}

impl Server {
    /// Begins to listen on a path.
    ///
    /// # Errors
    /// If the path is in use, or cannot be made.
    pub fn listen(path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            path: path.to_owned(),
            listener,
            client: Mutex::new(None),
        })
    }

    /// The connected client.
    pub fn client(&self) -> Option<Arc<UnixStream>> {
        self.client.lock().clone()
    }

    pub(crate) fn awaited(&self) -> Awaited<'_> {
        match self.client() {
            Some(client) => Awaited::Client(client),
            None => Awaited::Listener(&self.listener),
        }
    }

    /// Accepts the next client, if one waits and none is connected.
    pub(crate) fn accept(&self) {
        let mut client = self.client.lock();
        if client.is_none()
            && let Ok((stream, _)) = self.listener.accept()
        {
            *client = Some(Arc::new(stream));
        }
    }

    /// Drops a client that has left. Later writes to it fail.
    pub(crate) fn leave(&self) {
        if let Some(client) = self.client.lock().take() {
            // The socket may be closed already.
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The next run may listen on this path again. If it is gone already, nothing is lost.
        let _ = std::fs::remove_file(&self.path);
    }
}
