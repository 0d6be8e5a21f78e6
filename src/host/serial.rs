//! The host's end of the guest's serial port.

use super::OsError;
use super::pty::Pty;
use super::server::{Awaited, Server};
use crate::notes::Notes;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The backend of the serial port, as the user names it in QEMU's syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// The terminal: in raw mode if stdin is one, with Ctrl-A as its escape.
    Stdio,
    /// No input, and output is dropped.
    Null,
    /// Output goes to a file; no input.
    File(PathBuf),
    /// A Unix socket: as a client, as a server with one client that it waits for, or as a server
    /// whose clients come and go.
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// True to listen, false to connect.
        server: bool,
        /// True if the guest starts only once a client has connected. For a server only.
        wait: bool,
    },
    /// A new pseudo-terminal, whose path is shown to the user.
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
            _ => Err(format!(
                "expected stdio, null, pty, file:PATH, unix:PATH or {SERVER}"
            )),
        }
    }
}

/// How QEMU writes a server.
const SERVER: &str = "unix:PATH,server=on[,wait=off]";

fn unix(text: &str) -> Result<Backend, String> {
    let mut parts = text.split(',');
    let path = parts.next().unwrap_or_default().into();
    let (mut server, mut wait) = (false, None);
    for part in parts {
        match part {
            "server" | "server=on" => server = true,
            "server=off" => server = false,
            "wait" | "wait=on" => wait = Some(true),
            "nowait" | "wait=off" => wait = Some(false),
            other => return Err(format!("unix: `{other}`: expected {SERVER}")),
        }
    }
    if wait.is_some() && !server {
        return Err(format!(
            "unix: only a server can wait for a client: expected {SERVER}"
        ));
    }
    let wait = wait.unwrap_or(server);
    Ok(Backend::Unix { path, server, wait })
}

/// The input of a backend, for the main loop.
#[derive(Debug)]
pub struct Input {
    source: Source,
    /// True for a terminal, where Ctrl-A escapes.
    pub terminal: bool,
    /// True if the input is dropped, as in a replay, whose input comes from the log.
    pub discard: bool,
}

#[derive(Debug)]
enum Source {
    Fd(OwnedFd),
    Server(Arc<Server>),
}

/// The descriptor that the main loop polls for input.
pub(crate) enum Awaiting<'a> {
    Fd(BorrowedFd<'a>),
    Server(Awaited<'a>),
}

impl AsFd for Awaiting<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Fd(fd) => fd.as_fd(),
            Self::Server(awaited) => awaited.as_fd(),
        }
    }
}

impl Input {
    fn of(fd: OwnedFd) -> Self {
        Self {
            source: Source::Fd(fd),
            terminal: false,
            discard: false,
        }
    }

    /// The backend that a replay needs: it ignores the input of a server's clients.
    pub fn for_replay(self) -> Option<Self> {
        let server = matches!(self.source, Source::Server(_));
        server.then_some(Self {
            discard: true,
            ..self
        })
    }

    /// The descriptor that becomes readable with input.
    pub(crate) fn await_on(&self) -> Awaiting<'_> {
        match &self.source {
            Source::Fd(fd) => Awaiting::Fd(fd.as_fd()),
            Source::Server(server) => Awaiting::Server(server.awaited()),
        }
    }

    /// Reads what has arrived; `None` when no more input can come.
    pub(crate) fn read<'a>(&self, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
        let awaiting = self.await_on();
        if let (Source::Server(server), Awaiting::Server(Awaited::Listener(_))) =
            (&self.source, &awaiting)
        {
            server.accept();
            return Some(&[]);
        }
        let count = match rustix::io::read(awaiting.as_fd(), &mut *bytes) {
            Ok(count) if count > 0 => count,
            Err(Errno::INTR | Errno::AGAIN) => 0,
            // The pty's other end is not open yet, or was closed.
            Err(Errno::IO) => {
                std::thread::sleep(std::time::Duration::from_millis(20));
                0
            }
            Ok(_) | Err(_) => match &self.source {
                Source::Fd(_) => return None,
                Source::Server(server) => {
                    server.leave();
                    0
                }
            },
        };
        bytes.get(..count)
    }
}

/// The two ends of an open backend.
#[derive(Debug)]
pub struct Serial {
    /// Input from the host to the guest.
    pub input: Option<Input>,
    /// Output from the guest to the host.
    pub output: Output,
}

/// The output of a backend. Writing waits for the host, unless the run is being stopped.
#[derive(Debug)]
pub struct Output {
    sink: Sink,
    stop: Arc<AtomicBool>,
    /// The error that ended the output. Later bytes are lost, as on an open line.
    error: Option<Errno>,
}

#[derive(Debug)]
enum Sink {
    Nowhere,
    Fd(OwnedFd),
    Pty(Pty),
    Server(Arc<Server>),
}

impl Sink {
    /// The descriptor, if it stays the same for the whole run.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Nowhere | Self::Server(_) => None,
            Self::Fd(fd) => Some(fd.as_fd()),
            Self::Pty(pty) => Some(pty.as_fd()),
        }
    }
}

impl Output {
    /// Output that is dropped.
    pub fn null() -> Self {
        Self {
            sink: Sink::Nowhere,
            stop: Arc::default(),
            error: None,
        }
    }

