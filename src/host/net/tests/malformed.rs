//! Frames of a guest that is broken or malicious.

use super::guest::{GUEST, HOST, MAC, pattern};
use crate::host::net::thread::Backend;
use crate::host::net::user::{Token, UserBackend, tcp};
use crate::host::net::{NetHandle, NetdevKind, NetdevOptions, UserOptions};
use crate::notes::Notes;
use parking_lot::Mutex;
use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpPacket, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, Icmpv4Packet, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket,
    TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn ethernet(ethertype: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 14 + payload.len()];
    let header = EthernetRepr {
        src_addr: MAC,
        dst_addr: EthernetAddress::BROADCAST,
        ethertype,
    };
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    header.emit(&mut frame);
    frame.payload_mut().copy_from_slice(payload);
    bytes
}

fn ip(next_header: IpProtocol, dst_addr: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let header = Ipv4Repr {
        src_addr: GUEST,
        dst_addr,
        next_header,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    let mut bytes = vec![0; 20 + payload.len()];
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
    header.emit(&mut packet, &ChecksumCapabilities::default());
    packet.payload_mut().copy_from_slice(payload);
    ethernet(EthernetProtocol::Ipv4, &bytes)
}

fn udp(dst: Ipv4Addr, dst_port: u16, data: &[u8]) -> Vec<u8> {
    let header = UdpRepr {
        src_port: 68,
        dst_port,
    };
    let mut bytes = vec![0; 8 + data.len()];
    header.emit(
        &mut UdpPacket::new_unchecked(&mut bytes),
        &IpAddress::Ipv4(GUEST),
        &IpAddress::Ipv4(dst),
        data.len(),
        |payload| payload.copy_from_slice(data),
        &ChecksumCapabilities::default(),
    );
    ip(IpProtocol::Udp, dst, &bytes)
}

fn tcp(src_port: u16, dst_port: u16, control: TcpControl, data: &[u8]) -> Vec<u8> {
    let header = TcpRepr {
        src_port,
        dst_port,
        control,
        seq_number: TcpSeqNumber(1),
        ack_number: (control != TcpControl::Syn).then_some(TcpSeqNumber(1)),
        window_len: 1000,
        window_scale: (control == TcpControl::Syn).then_some(3),
        max_seg_size: (control == TcpControl::Syn).then_some(1460),
        sack_permitted: control == TcpControl::Syn,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: data,
    };
    let mut bytes = vec![0; header.buffer_len()];
    header.emit(
        &mut TcpPacket::new_unchecked(&mut bytes),
        &IpAddress::Ipv4(GUEST),
        &IpAddress::Ipv4(HOST),
        &ChecksumCapabilities::default(),
    );
    ip(IpProtocol::Tcp, HOST, &bytes)
}

fn dhcp() -> Vec<u8> {
    let mut data = vec![0; 300];
    let mut packet = DhcpPacket::new_unchecked(&mut data);
    packet.set_opcode(smoltcp::wire::DhcpOpCode::Request);
    packet.set_hardware_type(smoltcp::wire::ArpHardware::Ethernet);
    packet.set_hardware_len(6);
    packet.set_client_hardware_address(MAC);
    packet.set_magic_number(0x6382_5363);
    let options = [53, 1, 3, 50, 4, 10, 0, 2, 15, 12, 3, b'a', b'b', b'c', 255];
    data[240..240 + options.len()].copy_from_slice(&options);
    udp(Ipv4Addr::BROADCAST, 67, &data)
}

fn arp() -> Vec<u8> {
    let request = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: MAC,
        source_protocol_addr: GUEST,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: HOST,
    };
    let mut bytes = vec![0; request.buffer_len()];
    request.emit(&mut ArpPacket::new_unchecked(&mut bytes));
    ethernet(EthernetProtocol::Arp, &bytes)
}

fn ping() -> Vec<u8> {
    let mut bytes = vec![8, 0, 0, 0, 0, 1, 0, 2, b'x'];
    Icmpv4Packet::new_unchecked(&mut bytes).fill_checksum();
    ip(IpProtocol::Icmp, HOST, &bytes)
}

/// One valid frame of each kind; `port` is the port of the test's own server.
fn samples(port: u16) -> Vec<Vec<u8>> {
    let mut samples = vec![arp(), ping(), dhcp(), udp(HOST, port, b"data")];
    for (source, control, data) in [
        (1000, TcpControl::Syn, &b""[..]),
        (1001, TcpControl::Syn, b"early"),
        (1000, TcpControl::None, b"data"),
        (1000, TcpControl::Fin, b""),
        (1001, TcpControl::Rst, b""),
    ] {
        samples.push(tcp(source, port, control, data));
    }
    samples
}

/// Corrects the checksums, so that a damaged frame gets further than the first check.
fn mend(frame: &mut [u8]) {
    let Some(bytes) = frame.get_mut(14..) else {
        return;
    };
    let Ok(mut packet) = Ipv4Packet::new_checked(bytes) else {
        return;
    };
    packet.fill_checksum();
    let source = IpAddress::Ipv4(packet.src_addr());
    let destination = IpAddress::Ipv4(packet.dst_addr());
    let protocol = packet.next_header();
    let payload = packet.payload_mut();
    match protocol {
        IpProtocol::Tcp => {
            if let Ok(mut segment) = TcpPacket::new_checked(payload) {
                segment.fill_checksum(&source, &destination);
            }
        }
        IpProtocol::Udp => {
            if let Ok(mut datagram) = UdpPacket::new_checked(payload) {
                datagram.fill_checksum(&source, &destination);
            }
        }
        IpProtocol::Icmp => {
            if let Ok(mut message) = Icmpv4Packet::new_checked(payload) {
                message.fill_checksum();
            }
        }
        _ => {}
    }
}

