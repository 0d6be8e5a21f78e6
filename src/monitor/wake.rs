//! Wakes a thread that waits in `poll`.

use crate::sync::inbox::Wake;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// A descriptor that is readable once it was woken, until it is cleared.
#[derive(Debug)]
pub(super) struct Waker {
    far: UnixStream,
    near: UnixStream,
}

impl Waker {
    /// Not woken.
    ///
    /// # Errors
    /// Those of the host: no descriptors are left.
    pub(super) fn new() -> io::Result<Self> {
        let (far, near) = UnixStream::pair()?;
        far.set_nonblocking(true)?;
        near.set_nonblocking(true)?;
        Ok(Self { far, near })
    }

    /// To be called before looking at what there is to do.
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
        // Where it is full, it is readable all the same.
        let _ = (&self.far).write(&[0]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.near.as_fd()
    }
}
