//! `--netdev user`: a network of its own, whose gateway passes the guest's data on through ordinary
//! sockets of the host. smoltcp implements TCP and ARP, and parses the packets. DHCP, ping and UDP
//! are answered packet by packet.

mod addresses;
mod connection;
mod dhcp;
mod flows;
pub(crate) mod frames;
mod reassembly;
pub(crate) mod tcp;
mod wire;

use super::NetError;
use super::options::{Protocol, UserOptions};
use super::thread::{Backend, Watch};
use crate::notes::Notes;
use addresses::{Addresses, Destination};
use connection::Pair;
use rustix::io::Errno;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, TcpPacket,
};
use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};
use wire::{Ip, Parsed, Wire};

/// The network, its stations, and the connections.
pub(crate) struct UserBackend {
    wire: Wire,
    addresses: Addresses,
    tcp: tcp::Connections,
    flows: flows::Flows,
    fragments: reassembly::Reassembly,
    /// The addresses on which forwarded ports listen, in the order of the options.
    forwards: Vec<SocketAddrV4>,
}

/// A descriptor to poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Tcp(tcp::Token),
    Flow(flows::Token),
}

impl UserBackend {
    /// Sets up the network, and binds the forwarded ports.
    pub(crate) fn open(options: &UserOptions) -> Result<Self, NetError> {
        let wire = Wire::new(options.net);
        let tcp = tcp::Connections::open(options, &wire)?;
        let flows = flows::Flows::open(options)?;
        let (mut of_tcp, mut of_udp) = (tcp.forwards(), flows.forwards());
        let forwards = options.forwards.iter().filter_map(|f| match f.protocol {
            Protocol::Tcp => of_tcp.next(),
            Protocol::Udp => of_udp.next(),
        });
        let forwards = forwards.collect();
        drop((of_tcp, of_udp));
        Ok(Self {
            wire,
            addresses: Addresses::new(options.restrict, options.resolver),
            tcp,
            flows,
            fragments: reassembly::Reassembly::default(),
            forwards,
        })
    }

    /// Sets where messages for the user go.
    pub(super) fn told_to(mut self, notes: &Notes) -> Self {
        self.flows.notes = notes.clone();
        self
    }

    /// The addresses on which forwarded ports listen, in the order of the options.
    pub(crate) fn forwards(&self) -> Vec<SocketAddrV4> {
        self.forwards.clone()
    }

    /// The number of the host's sockets in use.
    #[cfg(test)]
    pub(crate) fn sockets(&self) -> usize {
        self.tcp.len() + self.flows.len()
    }

    fn frame(&mut self, frame: Vec<u8>, now: Instant) {
        match self.wire.parse(&frame) {
            None => {}
            Some(Parsed::Arp) => self.tcp.arp(frame),
            Some(Parsed::Ipv4(packet)) => match (packet.fragment, packet.header.next_header) {
                // Not reassembled: no TCP stack fragments its segments, because both agree on their
                // size.
                (Some(_), IpProtocol::Tcp) => {}
                (Some(fragment), _) => {
                    if let Some((header, payload)) = self.fragments.add(&packet, fragment, now) {
                        let whole = Ip {
                            header,
                            payload: &payload,
                            fragment: None,
                        };
                        self.datagram(&whole, now);
                    }
                }
                (None, IpProtocol::Tcp) => {
                    if let Some((pair, first)) = segment(&packet) {
                        self.tcp_segment(pair, first, &frame, now);
                    }
                }
                (None, _) => self.datagram(&packet, now),
            },
        }
    }

    /// Handles a whole packet of any protocol but TCP.
    fn datagram(&mut self, packet: &Ip<'_>, now: Instant) {
        match packet.header.next_header {
            IpProtocol::Udp => self.udp(packet, now),
            IpProtocol::Icmp => self.icmp(packet, now),
            _ => {}
        }
    }

    fn tcp_segment(&mut self, pair: Pair, first: bool, frame: &[u8], now: Instant) {
        if !self.wire.is_guest(*pair.guest.ip()) || pair.guest.port() == 0 {
            return;
        }
        if !first || !self.tcp.is_new(pair, now, &mut self.wire) {
            if !self.tcp.is_connecting(pair) {
                self.tcp.segment(pair, frame.to_vec());
            }
            return;
        }
        match (self.addresses).destination(&self.wire, pair.peer, now) {
            Destination::Socket(to) | Destination::Resolver(to) => {
                if self.tcp.connect(pair, to, frame.to_vec()) == tcp::Opened::Unreachable {
                    self.host_unreachable(frame);
                }
            }
            Destination::Prohibited | Destination::Refused => {
                self.tcp.segment(pair, frame.to_vec());
            }
            Destination::Nowhere => {}
        }
    }

    /// Tells the guest that its packet could not be routed.
    fn host_unreachable(&mut self, frame: &[u8]) {
        if let Some(Parsed::Ipv4(packet)) = self.wire.parse(frame) {
            let reason = Icmpv4DstUnreachable::HostUnreachable;
            self.wire.unreachable(&packet, reason);
        }
    }

