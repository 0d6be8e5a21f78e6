//! Turns the signals that end a program into a readable descriptor.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::{pipe, unregister};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Readable once a signal has arrived. After the drop the signals are ignored.
#[derive(Debug)]
pub struct Signals {
    read: UnixStream,
    ids: Vec<SigId>,
}

/// From now on SIGINT, SIGTERM and SIGHUP make the returned descriptor readable and do not end the
/// process, so that a recording is closed properly.
///
/// # Errors
/// If the host refuses it.
pub fn catch() -> io::Result<Signals> {
    let (read, write) = UnixStream::pair()?;
    let mut signals = Signals {
        read,
        ids: Vec::new(),
    };
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let id = pipe::register(signal, write.try_clone()?)?;
        signals.ids.push(id);
    }
    // SIGXFSZ: a write to a file at its size limit fails, and does not end the process.
    signals.ids.push(flag::register(SIGXFSZ, Arc::default())?);
    Ok(signals)
}

/// From now on SIGINT, SIGTERM and SIGHUP set a flag, until the returned value is dropped.
///
/// # Errors
/// If the host refuses it.
pub fn raise(flag: &Arc<AtomicBool>) -> io::Result<Raised> {
    let mut raised = Raised(Vec::new());
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        raised.0.push(flag::register(signal, Arc::clone(flag))?);
    }
    Ok(raised)
}

/// Signals set a flag as long as this lives.
#[derive(Debug)]
pub struct Raised(Vec<SigId>);

impl Drop for Raised {
    fn drop(&mut self) {
        for id in self.0.drain(..) {
            unregister(id);
        }
    }
}

impl Signals {
    /// True once a signal has arrived.
    pub fn came(&self) -> bool {
        let mut fds = [PollFd::new(self, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            unregister(id);
        }
    }
}
