//! Where the guest's serial port leads on the host.

use crate::error::Error;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A backend as the user names it, in QEMU's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// The terminal: raw where it is one, with Ctrl-A as its escape.
    Stdio,
    /// Nothing: no input, and output goes nowhere.
    Null,
    /// Output into a file; no input.
    File(PathBuf),
    /// A Unix socket: as a client, or as a server that waits for one client.
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// Listen, rather than connect.
        server: bool,
    },
    /// A new pseudo-terminal, whose name is shown.
    Pty,
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match (kind, rest) {
            ("stdio", "") => Ok(Self::Stdio),
            ("null" | "none", "") => Ok(Self::Null),
            ("pty", "") => Ok(Self::Pty),
            ("file", path) if !path.is_empty() => Ok(Self::File(path.into())),
            ("unix", path) if !path.is_empty() => unix(path),
            _ => Err("expected stdio, null, pty, file:PATH, unix:PATH or unix:PATH,server".into()),
        }
    }
}

fn unix(text: &str) -> Result<Backend, String> {
    let mut parts = text.split(',');
    let path = parts.next().unwrap_or_default().into();
    let mut server = false;
    for part in parts {
        match part {
            "server" | "server=on" => server = true,
            "server=off" | "wait" | "wait=on" => {}
            other => return Err(format!("unix: takes server=on|off, not `{other}`")),
        }
    }
    Ok(Backend::Unix { path, server })
}

/// What comes from the backend, for the main loop.
#[derive(Debug)]
pub struct Input {
    /// Readable when there is something.
    pub fd: OwnedFd,
    /// It is a terminal: Ctrl-A escapes.
    pub terminal: bool,
}

/// The two ends of an open backend.
#[derive(Debug)]
pub struct Serial {
    /// From the host to the guest.
    pub input: Option<Input>,
    /// From the guest to the host.
    pub output: Output,
}

/// Where output goes. Writing waits for the host, unless the run is being stopped.
#[derive(Debug)]
pub struct Output {
    fd: Option<OwnedFd>,
    stop: Arc<AtomicBool>,
    /// The other end is gone: what is written from now on is lost, as on an open line.
    error: Option<Errno>,
}

impl Output {
    /// Output that goes nowhere.
    pub fn null() -> Self {
        Self {
            fd: None,
            stop: Arc::default(),
            error: None,
        }
    }

    /// Writes; returns what the log holds of it: bytes taken or a negative errno, and bytes taken.
    pub fn write(&mut self, data: &[u8]) -> (i32, u32) {
        let all = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let Some(fd) = &self.fd else {
            return (all as i32, all);
        };
        let mut taken = 0;
        while taken < data.len() && self.error.is_none() {
            if let Err(error) = self.wait_until_writable(fd.as_fd()) {
                self.error = Some(error);
                break;
            }
            // A descriptor that polls writable takes this much without blocking.
            let end = data.len().min(taken + 512);
            match rustix::io::write(fd, &data[taken..end]) {
                Ok(count) => taken += count,
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => self.error = Some(error),
            }
        }
        let result = match self.error {
            Some(error) if taken == 0 => -error.raw_os_error(),
            _ => taken as i32,
        };
        (result, taken as u32)
    }

    /// Whether writing would have to wait for the host.
    pub fn is_full(&self) -> bool {
        let Some(fd) = self.fd.as_ref().filter(|_| self.error.is_none()) else {
            return false;
        };
        let mut fds = [PollFd::new(fd, PollFlags::OUT)];
        matches!(
            poll(&mut fds, Some(&rustix::event::Timespec::default())),
            Ok(0)
        )
    }

    fn wait_until_writable(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        let timeout = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        loop {
            match poll(
                &mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)],
                Some(&timeout),
            ) {
                Ok(0) if self.stop.load(Ordering::Acquire) => return Err(Errno::AGAIN),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Why output was lost, if some was: a reader that has gone away is no loss.
    pub fn lost(&self) -> Option<std::io::Error> {
        let error = self
            .error
            .filter(|error| !matches!(*error, Errno::PIPE | Errno::AGAIN))?;
        Some(error.into())
    }
}

impl Serial {
    /// Opens a backend. Output that waits for the host gives up once `stop` is set.
    ///
    /// # Errors
    /// Those of the host, with the backend's name.
    pub fn open(backend: &Backend, stop: &Arc<AtomicBool>) -> Result<Self, Error> {
        let (input, output) = match backend {
            Backend::Null => (None, None),
            Backend::Stdio => {
                let stdin = io::stdin();
                let terminal = rustix::termios::isatty(&stdin);
                let input = named("stdio", stdin.as_fd().try_clone_to_owned())?;
                let output = named("stdio", io::stdout().as_fd().try_clone_to_owned())?;
                (
                    Some(Input {
                        fd: input,
                        terminal,
                    }),
                    Some(output),
                )
            }
            Backend::File(path) => (None, Some(create(path)?)),
            Backend::Unix { path, server } => {
                let name = format!("unix:{}", path.display());
                let stream = named(&name, connect(path, *server))?;
                let output = named(&name, stream.try_clone())?.into();
                (
                    Some(Input {
                        fd: stream.into(),
                        terminal: false,
                    }),
                    Some(output),
                )
            }
            Backend::Pty => {
                let pty = named("pty", open_pty())?;
                let output = named("pty", pty.try_clone())?;
                (
                    Some(Input {
                        fd: pty,
                        terminal: false,
                    }),
                    Some(output),
                )
            }
        };
        let output = Output {
            fd: output,
            stop: Arc::clone(stop),
            error: None,
        };
        Ok(Self { input, output })
    }
}

fn named<T>(backend: &str, result: io::Result<T>) -> Result<T, Error> {
    result.map_err(|cause| Error::Serial {
        backend: backend.to_owned(),
        cause,
    })
}

fn create(path: &Path) -> Result<OwnedFd, Error> {
    let options = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path);
    options
        .map(File::into)
        .map_err(Error::file(path, "write the serial output"))
}

fn connect(path: &Path, server: bool) -> io::Result<UnixStream> {
    if !server {
        return UnixStream::connect(path);
    }
    let listener = UnixListener::bind(path)?;
    eprintln!("rr: waiting for a connection to {}", path.display());
    let (stream, _) = listener.accept()?;
    // There is one client; the next recording may listen there again.
    std::fs::remove_file(path)?;
    Ok(stream)
}

fn open_pty() -> io::Result<OwnedFd> {
    let pty = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    rustix::pty::grantpt(&pty)?;
    rustix::pty::unlockpt(&pty)?;
    let name = rustix::pty::ptsname(&pty, Vec::new())?;
    eprintln!("rr: the serial port is {}", name.to_string_lossy());
    // The other end starts raw: the guest echoes, not the terminal line.
    let mut modes = rustix::termios::tcgetattr(&pty)?;
    modes.make_raw();
    rustix::termios::tcsetattr(&pty, rustix::termios::OptionalActions::Now, &modes)?;
    Ok(pty)
}
