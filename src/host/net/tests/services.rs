//! DHCP, ARP, ping, UDP and DNS.

use super::guest::{DNS, GUEST, Guest, HOST, MAC, pattern};
use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::{dhcpv4, icmp, udp};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpAddress, Ipv4Address,
};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::time::Duration;

fn lease(options: &str) -> (String, Option<Ipv4Addr>, Vec<Ipv4Addr>) {
    let mut guest = Guest::without_address(options);
    let handle = guest.sockets.add(dhcpv4::Socket::new());
    let mut lease = None;
    guest.until("a lease", |guest| {
        let socket = guest.sockets.get_mut::<dhcpv4::Socket<'_>>(handle);
        if let Some(dhcpv4::Event::Configured(config)) = socket.poll() {
            let dns = config.dns_servers.to_vec();
            lease = Some((config.address.to_string(), config.router, dns));
        }
        lease.is_some()
    });
    lease.unwrap()
}

#[test]
fn dhcp_gives_qemus_addresses() {
    let (address, router, dns) = lease("user");
    assert_eq!(address, "10.0.2.15/24");
    assert_eq!(router, Some(HOST));
    assert_eq!(dns, [DNS]);
    let (address, router, dns) = lease("user,net=192.168.76.99/20,restrict=on");
    assert_eq!(address, "192.168.64.15/20");
    assert_eq!(router, Some(Ipv4Addr::new(192, 168, 64, 2)));
    assert_eq!(dns, [Ipv4Addr::new(192, 168, 64, 3)]);
}

fn arp(guest: &mut Guest, target: Ipv4Addr) -> Option<EthernetAddress> {
    let request = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: MAC,
        source_protocol_addr: GUEST,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    let mut bytes = vec![0; EthernetFrame::<&[u8]>::buffer_len(request.buffer_len())];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    let header = EthernetRepr {
        src_addr: MAC,
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Arp,
    };
    header.emit(&mut frame);
    request.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    guest.net.send(bytes);
    let answer = guest.raw_frame(Duration::from_millis(200))?;
    let frame = EthernetFrame::new_checked(&answer).unwrap();
    let packet = ArpPacket::new_checked(frame.payload()).unwrap();
    let ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr,
        source_protocol_addr,
        ..
    } = ArpRepr::parse(&packet).unwrap()
    else {
        panic!("not a reply");
    };
    assert_eq!(source_protocol_addr, target);
    Some(source_hardware_addr)
}

#[test]
fn arp_answers_for_the_stations_of_the_network_only() {
    let mut guest = Guest::new("user");
    let gateway = Some(EthernetAddress([0x52, 0x55, 10, 0, 2, 2]));
    assert_eq!(arp(&mut guest, HOST), gateway);
    assert_eq!(arp(&mut guest, DNS), gateway);
    for nobody in [
        GUEST,
        Ipv4Addr::new(10, 0, 2, 16),
        Ipv4Addr::new(192, 0, 2, 1),
    ] {
        assert_eq!(arp(&mut guest, nobody), None, "{nobody}");
    }
}

fn icmp_socket(guest: &mut Guest, ident: u16) -> SocketHandle {
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 8192]);
    let mut socket = icmp::Socket::new(buffer(), buffer());
    socket.bind(icmp::Endpoint::Ident(ident)).unwrap();
    guest.sockets.add(socket)
}

/// Pings. Returns the address that answered, and its data.
fn ping(guest: &mut Guest, handle: SocketHandle, to: Ipv4Addr, ident: u16) -> (IpAddress, Vec<u8>) {
    let message = Icmpv4Repr::EchoRequest {
        ident,
        seq_no: 7,
        data: b"are you there?",
    };
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(
        &mut Icmpv4Packet::new_unchecked(&mut bytes),
        &ChecksumCapabilities::default(),
    );
    let socket = guest.sockets.get_mut::<icmp::Socket<'_>>(handle);
    socket.send_slice(&bytes, to.into()).unwrap();
    let mut answer = None;
    guest.until("an answer to a ping", |guest| {
        let socket = guest.sockets.get_mut::<icmp::Socket<'_>>(handle);
        if let Ok((data, from)) = socket.recv() {
            answer = Some((from, data.to_vec()));
        }
        answer.is_some()
    });
    answer.unwrap()
}

#[test]
fn the_networks_own_stations_answer_pings() {
    let mut guest = Guest::new("user");
    let handle = icmp_socket(&mut guest, 77);
    for to in [HOST, DNS] {
        let (from, message) = ping(&mut guest, handle, to, 77);
        assert_eq!(from, to.into());
        let packet = Icmpv4Packet::new_checked(&message).unwrap();
        let reply = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap();
        let expected = Icmpv4Repr::EchoReply {
            ident: 77,
            seq_no: 7,
            data: b"are you there?",
        };
        assert_eq!(reply, expected);
    }
}

