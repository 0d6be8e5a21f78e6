//! TCP: the guest's connections to the outside, and forwarded ports. The guest is answered only
//! after the host's connection is established, so that it sees refusals as they are.

use super::addresses::as_seen_by_guest;
use super::connection::{Connection, Pair, Stage, guest_socket};
use super::frames::Frames;
use super::wire::Wire;
use crate::host::net::NetError;
use crate::host::net::options::{Forward, Protocol, UserOptions};
use crate::host::net::thread::Watch;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Cidr};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The largest number of connections. Beyond it, new ones are refused.
const CONNECTIONS: usize = 256;
/// The first source port of forwarded connections (RFC 6335, dynamic ports).
const FIRST_PORT: u16 = 49152;
/// How long forwarded ports do not accept after the host could not accept.
const REST: Duration = Duration::from_millis(200);

/// A descriptor to poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// The host's end of a connection.
    Connection(Pair),
    /// A forwarded port, by its index.
    Listener(usize),
}

/// The result of a connection attempt by the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It is under way, or was refused. The guest is told from here.
    Handled,
    /// The host has no route.
    Unreachable,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    guest: SocketAddrV4,
    address: SocketAddrV4,
}

/// All connections.
pub(crate) struct Connections {
    start: Instant,
    interface: Interface,
    frames: Frames,
    sockets: SocketSet<'static>,
    connections: BTreeMap<Pair, Connection>,
    listeners: Vec<Listener>,
    next_port: u16,
    rest_until: Option<Instant>,
    /// Connections that have data to move.
    touched: BTreeSet<Pair>,
}

