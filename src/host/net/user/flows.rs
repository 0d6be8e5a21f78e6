//! UDP datagrams and pings: one socket of the host for each port, or ping identifier, of the guest;
//! and forwarded UDP ports.

use super::addresses::{DNS_PORT, as_seen_by_guest};
use super::wire::{Udp, Wire};
use crate::host::net::NetError;
use crate::host::net::options::{Forward, Protocol, UserOptions};
use crate::host::net::thread::Watch;
use crate::notes::Notes;
use rustix::event::PollFlags;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a flow lives without a packet.
pub(crate) const IDLE: Duration = Duration::from_secs(60);
/// The largest number of flows, and of peers of forwarded ports. Beyond it, the one that is idle
/// for longest is dropped.
const FLOWS: usize = 256;
/// Datagrams that are taken from one socket before others have their turn.
const BURST: usize = 64;
/// Bytes of a datagram at most.
const DATAGRAM: usize = 64 << 10;

/// One end in the guest, and the host's socket that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Token {
    /// A UDP port of the guest.
    Udp(SocketAddrV4),
    /// Pings of the guest under one identifier.
    Ping(Ipv4Addr, u16),
    /// A forwarded port, by its index.
    Forward(usize),
}

#[derive(Debug)]
struct Flow {
    socket: OwnedFd,
    last: Instant,
    /// The resolver, if the guest has queried it. Its answers come from the network's DNS address.
    resolver: Option<SocketAddrV4>,
}

#[derive(Debug)]
struct Forwarded {
    socket: UdpSocket,
    guest: SocketAddrV4,
    address: SocketAddrV4,
}

/// A sender to a forwarded port. The guest sees it under another address.
#[derive(Debug)]
struct Peer {
    forward: usize,
    real: SocketAddrV4,
    last: Instant,
}

/// All flows, and the peers of forwarded ports.
#[derive(Debug)]
pub(crate) struct Flows {
    flows: BTreeMap<Token, Flow>,
    forwards: Vec<Forwarded>,
    /// The peers, by the guest's end and the peer's address as the guest sees it.
    peers: BTreeMap<(SocketAddrV4, SocketAddrV4), Peer>,
    buffer: Vec<u8>,
    /// True if the user was told that the host does not permit pings.
    told: bool,
    pub(super) notes: Notes,
}

impl Flows {
    /// Binds the forwarded UDP ports.
    pub(crate) fn open(options: &UserOptions) -> Result<Self, NetError> {
        let udp = |f: &&Forward| f.protocol == Protocol::Udp;
        let bound = options.forwards.iter().filter(udp).map(|forward| {
            bind(forward.host)
                .map(|(socket, address)| Forwarded {
                    socket,
                    guest: SocketAddrV4::new(
                        forward.guest.unwrap_or(options.net.guest()),
                        forward.guest_port,
                    ),
                    address,
                })
                .map_err(|cause| NetError::Forward {
                    protocol: "udp",
                    address: forward.host,
                    cause: cause.into(),
                })
        });
        Ok(Self {
            flows: BTreeMap::new(),
            forwards: bound.collect::<Result<_, _>>()?,
            peers: BTreeMap::new(),
            buffer: vec![0; DATAGRAM],
            told: false,
            notes: Notes::default(),
        })
    }

    /// The number of flows.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    /// The addresses on which forwarded ports listen.
    pub(crate) fn forwards(&self) -> impl Iterator<Item = SocketAddrV4> {
        self.forwards.iter().map(|forward| forward.address)
    }