    /// Writes. Returns what the log records: the result (bytes written or a negative errno), and
    /// the bytes written.
    pub fn write(&mut self, data: &[u8]) -> (i32, u32) {
        let all = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let (taken, error) = match (&self.sink, self.error) {
            (Sink::Nowhere, _) => return (all as i32, all),
            (Sink::Server(server), _) => match server.client() {
                Some(client) => match self.send(client.as_fd(), data) {
                    stopped @ (_, Some(Errno::AGAIN)) => stopped,
                    // The client has left: bytes that it has not read are lost, and bytes without a
                    // client are dropped.
                    _ => return (all as i32, all),
                },
                None => return (all as i32, all),
            },
            (_, Some(error)) => (0, Some(error)),
            (sink, None) => {
                let sent = sink.fd().map(|fd| self.send(fd, data));
                let (taken, error) = sent.unwrap_or_default();
                self.error = error;
                (taken, error)
            }
        };
        let result = match error {
            Some(error) if taken == 0 => -error.raw_os_error(),
            _ => taken as i32,
        };
        (result, taken as u32)
    }

    /// Sends bytes. Returns how many the other end took, and the error if it did not take all.
    fn send(&self, fd: BorrowedFd<'_>, data: &[u8]) -> (usize, Option<Errno>) {
        let mut taken = 0;
        while taken < data.len() {
            if let Err(error) = self.wait_until_writable(fd) {
                return (taken, Some(error));
            }
            // A descriptor that polls writable takes 512 bytes without blocking.
            let end = data.len().min(taken + 512);
            match rustix::io::write(fd, &data[taken..end]) {
                Ok(count) => taken += count,
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return (taken, Some(error)),
            }
        }
        (taken, None)
    }

    /// True if a write would have to wait for the host.
    pub fn is_full(&self) -> bool {
        let full = |fd: BorrowedFd<'_>| {
            let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
            let at_once = rustix::event::Timespec::default();
            matches!(poll(&mut fds, Some(&at_once)), Ok(0))
        };
        match &self.sink {
            Sink::Server(server) => server.client().is_some_and(|client| full(client.as_fd())),
            sink => self.error.is_none() && sink.fd().is_some_and(full),
        }
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

    /// The error by which output was lost, if any. A reader that has left is no loss.
    pub fn lost(&self) -> Option<std::io::Error> {
        let error = self
            .error
            .filter(|error| !matches!(*error, Errno::PIPE | Errno::AGAIN))?;
        Some(error.into())
    }
}

/// Why a serial backend could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// The host does not give it.
    #[error("serial port at {backend}")]
    Backend {
        /// The backend, as the user typed it.
        backend: String,
        /// The host's reason.
        #[source]
        cause: OsError,
    },
    /// The file for the output cannot be written.
    #[error("{}: cannot write the serial output", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// The host's reason.
        #[source]
        cause: OsError,
    },
}

impl Serial {
    /// Opens a backend. Output that waits for the host gives up once `stop` is set.
    ///
    /// # Errors
    /// The host's reason for refusing it, with the backend's name.
    pub fn open(
        backend: &Backend,
        stop: &Arc<AtomicBool>,
        notes: &Notes,
    ) -> Result<Self, SerialError> {
        let (input, sink) = match backend {
            Backend::Null => (None, Sink::Nowhere),
            Backend::Stdio => {
                let stdin = io::stdin();
                let input = Input {
                    terminal: rustix::termios::isatty(&stdin),
                    ..Input::of(named("stdio", stdin.as_fd().try_clone_to_owned())?)
                };
                let output = named("stdio", io::stdout().as_fd().try_clone_to_owned())?;
                (Some(input), Sink::Fd(output))
            }
            Backend::File(path) => (None, Sink::Fd(create(path)?)),
            Backend::Unix {
                path,
                server: true,
                wait: false,
            } => {
                let name = format!("unix:{}", path.display());
                let server = Arc::new(named(&name, Server::listen(path))?);
                let input = Input {
                    source: Source::Server(Arc::clone(&server)),
                    terminal: false,
                    discard: false,
                };
                (Some(input), Sink::Server(server))
            }
            Backend::Unix { path, server, .. } => {
                let name = format!("unix:{}", path.display());
                let stream = named(&name, connect(path, *server, notes))?;
                let output = named(&name, stream.try_clone())?.into();
                (Some(Input::of(stream.into())), Sink::Fd(output))
            }
            Backend::Pty => {
                let pty = named("pty", Pty::open(notes))?;
                let input = named("pty", pty.as_fd().try_clone_to_owned())?;
                (Some(Input::of(input)), Sink::Pty(pty))
            }
        };
        let output = Output {
            sink,
            stop: Arc::clone(stop),
            error: None,
        };
        Ok(Self { input, output })
    }
}

fn named<T>(backend: &str, result: io::Result<T>) -> Result<T, SerialError> {
    result.map_err(|cause| SerialError::Backend {
        backend: backend.to_owned(),
        cause: cause.into(),
    })
}

fn create(path: &Path) -> Result<OwnedFd, SerialError> {
    let options = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path);
    options
        .map(File::into)
        .map_err(|cause| SerialError::Output {
            path: path.to_owned(),
            cause: cause.into(),
        })
}

fn connect(path: &Path, server: bool, notes: &Notes) -> io::Result<UnixStream> {
    if !server {
        return UnixStream::connect(path);
    }
    let listener = UnixListener::bind(path)?;
    notes.call(&format!("waiting for a connection to {}", path.display()));
    let (stream, _) = listener.accept()?;
    // There is one client. The next recording may listen on this path again.
    std::fs::remove_file(path)?;
    Ok(stream)
}