    fn udp(&mut self, packet: &Ip<'_>, now: Instant) {
        let Some(datagram) = wire::udp(packet) else {
            return;
        };
        if dhcp::is_request(&self.wire, &datagram) {
            return dhcp::answer(&mut self.wire, datagram.data);
        }
        if !self.wire.is_guest(*datagram.source.ip()) || self.flows.answer_forwarded(&datagram, now)
        {
            return;
        }
        let to = datagram.destination;
        let reason = match self.addresses.destination(&self.wire, to, now) {
            Destination::Socket(to) => reason(self.flows.send(&datagram, to, false, now)),
            Destination::Resolver(to) => reason(self.flows.send(&datagram, to, true, now)),
            Destination::Refused => Some(Icmpv4DstUnreachable::PortUnreachable),
            Destination::Prohibited => Some(Icmpv4DstUnreachable::NetProhibited),
            Destination::Nowhere => None,
        };
        if let Some(reason) = reason {
            self.wire.unreachable(packet, reason);
        }
    }

    fn icmp(&mut self, packet: &Ip<'_>, now: Instant) {
        let (guest, to) = (packet.header.src_addr, packet.header.dst_addr);
        let Ok(message) = Icmpv4Packet::new_checked(packet.payload) else {
            return;
        };
        let Ok(Icmpv4Repr::EchoRequest {
            ident,
            seq_no,
            data,
        }) = Icmpv4Repr::parse(&message, &ChecksumCapabilities::default())
        else {
            return;
        };
        if !self.wire.is_guest(guest) {
            return;
        }
        if to == self.wire.net.gateway() || to == self.wire.net.dns() {
            let reply = Icmpv4Repr::EchoReply {
                ident,
                seq_no,
                data,
            };
            return self.wire.icmp(to, guest, &reply);
        }
        let socket = SocketAddrV4::new(to, 0);
        let reason = match self.addresses.destination(&self.wire, socket, now) {
            Destination::Socket(_) => {
                reason(self.flows.ping(guest, ident, packet.payload, to, now))
            }
            Destination::Prohibited => Some(Icmpv4DstUnreachable::NetProhibited),
            _ => None,
        };
        if let Some(reason) = reason {
            self.wire.unreachable(packet, reason);
        }
    }
}

/// The ends of a segment, and whether it opens a connection; `None` if it is damaged.
fn segment(packet: &Ip<'_>) -> Option<(Pair, bool)> {
    let (source, destination) = (packet.header.src_addr, packet.header.dst_addr);
    let segment = TcpPacket::new_checked(packet.payload).ok()?;
    if !segment.verify_checksum(&IpAddress::Ipv4(source), &IpAddress::Ipv4(destination)) {
        return None;
    }
    let pair = Pair {
        guest: SocketAddrV4::new(source, segment.src_port()),
        peer: SocketAddrV4::new(destination, segment.dst_port()),
    };
    let first = segment.syn() && !segment.ack() && !segment.rst() && !segment.fin();
    Some((pair, first && segment.dst_port() != 0))
}

/// The error that the guest gets when the host could not send; `None` if the packet is merely lost.
fn reason(sent: io::Result<()>) -> Option<Icmpv4DstUnreachable> {
    let error = sent.err()?;
    match Errno::from_io_error(&error) {
        Some(Errno::NETUNREACH) => Some(Icmpv4DstUnreachable::NetUnreachable),
        Some(Errno::AGAIN | Errno::NOBUFS | Errno::MSGSIZE | Errno::INTR) => None,
        Some(Errno::CONNREFUSED) => Some(Icmpv4DstUnreachable::PortUnreachable),
        _ => Some(Icmpv4DstUnreachable::HostUnreachable),
    }
}

impl Backend for UserBackend {
    type Token = Token;

    fn watch<'a>(&'a self, watch: &mut Watch<'a, Token>) {
        self.tcp.watch(watch, Token::Tcp);
        self.flows.watch(watch, Token::Flow);
    }

    fn timeout(&mut self, now: Instant) -> Option<Duration> {
        let (tcp, flows) = (self.tcp.timeout(now), self.flows.timeout(now));
        tcp.into_iter().chain(flows).min()
    }

    fn run(
        &mut self,
        now: Instant,
        ready: &[Token],
        from_guest: Vec<Vec<u8>>,
        deliver: &mut dyn FnMut(Vec<u8>),
    ) {
        for frame in from_guest {
            self.frame(frame, now);
        }
        for token in ready {
            match *token {
                Token::Flow(token) => self.flows.receive(token, &mut self.wire, now),
                Token::Tcp(token) => {
                    if let Some(frame) = self.tcp.ready(token, now, &mut self.wire) {
                        self.host_unreachable(&frame);
                    }
                }
            }
        }
        self.flows.expire(now);
        self.tcp.run(now, &mut self.wire);
        for frame in self.wire.out.drain(..) {
            deliver(frame);
        }
    }
}