    /// Names the sockets to poll.
    pub(crate) fn watch<'a, T>(&'a self, watch: &mut Watch<'a, T>, token: impl Fn(Token) -> T) {
        for (name, flow) in &self.flows {
            watch.add(flow.socket.as_fd(), PollFlags::IN, token(*name));
        }
        for (at, forward) in self.forwards.iter().enumerate() {
            let name = token(Token::Forward(at));
            watch.add(forward.socket.as_fd(), PollFlags::IN, name);
        }
    }

    /// The time until the next flow ends.
    pub(crate) fn timeout(&self, now: Instant) -> Option<Duration> {
        let flows = self.flows.values().map(|flow| flow.last);
        let oldest = flows
            .chain(self.peers.values().map(|peer| peer.last))
            .min()?;
        Some((oldest + IDLE).saturating_duration_since(now))
    }

    /// Ends the flows that were idle for too long.
    pub(crate) fn expire(&mut self, now: Instant) {
        let alive = |last: Instant| now.duration_since(last) < IDLE;
        self.flows.retain(|_, flow| alive(flow.last));
        self.peers.retain(|_, peer| alive(peer.last));
    }

    /// Sends a datagram on if it answers one that came through a forwarded port. True if it does.
    pub(crate) fn answer_forwarded(&mut self, datagram: &Udp<'_>, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(&(datagram.source, datagram.destination)) else {
            return false;
        };
        peer.last = now;
        if let Some(forward) = self.forwards.get(peer.forward) {
            // If the host has no room for it, the datagram is lost, as datagrams may be.
            let _ = forward.socket.send_to(datagram.data, peer.real);
        }
        true
    }

    /// Sends a datagram of the guest to an address of the host. `resolver`: it is a query to the
    /// DNS server.
    ///
    /// # Errors
    /// The host's reason for not sending it.
    pub(crate) fn send(
        &mut self,
        datagram: &Udp<'_>,
        to: SocketAddrV4,
        resolver: bool,
        now: Instant,
    ) -> io::Result<()> {
        let flow = self.flow(Token::Udp(datagram.source), now, || {
            let (socket, _) = bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
            Ok(socket.into())
        })?;
        if resolver {
            flow.resolver = Some(to);
        }
        rustix::net::sendto(&flow.socket, datagram.data, SendFlags::NOSIGNAL, &to)?;
        Ok(())
    }

    /// Sends a ping of the guest, if the host permits that to ordinary users.
    ///
    /// # Errors
    /// The host's reason for not sending it.
    pub(crate) fn ping(
        &mut self,
        guest: Ipv4Addr,
        ident: u16,
        message: &[u8],
        to: Ipv4Addr,
        now: Instant,
    ) -> io::Result<()> {
        let token = Token::Ping(guest, ident);
        if let Err(error) = self.flow(token, now, ping_socket).map(|_| ()) {
            if !self.told && error.kind() == io::ErrorKind::PermissionDenied {
                self.told = true;
                self.notes.call(&format!(
                    "the guest pings {to}, which this host does not let its users do; the sysctl \
                     net.ipv4.ping_group_range allows it"
                ));
            }
            return Err(error);
        }
        let flow = self.flows.get(&token).ok_or(io::ErrorKind::NotFound)?;
        let to = SocketAddrV4::new(to, 0);
        rustix::net::sendto(&flow.socket, message, SendFlags::NOSIGNAL, &to)?;
        Ok(())
    }

    fn flow(
        &mut self,
        token: Token,
        now: Instant,
        open: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> io::Result<&mut Flow> {
        if !self.flows.contains_key(&token) {
            if self.flows.len() >= FLOWS {
                let oldest = self.flows.iter().min_by_key(|(_, flow)| flow.last);
                if let Some(oldest) = oldest.map(|(token, _)| *token) {
                    self.flows.remove(&oldest);
                }
            }
            let socket = open()?;
            let flow = Flow {
                socket,
                last: now,
                resolver: None,
            };
            self.flows.insert(token, flow);
        }
        let flow = self.flows.get_mut(&token).ok_or(io::ErrorKind::NotFound)?;
        flow.last = now;
        Ok(flow)
    }

    /// Delivers the packets that came on a socket to the guest.
    pub(crate) fn receive(&mut self, token: Token, wire: &mut Wire, now: Instant) {
        for _ in 0..BURST {
            let more = match token {
                Token::Udp(guest) => self.receive_udp(token, guest, wire, now),
                Token::Ping(guest, ident) => self.receive_ping(token, guest, ident, wire, now),
                Token::Forward(at) => self.receive_forwarded(at, wire, now),
            };
            if more.is_none() {
                return;
            }
        }
    }

    /// The next datagram; `None` if the socket is empty.
    fn receive_udp(
        &mut self,
        token: Token,
        guest: SocketAddrV4,
        wire: &mut Wire,
        now: Instant,
    ) -> Option<()> {
        let flow = self.flows.get_mut(&token)?;
        let (count, from) = receive(&flow.socket, &mut self.buffer)?;
        flow.last = now;
        let source = if flow.resolver == Some(from) {
            SocketAddrV4::new(wire.net.dns(), DNS_PORT)
        } else {
            as_seen_by_guest(wire, from)
        };
        wire.udp(source, guest, self.buffer.get(..count)?);
        Some(())
    }

    fn receive_ping(
        &mut self,
        token: Token,
        guest: Ipv4Addr,
        ident: u16,
        wire: &mut Wire,
        now: Instant,
    ) -> Option<()> {
        let flow = self.flows.get_mut(&token)?;
        let (count, from) = receive(&flow.socket, &mut self.buffer)?;
        flow.last = now;
        let packet = Icmpv4Packet::new_checked(self.buffer.get(..count)?).ok()?;
        // The host has replaced the identifier by its own.
        if let Ok(Icmpv4Repr::EchoReply { seq_no, data, .. }) =
            Icmpv4Repr::parse(&packet, &ChecksumCapabilities::ignored())
        {
            let reply = Icmpv4Repr::EchoReply {
                ident,
                seq_no,
                data,
            };
            wire.icmp(*as_seen_by_guest(wire, from).ip(), guest, &reply);
        }
        Some(())
    }

    fn receive_forwarded(&mut self, at: usize, wire: &mut Wire, now: Instant) -> Option<()> {
        let forward = self.forwards.get(at)?;
        let (count, real) = receive(forward.socket.as_fd(), &mut self.buffer)?;
        let seen = as_seen_by_guest(wire, real);
        if self.peers.len() >= FLOWS {
            let oldest = self.peers.iter().min_by_key(|(_, peer)| peer.last);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.peers.remove(&oldest);
            }
        }
        let peer = Peer {
            forward: at,
            real,
            last: now,
        };
        self.peers.insert((forward.guest, seen), peer);
        wire.udp(seen, forward.guest, self.buffer.get(..count)?);
        Some(())
    }
}

