//! Parses the guest's frames, and makes frames for it.

use crate::host::net::options::Subnet;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The largest IP packet, in bytes (the MTU of Ethernet).
pub(crate) const MTU: usize = 1500;
/// Bytes of an Ethernet header.
pub(crate) const ETHERNET: usize = 14;
/// Bytes of an IP header without options.
const IP_HEADER: usize = 20;
/// Bytes of a packet's payload in one fragment: whole eight bytes, because offsets are counted in
/// them.
const FRAGMENT: usize = (MTU - IP_HEADER) / 8 * 8;
/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;
/// The time to live of packets that are made here.
const HOPS: u8 = 64;
/// The largest number of bytes of a packet's payload that an ICMP error quotes. With them the error
/// has 576 bytes (RFC 1812, 4.3.2.3).
const QUOTED: usize = 576 - 2 * IP_HEADER - 8;
/// The largest number of stations whose hardware address is remembered.
const STATIONS: usize = 64;

/// The content of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// An ARP packet for the TCP stack.
    Arp,
    /// An IPv4 packet.
    Ipv4(Ip<'a>),
}

/// An IPv4 packet with a correct header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ip<'a> {
    /// Addresses and protocol.
    pub(crate) header: Ipv4Repr,
    /// The bytes after the header.
    pub(crate) payload: &'a [u8],
    /// The place of a fragment; `None` for a whole packet.
    pub(crate) fragment: Option<Fragment>,
}

/// The place of a fragment (RFC 791).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The packet's identification.
    pub(crate) ident: u16,
    /// Bytes of the payload before it.
    pub(crate) offset: usize,
    /// True if more fragments follow.
    pub(crate) more: bool,
}

/// A UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Udp<'a> {
    /// The sender.
    pub(crate) source: SocketAddrV4,
    /// The receiver.
    pub(crate) destination: SocketAddrV4,
    /// The data.
    pub(crate) data: &'a [u8],
}

/// The network's end of the cable: the stations on it, and the frames for them.
#[derive(Debug)]
pub(crate) struct Wire {
    /// The network's addresses.
    pub(crate) net: Subnet,
    /// The hardware address of the gateway, which answers for all other stations.
    pub(crate) mac: EthernetAddress,
    stations: BTreeMap<Ipv4Addr, EthernetAddress>,
    ident: u16,
    /// Frames for the guest.
    pub(crate) out: Vec<Vec<u8>>,
}

impl Wire {
    /// A cable on which no station is known.
    pub(crate) fn new(net: Subnet) -> Self {
        let [a, b, c, d] = net.gateway().octets();
        Self {
            net,
            mac: EthernetAddress([0x52, 0x55, a, b, c, d]),
            stations: BTreeMap::new(),
            ident: 0,
            out: Vec::new(),
        }
    }