impl Connections {
    /// Binds the forwarded ports.
    pub(crate) fn open(options: &UserOptions, wire: &Wire) -> Result<Self, NetError> {
        let tcp = |f: &&Forward| f.protocol == Protocol::Tcp;
        let bound = options.forwards.iter().filter(tcp).map(|forward| {
            listen(forward, options).map_err(|cause| NetError::Forward {
                protocol: "tcp",
                address: forward.host,
                cause: cause.into(),
            })
        });
        let listeners = bound.collect::<Result<_, _>>()?;
        let mut frames = Frames::default();
        let mut config = Config::new(HardwareAddress::Ethernet(wire.mac));
        config.random_seed = seed();
        let start = Instant::now();
        let mut interface = Interface::new(config, &mut frames, smoltcp::time::Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            for address in [wire.net.gateway(), wire.net.dns()] {
                // The list has room for two addresses.
                let _ = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(address, wire.net.bits())));
            }
        });
        // The interface answers for every address behind the gateway, which it is itself.
        interface.set_any_ip(true);
        let _ = (interface.routes_mut()).add_default_ipv4_route(wire.net.gateway());
        Ok(Self {
            start,
            interface,
            frames,
            sockets: SocketSet::new(Vec::new()),
            connections: BTreeMap::new(),
            listeners,
            next_port: FIRST_PORT,
            rest_until: None,
            touched: BTreeSet::new(),
        })
    }

    /// The number of connections.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// The addresses on which forwarded ports listen.
    pub(crate) fn forwards(&self) -> impl Iterator<Item = SocketAddrV4> {
        self.listeners.iter().map(|listener| listener.address)
    }

    fn time(&self, now: Instant) -> smoltcp::time::Instant {
        let micros = now.saturating_duration_since(self.start).as_micros();
        smoltcp::time::Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// Names the sockets to poll.
    pub(crate) fn watch<'a, T>(&'a self, watch: &mut Watch<'a, T>, token: impl Fn(Token) -> T) {
        for (pair, connection) in &self.connections {
            let flags = match connection.stage {
                Stage::Connecting(_) => PollFlags::OUT,
                Stage::Open(handle) => connection.interest(self.sockets.get::<Socket<'_>>(handle)),
            };
            if !flags.is_empty() {
                let fd = connection.host.as_fd();
                watch.add(fd, flags, token(Token::Connection(*pair)));
            }
        }
        if self.connections.len() < CONNECTIONS && self.rest_until.is_none() {
            for (at, listener) in self.listeners.iter().enumerate() {
                let name = token(Token::Listener(at));
                watch.add(listener.socket.as_fd(), PollFlags::IN, name);
            }
        }
    }

    /// The time until the next timer is due.
    pub(crate) fn timeout(&mut self, now: Instant) -> Option<Duration> {
        let time = self.time(now);
        let stack = self.interface.poll_delay(time, &self.sockets);
        let stack = stack.map(|delay| Duration::from_micros(delay.total_micros()));
        let rest = self.rest_until.map(|at| at.saturating_duration_since(now));
        stack.into_iter().chain(rest).min()
    }

    /// Takes a frame for the stack itself: ARP.
    pub(crate) fn arp(&mut self, frame: Vec<u8>) {
        self.frames.incoming.push_back(frame);
    }

    /// Takes a segment of a connection, or one that the stack answers with a reset.
    pub(crate) fn segment(&mut self, pair: Pair, frame: Vec<u8>) {
        if self.connections.contains_key(&pair) {
            self.touched.insert(pair);
        }
        self.frames.incoming.push_back(frame);
    }

    /// True if a first segment opens a new connection.
    pub(crate) fn is_new(&mut self, pair: Pair, now: Instant, wire: &mut Wire) -> bool {
        let over = match self.connections.get(&pair).map(|known| &known.stage) {
            None => return true,
            // The segment is a repetition, while the host is connecting.
            Some(Stage::Connecting(_)) => false,
            Some(Stage::Open(handle)) => {
                let state = self.sockets.get::<Socket<'_>>(*handle).state();
                matches!(state, State::TimeWait | State::Closed)
            }
        };
        if over {
            // The frames before it belong to the old connection.
            self.poll(now, wire);
            self.remove(pair);
        }
        over
    }

    /// True if the host is connecting for this pair.
    pub(crate) fn is_connecting(&self, pair: Pair) -> bool {
        let stage = self.connections.get(&pair).map(|known| &known.stage);
        matches!(stage, Some(Stage::Connecting(_)))
    }

    /// Begins to connect to the guest's destination. `frame` holds the guest's first segment.
    pub(crate) fn connect(&mut self, pair: Pair, to: SocketAddrV4, frame: Vec<u8>) -> Opened {
        self.make_room();
        if self.connections.len() >= CONNECTIONS {
            self.frames.incoming.push_back(frame);
            return Opened::Handled;
        }
        match begin(to) {
            Ok(host) => {
                let connection = Connection::new(host, Stage::Connecting(frame));
                self.connections.insert(pair, connection);
                self.touched.insert(pair);
                Opened::Handled
            }
            Err(error) if unreachable(error) => Opened::Unreachable,
            Err(_) => {
                // No socket listens for this segment, so the stack answers it with a reset.
                self.frames.incoming.push_back(frame);
                Opened::Handled
            }
        }
    }

    /// Serves a descriptor that is ready. Returns the first segment of a connection for which there
    /// is no route.
    pub(crate) fn ready(&mut self, token: Token, now: Instant, wire: &mut Wire) -> Option<Vec<u8>> {
        match token {
            Token::Listener(at) => {
                self.accept(at, now, wire);
                None
            }
            Token::Connection(pair) if self.is_connecting(pair) => self.connected(pair, now, wire),
            Token::Connection(pair) => {
                self.touched.insert(pair);
                None
            }
        }
    }

    /// Handles a socket of the host that has connected, or failed to.
    fn connected(&mut self, pair: Pair, now: Instant, wire: &mut Wire) -> Option<Vec<u8>> {
        let connection = self.connections.remove(&pair)?;
        let Stage::Connecting(frame) = connection.stage else {
            return None;
        };
        let outcome = match sockopt::socket_error(&connection.host) {
            Ok(outcome) => outcome,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {
                // First the stack takes the waiting frames. Then its only listener is the one for
                // this segment.
                self.poll(now, wire);
                let mut socket = guest_socket();
                if socket.listen(pair.peer).is_err() {
                    return None;
                }
                let handle = self.sockets.add(socket);
                self.frames.incoming.push_back(frame);
                self.poll(now, wire);
                if self.sockets.get::<Socket<'_>>(handle).is_listening() {
                    // The stack has rejected the segment.
                    self.sockets.remove(handle);
                    return None;
                }
                // Small segments of the guest must leave at once.
                let _ = connection.host.set_nodelay(true);
                let open = Connection::new(connection.host, Stage::Open(handle));
                self.connections.insert(pair, open);
                self.touched.insert(pair);
                None
            }
            Err(error) if unreachable(error) => Some(frame),
            Err(_) => {
                self.frames.incoming.push_back(frame);
                None
            }
        }
    }

    fn accept(&mut self, at: usize, now: Instant, wire: &Wire) {
        let Some(listener) = self.listeners.get(at) else {
            return;
        };
        let guest = listener.guest;
        let (host, from) = match listener.socket.accept() {
            Ok((host, SocketAddr::V4(from))) => (host, from),
            Ok(_) => return,
            Err(error) => {
                if error.kind() != ErrorKind::WouldBlock {
                    // Perhaps no descriptors are left. The peer stays in the host's queue, so wait
                    // before the next try.
                    self.rest_until = Some(now + REST);
                }
                return;
            }
        };
        if host.set_nonblocking(true).is_err() {
            return;
        }
        let _ = host.set_nodelay(true);
        let Some(pair) = self.free_pair(guest, as_seen_by_guest(wire, from)) else {
            return;
        };
        let mut socket = guest_socket();
        let begun = socket.connect(self.interface.context(), pair.guest, pair.peer);
        if begun.is_ok() {
            let stage = Stage::Open(self.sockets.add(socket));
            self.connections.insert(pair, Connection::new(host, stage));
        }
    }

    /// A pair of ends that no connection has. It is the peer's own address if that is free.
    fn free_pair(&mut self, guest: SocketAddrV4, mut peer: SocketAddrV4) -> Option<Pair> {
        for _ in 0..=CONNECTIONS {
            let pair = Pair { guest, peer };
            if !self.connections.contains_key(&pair) {
                return Some(pair);
            }
            peer.set_port(self.next_port);
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
        }
        None
    }

    /// Lets the stack process its frames and timers, and moves data.
    pub(crate) fn run(&mut self, now: Instant, wire: &mut Wire) {
        if self.rest_until.is_some_and(|at| now >= at) {
            self.rest_until = None;
        }
        self.poll(now, wire);
        for pair in std::mem::take(&mut self.touched) {
            if let Some(connection) = self.connections.get_mut(&pair)
                && let Stage::Open(handle) = connection.stage
            {
                connection.pump(self.sockets.get_mut(handle));
            }
        }
        self.poll(now, wire);
        let mut ended = Vec::new();
        for (pair, connection) in &mut self.connections {
            if let Stage::Open(handle) = connection.stage {
                let socket = self.sockets.get::<Socket<'_>>(handle);
                connection.observe(socket);
                if connection.ended(socket) {
                    ended.push(*pair);
                }
            }
        }
        for pair in ended {
            self.remove(pair);
        }
    }

    /// At the limit, drops connections that only wait for late segments: on this cable none is
    /// late.
    fn make_room(&mut self) {
        if self.connections.len() < CONNECTIONS {
            return;
        }
        let over = |connection: &Connection| match connection.stage {
            Stage::Connecting(_) => false,
            Stage::Open(handle) => {
                let socket = self.sockets.get::<Socket<'_>>(handle);
                socket.state() == State::TimeWait && !socket.can_recv()
            }
        };
        let over = self.connections.iter().filter(|(_, known)| over(known));
        let over: Vec<Pair> = over.map(|(pair, _)| *pair).collect();
        for pair in over {
            self.remove(pair);
        }
    }

    fn remove(&mut self, pair: Pair) {
        if let Some(connection) = self.connections.remove(&pair) {
            if let Stage::Open(handle) = connection.stage {
                self.sockets.remove(handle);
            }
            connection.close_host();
        }
    }

    fn poll(&mut self, now: Instant, wire: &mut Wire) {
        let time = self.time(now);
        (self.interface).poll(time, &mut self.frames, &mut self.sockets);
        wire.out.append(&mut self.frames.outgoing);
    }
}

fn listen(forward: &Forward, options: &UserOptions) -> io::Result<Listener> {
    let socket = TcpListener::bind(forward.host)?;
    socket.set_nonblocking(true)?;
    let SocketAddr::V4(address) = socket.local_addr()? else {
        return Err(ErrorKind::AddrNotAvailable.into());
    };
    let guest = forward.guest.unwrap_or(options.net.guest());
    Ok(Listener {
        socket,
        guest: SocketAddrV4::new(guest, forward.guest_port),
        address,
    })
}

/// Begins to connect without waiting.
fn begin(to: SocketAddrV4) -> Result<TcpStream, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket.into()),
        Err(error) => Err(error),
    }
}

/// True if the error means that there is no route, and not that the connection was refused.
fn unreachable(error: Errno) -> bool {
    error != Errno::CONNREFUSED && error != Errno::CONNRESET
}

/// The seed of the stack's sequence numbers. They need not be secret from the only guest.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    let _ = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::NONBLOCK);
    u64::from_ne_bytes(bytes)
}
