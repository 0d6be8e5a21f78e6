//! Makes a pseudo-terminal. Another program opens its other end.

use crate::notes::Notes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

/// How long a drop waits for a reader that reads nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time between two checks of the bytes that the reader has not read.
const LOOK: Duration = Duration::from_millis(2);

/// This end of a pseudo-terminal. When it is closed, Linux drops the bytes that the other end has
/// not read. So dropping it waits for the reader.
#[derive(Debug)]
pub(super) struct Pty {
    fd: OwnedFd,
    /// Path of the other end.
    name: CString,
}

impl Pty {
    /// Opens a pseudo-terminal, and tells the user the path of its other end.
    pub(super) fn open(notes: &Notes) -> io::Result<Self> {
        let fd = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        rustix::pty::grantpt(&fd)?;
        rustix::pty::unlockpt(&fd)?;
        let name = rustix::pty::ptsname(&fd, Vec::new())?;
        notes.call(&format!("the serial port is {}", name.to_string_lossy()));
        // The other end starts raw: the guest echoes, not the terminal line.
        let mut modes = rustix::termios::tcgetattr(&fd)?;
        modes.make_raw();
        rustix::termios::tcsetattr(&fd, rustix::termios::OptionalActions::Now, &modes)?;
        Ok(Self { fd, name })
    }

    /// The number of bytes that the other end has not read; `None` if there are none, or no program
    /// has it open.
    fn unread(&self) -> Option<u64> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let other = rustix::fs::open(&self.name, flags, Mode::empty()).ok()?;
        // Only a poll waits for bytes that are still on their way through the kernel.
        if !has(other.as_fd(), PollFlags::IN) {
            return None;
        }
        let count = rustix::io::ioctl_fionread(&other).ok()?;
        drop(other);
        // HUP shows that no other program has the other end open.
        (!has(self.fd.as_fd(), PollFlags::HUP)).then_some(count)
    }
}

/// True if a descriptor is ready for `state`.
fn has(fd: BorrowedFd<'_>, state: PollFlags) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, state)];
    let polled = poll(&mut fds, Some(&Timespec::default()));
    polled.is_ok() && fds[0].revents().contains(state)
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let (mut before, mut since) = (None, Instant::now());
        while let Some(left) = self.unread() {
            if before != Some(left) {
                (before, since) = (Some(left), Instant::now());
            }
            if since.elapsed() > PATIENCE {
                return;
            }
            thread::sleep(LOOK);
        }
    }
}
