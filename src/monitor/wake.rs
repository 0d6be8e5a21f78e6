//! Wakes a thread that waits in `poll`.

use crate::sync::inbox::Wake;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// A descriptor that becomes readable by `wake`, until it is cleared.
#[derive(Debug)]
pub(super) struct Waker {
    far: UnixStream,
    near: UnixStream,
}

impl Waker {
    /// Creates a waker that is not signalled.
    ///
    /// # Errors
    /// If the host refuses another descriptor.
    pub(super) fn new() -> io::Result<Self> {
        let (far, near) = UnixStream::pair()?;
        far.set_nonblocking(true)?;
        near.set_nonblocking(true)?;
        Ok(Self { far, near })
    }

    /// Clears the signal. This must come before the look for work.
    pub(super) fn clear(&self) {
        let mut bytes = [0; 256];
        loop {
            match (&self.near).read(&mut bytes) {
                Ok(count) if count == bytes.len() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

impl Wake for Waker {
    fn wake(&self) {
        // If the pipe is full, it is readable, so the thread wakes anyway.
        let _ = (&self.far).write(&[0]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.near.as_fd()
    }
}