#[test]
fn a_restricted_guest_is_told_so() {
    let mut guest = Guest::new("user,restrict=on");
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 4096]);
    let mut sender = udp::Socket::new(buffer(), buffer());
    sender.bind(4242).unwrap();
    sender
        .send_slice(b"out", (Ipv4Address::new(192, 0, 2, 1), 9))
        .unwrap();
    guest.sockets.add(sender);
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 4096]);
    let mut errors = icmp::Socket::new(buffer(), buffer());
    errors.bind(icmp::Endpoint::Udp(4242.into())).unwrap();
    let errors = guest.sockets.add(errors);
    guest.until("an error", |guest| {
        let socket = guest.sockets.get_mut::<icmp::Socket<'_>>(errors);
        let Ok((message, from)) = socket.recv() else {
            return false;
        };
        assert_eq!(from, HOST.into());
        let packet = Icmpv4Packet::new_checked(message).unwrap();
        let error = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap();
        let prohibited = Icmpv4DstUnreachable::NetProhibited;
        matches!(error, Icmpv4Repr::DstUnreachable { reason, .. } if reason == prohibited)
    });
}

pub(super) fn udp_socket(guest: &mut Guest, port: u16) -> SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 64 << 10]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).unwrap();
    guest.sockets.add(socket)
}

pub(super) fn udp_receive(guest: &mut Guest, handle: SocketHandle) -> (Vec<u8>, SocketAddrV4) {
    let mut received = None;
    guest.until("a datagram", |guest| {
        let socket = guest.sockets.get_mut::<udp::Socket<'_>>(handle);
        if let Ok((data, meta)) = socket.recv() {
            let IpAddress::Ipv4(address) = meta.endpoint.addr;
            received = Some((
                data.to_vec(),
                SocketAddrV4::new(address, meta.endpoint.port),
            ));
        }
        received.is_some()
    });
    received.unwrap()
}

/// A server that answers `rounds` datagrams with a mark and the same data.
fn udp_server(mark: &'static [u8], rounds: usize) -> (u16, std::thread::JoinHandle<()>) {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        server
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut buffer = [0; 4096];
        for _ in 0..rounds {
            let (count, from) = server.recv_from(&mut buffer).unwrap();
            assert!(from.ip().is_loopback());
            let answer = [mark, &buffer[..count]].concat();
            server.send_to(&answer, from).unwrap();
        }
    });
    (port, thread)
}

#[test]
fn udp_goes_out_and_comes_back() {
    let (port, server) = udp_server(b"echo:", 20);
    let mut guest = Guest::new("user");
    let sockets = [5001, 5002].map(|port| udp_socket(&mut guest, port));
    for round in 0..10 {
        for handle in sockets {
            let data = pattern(round + 1, 100 * round as usize);
            let socket = guest.sockets.get_mut::<udp::Socket<'_>>(handle);
            socket.send_slice(&data, (HOST, port)).unwrap();
            let (answer, from) = udp_receive(&mut guest, handle);
            assert_eq!(from, SocketAddrV4::new(HOST, port));
            assert_eq!(answer, [b"echo:", data.as_slice()].concat());
        }
    }
    server.join().unwrap();
}

#[test]
fn questions_to_the_dns_address_go_to_the_resolver() {
    let (port, server) = udp_server(b"answer to ", 1);
    let mut guest = Guest::new(&format!("user,resolver=127.0.0.1:{port}"));
    let handle = udp_socket(&mut guest, 5003);
    let socket = guest.sockets.get_mut::<udp::Socket<'_>>(handle);
    socket.send_slice(b"who?", (DNS, 53)).unwrap();
    let (answer, from) = udp_receive(&mut guest, handle);
    assert_eq!(from, SocketAddrV4::new(DNS, 53));
    assert_eq!(answer, b"answer to who?");
    server.join().unwrap();
}

#[test]
fn questions_over_tcp_go_to_the_resolver_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = [0; 4];
        stream.read_exact(&mut question).unwrap();
        stream.write_all(b"at length").unwrap();
        question
    });
    let mut guest = Guest::new(&format!("user,resolver=127.0.0.1:{port}"));
    let handle = guest.connect(SocketAddrV4::new(DNS, 53));
    assert_eq!(guest.exchange(handle, b"who?", false, 9), b"at length");
    assert_eq!(&server.join().unwrap(), b"who?");
    // Other ports of the DNS server's address lead nowhere.
    let handle = guest.connect(SocketAddrV4::new(DNS, 54));
    guest.until("a refusal", |guest| !guest.tcp(handle).is_open());
}
