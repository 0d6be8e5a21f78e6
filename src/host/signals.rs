//! Turns the signals that end a program into a readable descriptor.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::SigId;
pub use signal_hook::consts::SIGINT;
use signal_hook::consts::{SIGABRT, SIGHUP, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::{emulate_default_handler, pipe, unregister};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The signals that ask a program to end.
const ENDING: [(i32, &str); 3] = [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGHUP, "SIGHUP")];

/// The number of the last such signal; 0: none has arrived while one was waited for. Signals are
/// the process's, and so is this.
fn arrived() -> &'static Arc<AtomicUsize> {
    static ARRIVED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();
    ARRIVED.get_or_init(Arc::default)
}

/// The signal that has asked this process to end, while [`catch`] or [`raise`] was in force: its
/// number and its name.
pub fn last() -> Option<(i32, &'static str)> {
    let last = arrived().load(Ordering::Relaxed);
    let known = |(number, _): &&(i32, &str)| usize::try_from(*number) == Ok(last);
    ENDING.iter().find(known).copied()
}

/// Ends the process as a signal does that it does not catch. Only then a shell ends its loop.
pub fn end_by(signal: i32) {
    // If this fails, the caller goes on, and ends the process in another way.
    let _ = emulate_default_handler(signal);
}

/// Notes which signal arrives.
fn note() -> io::Result<Vec<SigId>> {
    let note = |(signal, _): &(i32, &str)| {
        let number = usize::try_from(*signal).unwrap_or_default();
        flag::register_usize(*signal, Arc::clone(arrived()), number)
    };
    ENDING.iter().map(note).collect()
}

/// The status of a process that ends by an error.
const ERROR: i32 = 2;

/// From now on, until the process ends, two limits of the host are errors as all others:
///
/// - A write to a file at its size limit fails, and SIGXFSZ does not end the process.
/// - If memory for something small is refused, the standard library says so and aborts; the process
///   ends with the status of an error. (What is large is asked for in a way that can fail.)
///
/// # Errors
/// If the host refuses it.
pub fn fail_at_limits() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::default())?;
    flag::register_conditional_shutdown(SIGABRT, ERROR, Arc::new(AtomicBool::new(true)))?;
    Ok(())
}

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
    let mut signals = Signals { read, ids: note()? };
    for (signal, _) in ENDING {
        let id = pipe::register(signal, write.try_clone()?)?;
        signals.ids.push(id);
    }
    Ok(signals)
}

/// From now on SIGINT, SIGTERM and SIGHUP set a flag, until the returned value is dropped.
///
/// # Errors
/// If the host refuses it.
pub fn raise(flag: &Arc<AtomicBool>) -> io::Result<Raised> {
    let mut raised = Raised(note()?);
    for (signal, _) in ENDING {
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
