//! A guest in the tests: its own TCP/IP stack at the other end of the cable.

use crate::host::net::user::frames::Frames;
use crate::host::net::{NetHandle, NetdevOptions};
use crate::notes::Notes;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv4Cidr};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub(super) const MAC: EthernetAddress = EthernetAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
pub(super) const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
pub(super) const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

pub(super) struct Guest {
    pub(super) net: NetHandle,
    pub(super) sockets: SocketSet<'static>,
    pub(super) interface: Interface,
    from_net: Receiver<Vec<u8>>,
    frames: Frames,
    start: Instant,
    next_port: u16,
}

impl Guest {
    /// A guest with the address that DHCP would give it.
    pub(super) fn new(options: &str) -> Self {
        let mut guest = Self::without_address(options);
        guest.set_address(GUEST, HOST);
        guest
    }

    pub(super) fn without_address(options: &str) -> Self {
        let options: NetdevOptions = options.parse().unwrap();
        let (to_guest, from_net) = channel();
        let on_frame = Box::new(move |frame| drop(to_guest.send(frame)));
        let net = NetHandle::open(&options, &Notes::default(), on_frame).unwrap();
        let mut frames = Frames::default();
        let interface = Interface::new(
            Config::new(HardwareAddress::Ethernet(MAC)),
            &mut frames,
            smoltcp::time::Instant::ZERO,
        );
        Self {
            net,
            sockets: SocketSet::new(Vec::new()),
            interface,
            from_net,
            frames,
            start: Instant::now(),
            next_port: 40000,
        }
    }

    pub(super) fn set_address(&mut self, address: Ipv4Addr, router: Ipv4Addr) {
        self.interface.update_ip_addrs(|all| {
            all.clear();
            let address = IpCidr::Ipv4(Ipv4Cidr::new(address, 24));
            all.push(address).unwrap();
        });
        let routes = self.interface.routes_mut();
        routes.add_default_ipv4_route(router).unwrap();
    }

    /// Moves frames; waits shortly if there is none.
    pub(super) fn poll(&mut self) {
        let micros = i64::try_from(self.start.elapsed().as_micros()).unwrap();
        let now = smoltcp::time::Instant::from_micros(micros);
        if let Ok(frame) = self.from_net.recv_timeout(Duration::from_millis(1)) {
            self.frames.incoming.push_back(frame);
            self.frames.incoming.extend(self.from_net.try_iter());
        }
        (self.interface).poll(now, &mut self.frames, &mut self.sockets);
        for frame in self.frames.outgoing.drain(..) {
            self.net.send(frame);
        }
    }

    /// Polls until `done` returns true; fails after a while.
    pub(super) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done(self) {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            self.poll();
        }
    }

    /// The next frame that arrives, without the stack.
    pub(super) fn raw_frame(&mut self, wait: Duration) -> Option<Vec<u8>> {
        self.from_net.recv_timeout(wait).ok()
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, to: SocketAddrV4) -> SocketHandle {
        let port = self.next_port;
        self.next_port += 1;
        let mut socket = tcp_socket();
        let local = (GUEST, port);
        (socket.connect(self.interface.context(), to, local)).unwrap();
        self.sockets.add(socket)
    }

    pub(super) fn tcp(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Sends all of `data` while it receives, and closes its side if `close` is set. Returns the
    /// bytes received until the other side closed, or until there were `want`.
    pub(super) fn exchange(
        &mut self,
        handle: SocketHandle,
        data: &[u8],
        close: bool,
        want: usize,
    ) -> Vec<u8> {
        let (mut sent, mut received) = (0, Vec::new());
        self.until("the connection", |guest| guest.tcp(handle).may_send());
        self.until("the exchange", |guest| {
            let socket = guest.tcp(handle);
            if sent < data.len() && socket.can_send() {
                sent += socket.send_slice(&data[sent..]).unwrap();
                if sent == data.len() && close {
                    socket.close();
                }
            }
            while socket.can_recv() {
                let bytes = socket.recv(|bytes| (bytes.len(), bytes.to_vec()));
                received.extend(bytes.unwrap());
            }
            sent == data.len() && (!socket.may_recv() || received.len() >= want)
        });
        received
    }
}

pub(super) fn tcp_socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; 32 << 10]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    socket
}

/// Bytes without a short period.
pub(super) fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