fn ping_socket() -> io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, kind, flags, Some(ipproto::ICMP))?;
    Ok(socket)
}

fn bind(address: SocketAddrV4) -> io::Result<(UdpSocket, SocketAddrV4)> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    let SocketAddr::V4(address) = socket.local_addr()? else {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    };
    Ok((socket, address))
}

/// One datagram and its sender; `None` if there is none, or the host reports an error of an earlier
/// one.
fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Option<(usize, SocketAddrV4)> {
    let (count, _, from) = rustix::net::recvfrom(socket, buffer, RecvFlags::empty()).ok()?;
    let from = SocketAddrV4::try_from(from?).ok()?;
    Some((count, from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::net::options::Subnet;
    use crate::host::net::user::wire::Parsed;
    use smoltcp::wire::IpProtocol;

    const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

    fn flow(last: Instant) -> (Flow, SocketAddrV4) {
        let (socket, address) = bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let socket = socket.into();
        let flow = Flow {
            socket,
            last,
            resolver: None,
        };
        (flow, address)
    }

    /// The host's ping sockets need a permission. So the test's answers come from another socket.
    #[test]
    fn answers_to_pings_get_the_guests_number_back() {
        let mut flows = Flows::open(&UserOptions::default()).unwrap();
        let mut wire = Wire::new(Subnet::DEFAULT);
        let now = Instant::now();
        let (flow, address) = flow(now);
        let token = Token::Ping(GUEST, 77);
        flows.flows.insert(token, flow);
        let answer = Icmpv4Repr::EchoReply {
            ident: 1234,
            seq_no: 5,
            data: b"payload",
        };
        let mut message = vec![0; answer.buffer_len()];
        let checksums = ChecksumCapabilities::default();
        answer.emit(&mut Icmpv4Packet::new_unchecked(&mut message), &checksums);
        let host = UdpSocket::bind("127.0.0.1:0").unwrap();
        host.send_to(&message, address).unwrap();
        flows.receive(token, &mut wire, now);
        let frames = std::mem::take(&mut wire.out);
        let [frame] = frames.as_slice() else {
            panic!("{frames:?}");
        };
        let Some(Parsed::Ipv4(packet)) = wire.parse(frame) else {
            panic!("{frame:?}");
        };
        assert_eq!(packet.header.next_header, IpProtocol::Icmp);
        assert_eq!(
            (packet.header.src_addr, packet.header.dst_addr),
            (wire.net.gateway(), GUEST)
        );
        let message = Icmpv4Packet::new_checked(packet.payload).unwrap();
        let reply = Icmpv4Repr::EchoReply {
            ident: 77,
            seq_no: 5,
            data: b"payload",
        };
        assert_eq!(Icmpv4Repr::parse(&message, &checksums).unwrap(), reply);
    }

    #[test]
    fn idle_flows_end_and_the_timeout_says_when() {
        let mut flows = Flows::open(&UserOptions::default()).unwrap();
        let now = Instant::now();
        assert_eq!(flows.timeout(now), None);
        for (port, age) in [(1, 0), (2, 20)] {
            let token = Token::Udp(SocketAddrV4::new(GUEST, port));
            flows
                .flows
                .insert(token, flow(now + Duration::from_secs(age)).0);
        }
        assert_eq!(flows.timeout(now), Some(IDLE));
        flows.expire(now + IDLE);
        assert_eq!(flows.len(), 1);
        assert_eq!(flows.timeout(now + IDLE), Some(Duration::from_secs(20)));
        flows.expire(now + IDLE * 2);
        assert_eq!(flows.len(), 0);
    }
}
