//! One TCP connection: a socket of the host at one end, and a socket of smoltcp towards the guest
//! at the other.

use rustix::event::PollFlags;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};

/// Bytes that each direction buffers at most.
const BUFFER: usize = 64 << 10;
/// The time without an answer of the guest after which a connection ends. It is long because a
/// guest under a debugger is slow.
const SILENCE: Duration = Duration::from_secs(120);
/// How long the acknowledgement of a single segment is delayed. A guest with a full window waits
/// for it, but each one is a packet in the log.
const ACK_DELAY: Duration = Duration::from_millis(1);
/// How often the guest is probed once only its side of a connection is open.
const PROBE: Duration = Duration::from_secs(30);

/// The two ends of a connection, as the guest sees them. They identify it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    /// The guest's end.
    pub(crate) guest: SocketAddrV4,
    /// The other end.
    pub(crate) peer: SocketAddrV4,
}

/// The stage of a connection.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The host is connecting. This holds the guest's first segment, as a frame.
    Connecting(Vec<u8>),
    /// Both ends have sockets.
    Open(SocketHandle),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The host's end.
    pub(crate) host: TcpStream,
    /// The stage.
    pub(crate) stage: Stage,
    /// True if the host sends no more.
    host_done: bool,
    /// True if the guest sends no more.
    guest_done: bool,
    /// True if the host's socket was shut down because of that.
    told_host: bool,
}

/// A socket towards the guest.
pub(crate) fn guest_socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_timeout(Some(SILENCE));
    socket.set_ack_delay(Some(ACK_DELAY));
    // Without Nagle's algorithm: the sender decides what is worth a packet.
    socket.set_nagle_enabled(false);
    socket
}

impl Connection {
    /// A new connection.
    pub(crate) fn new(host: TcpStream, stage: Stage) -> Self {
        Self {
            host,
            stage,
            host_done: false,
            guest_done: false,
            told_host: false,
        }
    }

    /// The events for which the host's socket is polled.
    pub(crate) fn interest(&self, socket: &Socket<'_>) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.host_done && socket.can_send());
        flags.set(PollFlags::OUT, socket.can_recv());
        flags
    }

    /// Moves data both ways, and passes on closes and resets.
    pub(crate) fn pump(&mut self, socket: &mut Socket<'_>) {
        self.observe(socket);
        if self.send_host(socket).is_err() || self.send_guest(socket).is_err() {
            socket.abort();
        }
    }

    /// Notes whether the guest sends no more.
    pub(crate) fn observe(&mut self, socket: &Socket<'_>) {
        self.guest_done |= matches!(
            socket.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
    }

    fn send_host(&mut self, socket: &mut Socket<'_>) -> Result<(), ErrorKind> {
        while socket.can_recv() {
            let mut host = &self.host;
            let written = socket.recv(|data| match host.write(data) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error.kind())),
            });
            match written {
                Ok(Ok(_)) | Ok(Err(ErrorKind::Interrupted)) => {}
                Ok(Err(ErrorKind::WouldBlock)) | Err(_) => return Ok(()),
                Ok(Err(kind)) => return Err(kind),
            }
        }
        if self.guest_done && !self.told_host {
            self.told_host = true;
            // If the host's end is gone already, there is nothing to shut down.
            let _ = self.host.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn send_guest(&mut self, socket: &mut Socket<'_>) -> Result<(), ErrorKind> {
        while !self.host_done && socket.can_send() {
            let mut host = &self.host;
            let read = socket.send(|room| match host.read(room) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error.kind())),
            });
            match read {
                Ok(Ok(0)) => {
                    self.host_done = true;
                    socket.close();
                    socket.set_keep_alive(Some(PROBE));
                }
                Ok(Ok(_)) | Ok(Err(ErrorKind::Interrupted)) => {}
                Ok(Err(ErrorKind::WouldBlock)) | Err(_) => return Ok(()),
                Ok(Err(kind)) => return Err(kind),
            }
        }
        Ok(())
    }

    /// True if the connection has ended, and can be dropped.
    pub(crate) fn ended(&self, socket: &Socket<'_>) -> bool {
        socket.state() == State::Closed && (self.broken() || !socket.can_recv())
    }

    /// True if the connection was reset before both sides had closed it.
    fn broken(&self) -> bool {
        !(self.host_done && self.guest_done)
    }

    /// Closes the host's end in the same way as the guest's end was closed.
    pub(crate) fn close_host(self) {
        if self.broken() {
            // Then closing sends a reset. If this fails, it closes normally.
            let _ = rustix::net::sockopt::set_socket_linger(
                &self.host,
                Some(std::time::Duration::ZERO),
            );
        }
    }
}