/// True if a frame reaches only the test's own server. Other frames that would leave the host are
/// not sent.
fn stays_here(frame: &[u8], port: u16) -> bool {
    let ipv4 = frame.get(12..14) == Some(&[8, 0]);
    let Some(destination) = frame.get(30..34).filter(|_| ipv4) else {
        return true;
    };
    let options = frame.get(14) != Some(&0x45);
    let to_server = frame.get(36..38) == Some(&port.to_be_bytes()) && !options;
    let ping = frame.get(23) == Some(&1);
    destination == [255; 4] || (destination == HOST.octets() && (to_server || ping))
}

fn feed(backend: &mut UserBackend, frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let now = Instant::now();
    backend.run(now, &[], frames, &mut |frame| out.push(frame));
    let _ = backend.timeout(now);
    out
}

#[test]
fn the_samples_are_valid() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let mut backend = UserBackend::open(&UserOptions::default()).unwrap();
    for (at, frame) in samples(port).into_iter().take(3).enumerate() {
        assert!(stays_here(&frame, port), "{at}");
        assert_eq!(feed(&mut backend, vec![frame]).len(), 1, "{at}");
    }
    for (at, frame) in samples(port).into_iter().enumerate() {
        let mut mended = frame.clone();
        mend(&mut mended);
        assert_eq!(mended, frame, "{at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_frames_break_nothing(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8)
    ) {
        let options = UserOptions { restrict: true, ..UserOptions::default() };
        feed(&mut UserBackend::open(&options).unwrap(), frames);
    }

    #[test]
    fn damaged_frames_break_nothing(
        edits in prop::collection::vec((
            0..9_usize,
            prop::collection::vec((0..120_usize, any::<u8>()), 0..4),
            0..400_usize,
        ), 1..24),
        restrict in any::<bool>(),
    ) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let options = UserOptions { restrict, ..UserOptions::default() };
        let mut backend = UserBackend::open(&options).unwrap();
        let samples = samples(port);
        for (which, bytes, length) in edits {
            let mut frame = samples[which].clone();
            for (at, value) in bytes {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = value;
                }
            }
            frame.truncate(length);
            mend(&mut frame);
            if restrict || stays_here(&frame, port) {
                let out = feed(&mut backend, vec![frame]);
                prop_assert!(out.len() < 16);
            }
        }
    }
}

#[test]
fn a_flood_of_connections_and_ports_is_bounded() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut backend = UserBackend::open(&UserOptions::default()).unwrap();
    let mut count = 0;
    for source in 1..2000 {
        feed(&mut backend, vec![tcp(source, port, TcpControl::Syn, b"")]);
        let mut datagram = udp(HOST, receiver.local_addr().unwrap().port(), &pattern(1, 10));
        datagram[34..36].copy_from_slice(&source.to_be_bytes());
        mend(&mut datagram);
        feed(&mut backend, vec![datagram]);
        count = backend.sockets();
    }
    assert_eq!(count, 512);
}

#[test]
fn a_thread_that_is_held_up_drops_frames_and_never_waits() {
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock();
    let inside = Arc::clone(&gate);
    let on_frame = Box::new(move |_| drop(inside.lock()));
    let net = NetHandle::open(&"user".parse().unwrap(), &Notes::default(), on_frame).unwrap();
    let start = Instant::now();
    for _ in 0..5000 {
        net.send(ping());
    }
    assert!(start.elapsed().as_secs() < 5);
    let counts = net.counts();
    assert_eq!(counts.sent + counts.dropped, 5000);
    assert!(counts.dropped > 0 && counts.sent >= 1024, "{counts:?}");
    drop(held);
}

#[test]
fn a_caller_of_a_guest_that_is_not_there_costs_no_time() {
    let text = "user,hostfwd=tcp:127.0.0.1:0-:22";
    let NetdevKind::User(options) = text.parse::<NetdevOptions>().unwrap().kind else {
        panic!("not a user network");
    };
    let mut backend = UserBackend::open(&options).unwrap();
    let _caller = TcpStream::connect(backend.forwards()[0]).unwrap();
    let (start, mut rounds) = (Instant::now(), 0);
    let ready = [Token::Tcp(tcp::Token::Listener(0))];
    backend.run(start, &ready, Vec::new(), &mut drop);
    assert_eq!(backend.sockets(), 1);
    // As the thread does, but with a simulated time.
    let mut now = start;
    while backend.sockets() == 1 && rounds < 1000 {
        let wait = backend.timeout(now).expect("a timer");
        now += wait.max(Duration::from_millis(1));
        backend.run(now, &[], Vec::new(), &mut drop);
        rounds += 1;
    }
    let waited = now.duration_since(start);
    assert!(
        backend.sockets() == 0 && rounds < 500,
        "{rounds} rounds in {waited:?}"
    );
    assert!(waited < Duration::from_secs(300), "{waited:?}");
}