    /// Parses a frame; `None` if it is damaged, for another station, or of an unknown protocol.
    pub(crate) fn parse<'a>(&mut self, frame: &'a [u8]) -> Option<Parsed<'a>> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        let (source, destination) = (frame.src_addr(), frame.dst_addr());
        if !source.is_unicast() || (destination.is_unicast() && destination != self.mac) {
            return None;
        }
        match frame.ethertype() {
            EthernetProtocol::Arp => {
                let packet = ArpPacket::new_checked(frame.payload()).ok()?;
                let ArpRepr::EthernetIpv4 {
                    operation,
                    source_hardware_addr,
                    source_protocol_addr,
                    target_protocol_addr,
                    ..
                } = ArpRepr::parse(&packet).ok()?
                else {
                    return None;
                };
                self.learn(source_protocol_addr, source_hardware_addr);
                // The stack would answer for every address, even the guest's own.
                let ours = [self.net.gateway(), self.net.dns()].contains(&target_protocol_addr);
                (ours && operation != ArpOperation::Unknown(0)).then_some(Parsed::Arp)
            }
            EthernetProtocol::Ipv4 => {
                let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
                if packet.version() != 4 || !packet.verify_checksum() {
                    return None;
                }
                let payload = packet.payload();
                // `Ipv4Repr::parse` takes no fragments.
                let header = Ipv4Repr {
                    src_addr: packet.src_addr(),
                    dst_addr: packet.dst_addr(),
                    next_header: packet.next_header(),
                    payload_len: payload.len(),
                    hop_limit: packet.hop_limit(),
                };
                self.learn(header.src_addr, source);
                let (offset, more) = (usize::from(packet.frag_offset()), packet.more_frags());
                let fragment = (offset != 0 || more).then(|| Fragment {
                    ident: packet.ident(),
                    offset,
                    more,
                });
                Some(Parsed::Ipv4(Ip {
                    header,
                    payload,
                    fragment,
                }))
            }
            _ => None,
        }
    }

    fn learn(&mut self, address: Ipv4Addr, mac: EthernetAddress) {
        let known = self.stations.contains_key(&address);
        if self.is_guest(address) && mac.is_unicast() && (known || self.stations.len() < STATIONS) {
            self.stations.insert(address, mac);
        }
    }

    /// True if an address may be the guest's: one of the network, and none of the network's own.
    pub(crate) fn is_guest(&self, address: Ipv4Addr) -> bool {
        let net = self.net;
        net.contains(address)
            && address != net.gateway()
            && address != net.dns()
            && address != net.broadcast()
    }

    /// Sends an IP packet to the guest, in fragments if it is long. If the station is unknown, the
    /// frame is a broadcast.
    pub(crate) fn ipv4(
        &mut self,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: IpProtocol,
        payload: &[u8],
    ) {
        let station = self.stations.get(&destination);
        let station = station.copied().unwrap_or(EthernetAddress::BROADCAST);
        self.ident = self.ident.wrapping_add(1);
        let count = payload.len().div_ceil(FRAGMENT).max(1);
        for at in 0..count {
            let offset = at * FRAGMENT;
            let rest = payload.get(offset..).unwrap_or_default();
            let part = rest.get(..FRAGMENT).unwrap_or(rest);
            let mut bytes = vec![0; ETHERNET + IP_HEADER + part.len()];
            let mut frame = EthernetFrame::new_unchecked(&mut bytes);
            frame.set_src_addr(self.mac);
            frame.set_dst_addr(station);
            frame.set_ethertype(EthernetProtocol::Ipv4);
            let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
            packet.set_version(4);
            packet.set_header_len(IP_HEADER as u8);
            packet.set_total_len((IP_HEADER + part.len()) as u16);
            packet.set_ident(self.ident);
            packet.clear_flags();
            packet.set_more_frags(at + 1 < count);
            packet.set_frag_offset(offset as u16);
            packet.set_hop_limit(HOPS);
            packet.set_next_header(protocol);
            packet.set_src_addr(source);
            packet.set_dst_addr(destination);
            packet.payload_mut().copy_from_slice(part);
            packet.fill_checksum();
            self.out.push(bytes);
        }
    }

    /// Sends a UDP datagram to the guest.
    pub(crate) fn udp(&mut self, source: SocketAddrV4, destination: SocketAddrV4, data: &[u8]) {
        let repr = UdpRepr {
            src_port: source.port(),
            dst_port: destination.port(),
        };
        // Longer data cannot have come in one datagram.
        if data.len() > usize::from(u16::MAX) - IP_HEADER - UDP_HEADER {
            return;
        }
        let mut bytes = vec![0; UDP_HEADER + data.len()];
        repr.emit(
            &mut UdpPacket::new_unchecked(&mut bytes),
            &IpAddress::Ipv4(*source.ip()),
            &IpAddress::Ipv4(*destination.ip()),
            data.len(),
            |payload| payload.copy_from_slice(data),
            &ChecksumCapabilities::default(),
        );
        self.ipv4(*source.ip(), *destination.ip(), IpProtocol::Udp, &bytes);
    }

    /// Sends an ICMP message to the guest.
    pub(crate) fn icmp(
        &mut self,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        message: &Icmpv4Repr<'_>,
    ) {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(
            &mut Icmpv4Packet::new_unchecked(&mut bytes),
            &ChecksumCapabilities::default(),
        );
        self.ipv4(source, destination, IpProtocol::Icmp, &bytes);
    }

    /// Sends the guest an ICMP error: its packet did not reach its destination.
    pub(crate) fn unreachable(&mut self, packet: &Ip<'_>, reason: Icmpv4DstUnreachable) {
        let quoted = packet.payload.get(..QUOTED).unwrap_or(packet.payload);
        let message = Icmpv4Repr::DstUnreachable {
            reason,
            header: packet.header,
            data: quoted,
        };
        self.icmp(self.net.gateway(), packet.header.src_addr, &message);
    }
}

/// Parses a UDP datagram; `None` if it is damaged.
pub(crate) fn udp<'a>(packet: &Ip<'a>) -> Option<Udp<'a>> {
    let (source, destination) = (packet.header.src_addr, packet.header.dst_addr);
    let datagram = UdpPacket::new_checked(packet.payload).ok()?;
    let repr = UdpRepr::parse(
        &datagram,
        &IpAddress::Ipv4(source),
        &IpAddress::Ipv4(destination),
        &ChecksumCapabilities::default(),
    );
    let repr = repr.ok()?;
    Some(Udp {
        source: SocketAddrV4::new(source, repr.src_port),
        destination: SocketAddrV4::new(destination, repr.dst_port),
        data: datagram.payload(),
    })
}
