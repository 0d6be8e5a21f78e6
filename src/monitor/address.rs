//! The addresses that the monitor listens on.

use rustix::io::Errno;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port that only this host can reach.
    Tcp {
        /// The address of the host.
        address: SocketAddr,
        /// True if its clients may write files. A Unix socket's may always: its file says who can
        /// connect. Anything on this host can connect to a port, a web page in a browser too.
        files: bool,
    },
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, options) = text.split_once(',').unwrap_or((text, ""));
        // QEMU's users add `server=on,wait=off`; the monitor has no other mode.
        let mut write = None;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "server" | "server=on" | "nowait" | "wait=off" => {}
                "files=on" => write = Some(true),
                "files=off" => write = Some(false),
                _ => {
                    return Err(format!(
                        "`{option}`: the monitor is a server that does not wait"
                    ));
                }
            }
        }
        match place.split_once(':') {
            Some(("unix", _)) if write.is_some() => {
                Err("files=on and files=off are for tcp; who may open the socket may write".into())
            }
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("tcp", address)) => {
                let address = address.replace("localhost:", "127.0.0.1:");
                let address: SocketAddr = address
                    .parse()
                    .map_err(|_| format!("`{address}`: expected 127.0.0.1:PORT"))?;
                if !address.ip().is_loopback() {
                    let ip: IpAddr = address.ip();
                    return Err(format!(
                        "`{ip}`: only this host may reach the monitor; use 127.0.0.1, and ssh -L \
                         from elsewhere"
                    ));
                }
                let files = write.unwrap_or(false);
                Ok(Self::Tcp { address, files })
            }
            _ => Err("expected unix:PATH or tcp:127.0.0.1:PORT".into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { address, files } => {
                let files = if *files { ",files=on" } else { "" };
                write!(f, "tcp:{address}{files}")
            }
        }
    }
}

/// A listening socket. The drop removes the file of a Unix socket.
#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp {
        socket: TcpListener,
        /// True if its clients may write files.
        files: bool,
    },
}

/// How far the monitor trusts a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// It could open the socket's file, so it is the user.
    All,
    /// It could reach the port, as every program of this host can, and a web page in a browser.
    Port {
        /// True if it may write files all the same.
        files: bool,
    },
}

impl Trust {
    /// True if the client may use commands that write files.
    pub(super) fn may_write_files(self) -> bool {
        self != Self::Port { files: false }
    }
}

/// The connection to a client.
#[derive(Debug)]
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Listener {
    pub(super) fn bind(address: &Address) -> io::Result<Self> {
        let listener = match address {
            Address::Unix(path) => {
                // A socket on which no process listens was left by a process that was killed.
                let is_socket = fs::symlink_metadata(path)
                    .is_ok_and(|metadata| metadata.file_type().is_socket());
                if is_socket
                    && UnixStream::connect(path)
                        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
                {
                    fs::remove_file(path)?;
                }
                Self::Unix(UnixListener::bind(path)?, path.clone())
            }
            Address::Tcp { address, files } => Self::Tcp {
                socket: TcpListener::bind(address)?,
                files: *files,
            },
        };
        match &listener {
            Self::Unix(socket, _) => socket.set_nonblocking(true)?,
            Self::Tcp { socket, .. } => socket.set_nonblocking(true)?,
        }
        Ok(listener)
    }

    /// The address of the socket. Port 0 is replaced by the port that the host chose.
    pub(super) fn address(&self) -> io::Result<Address> {
        Ok(match self {
            Self::Unix(_, path) => Address::Unix(path.clone()),
            Self::Tcp { socket, files } => Address::Tcp {
                address: socket.local_addr()?,
                files: *files,
            },
        })
    }

    /// What its clients may do.
    pub(super) fn trust(&self) -> Trust {
        match self {
            Self::Unix(..) => Trust::All,
            Self::Tcp { files, .. } => Trust::Port { files: *files },
        }
    }

    /// Accepts the next client, if one waits.
    pub(super) fn accept(&self) -> io::Result<Stream> {
        let stream = match self {
            Self::Unix(socket, _) => Stream::Unix(socket.accept()?.0),
            Self::Tcp { socket, .. } => Stream::Tcp(socket.accept()?.0),
        };
        match &stream {
            Stream::Unix(stream) => stream.set_nonblocking(true)?,
            Stream::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
            }
        }
        Ok(stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Another process may have removed it.
            let _ = fs::remove_file(path);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(socket, _) => socket.as_fd(),
            Self::Tcp { socket, .. } => socket.as_fd(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(socket) => socket.as_fd(),
            Self::Tcp(socket) => socket.as_fd(),
        }
    }
}

impl Stream {
    /// Reads the bytes that have arrived; `WOULDBLOCK`: there are none.
    pub(super) fn read(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| rustix::io::read(self, &mut *bytes))
    }

    /// Writes as many bytes as fit. If the client is gone, that is an error and not a signal.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| {
            rustix::net::send(self, bytes, rustix::net::SendFlags::NOSIGNAL)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |text: &str| text.parse::<Address>();
        assert_eq!(parse("unix:/a/b"), Ok(Address::Unix("/a/b".into())));
        assert_eq!(
            parse("unix:b,server,wait=off"),
            Ok(Address::Unix("b".into()))
        );
        let tcp = parse("tcp:localhost:4444,server=on").unwrap();
        assert_eq!(tcp.to_string(), "tcp:127.0.0.1:4444");
        assert_eq!(parse("tcp:[::1]:1").unwrap().to_string(), "tcp:[::1]:1");
        for wrong in [
            "",
            "unix:",
            "b",
            "tcp:",
            "tcp:1",
            "tcp:0.0.0.0:1",
            "unix:b,wait=on",
            "tcp:127.0.0.1:x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
