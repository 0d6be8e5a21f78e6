//! The meaning of the guest's network addresses on the host.

use super::wire::Wire;
use crate::host::small;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::{Duration, Instant};

/// The file that lists the host's resolvers.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How long the content of that file is used; a laptop changes networks.
const HOLDS: Duration = Duration::from_secs(5);
/// The port of the domain name service.
pub(crate) const DNS_PORT: u16 = 53;

/// The destination of a packet from the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A socket of this address.
    Socket(SocketAddrV4),
    /// The resolver.
    Resolver(SocketAddrV4),
    /// An address that the guest may not reach (`restrict=on`).
    Prohibited,
    /// A port of the network's own stations without a service.
    Refused,
    /// No station: a broadcast or multicast address, or an invalid one.
    Nowhere,
}

/// Translates addresses of the guest's network to those of the host.
#[derive(Debug)]
pub(crate) struct Addresses {
    restrict: bool,
    fixed: Option<SocketAddrV4>,
    seen: Option<(Instant, Option<SocketAddrV4>)>,
}

impl Addresses {
    /// `fixed`: the resolver to use instead of the host's.
    pub(crate) fn new(restrict: bool, fixed: Option<SocketAddrV4>) -> Self {
        Self {
            restrict,
            fixed,
            seen: None,
        }
    }

    /// The destination that the guest means by `to`.
    pub(crate) fn destination(
        &mut self,
        wire: &Wire,
        to: SocketAddrV4,
        now: Instant,
    ) -> Destination {
        let address = *to.ip();
        let one = !address.is_unspecified()
            && !address.is_loopback()
            && !address.is_multicast()
            && !address.is_broadcast()
            && address.octets()[0] != 0;
        if !one || wire.is_guest(address) || address == wire.net.broadcast() {
            return Destination::Nowhere;
        }
        if self.restrict {
            return Destination::Prohibited;
        }
        if address == wire.net.dns() {
            return match self.resolver(now) {
                Some(resolver) if to.port() == DNS_PORT => Destination::Resolver(resolver),
                _ => Destination::Refused,
            };
        }
        if address == wire.net.gateway() {
            return Destination::Socket(SocketAddrV4::new(Ipv4Addr::LOCALHOST, to.port()));
        }
        Destination::Socket(to)
    }

    fn resolver(&mut self, now: Instant) -> Option<SocketAddrV4> {
        if self.fixed.is_some() {
            return self.fixed;
        }
        match self.seen {
            Some((at, resolver)) if now.duration_since(at) < HOLDS => resolver,
            _ => {
                let resolver = read_resolver(Path::new(RESOLV_CONF));
                self.seen = Some((now, resolver));
                resolver
            }
        }
    }
}

fn read_resolver(path: &Path) -> Option<SocketAddrV4> {
    let text = small::read(path, small::DESCRIPTION).ok()?;
    parse_resolver(&String::from_utf8_lossy(&text))
}

/// The first resolver with an IPv4 address (resolv.conf(5)).
fn parse_resolver(text: &str) -> Option<SocketAddrV4> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = (words.next() == Some("nameserver")).then(|| words.next())??;
        Some(SocketAddrV4::new(address.parse().ok()?, DNS_PORT))
    })
}

/// The address that the guest sees for an address of the host. The host itself is the gateway.
pub(crate) fn as_seen_by_guest(wire: &Wire, from: SocketAddrV4) -> SocketAddrV4 {
    if from.ip().is_loopback() || wire.net.contains(*from.ip()) {
        return SocketAddrV4::new(wire.net.gateway(), from.port());
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::net::options::Subnet;

    #[test]
    fn the_first_resolver_with_an_ipv4_address_counts() {
        let text = "# made by hand\nsearch example.org\nnameserver fe80::1%eth0\n  \
            nameserver 127.0.0.53 x\nnameserver 1.2.3.4\n";
        assert_eq!(
            parse_resolver(text),
            Some(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 53), 53))
        );
        assert_eq!(parse_resolver("nameserver\nnameserver x\n"), None);
    }

    #[test]
    fn addresses_mean_what_they_mean_with_qemu() {
        let wire = Wire::new(Subnet::DEFAULT);
        let resolver = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5353);
        let mut open = Addresses::new(false, Some(resolver));
        let mut of = |text: &str| open.destination(&wire, text.parse().unwrap(), Instant::now());
        assert_eq!(
            of("10.0.2.2:80"),
            Destination::Socket("127.0.0.1:80".parse().unwrap())
        );
        assert_eq!(of("10.0.2.3:53"), Destination::Resolver(resolver));
        assert_eq!(of("10.0.2.3:80"), Destination::Refused);
        assert_eq!(
            of("192.0.2.1:7"),
            Destination::Socket("192.0.2.1:7".parse().unwrap())
        );
        for nobody in [
            "127.0.0.1:1",
            "0.0.0.0:1",
            "0.1.2.3:1",
            "255.255.255.255:1",
            "224.0.0.1:1",
            "10.0.2.255:1",
            "10.0.2.15:1",
            "10.0.2.77:1",
        ] {
            assert_eq!(of(nobody), Destination::Nowhere, "{nobody}");
        }
        let mut restricted = Addresses::new(true, Some(resolver));
        let to = "10.0.2.2:80".parse().unwrap();
        assert_eq!(
            restricted.destination(&wire, to, Instant::now()),
            Destination::Prohibited
        );
    }
}
