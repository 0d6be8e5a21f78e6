//! Reassembles packets that the guest sent in fragments (RFC 791, 3.2): large pings and datagrams.

use super::wire::{Fragment, Ip};
use smoltcp::wire::{IpProtocol, Ipv4Repr};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// How long a packet's missing fragments are awaited. (RFC 1122, 3.3.2, wants at least 60 s, but on
/// this cable none is late.)
const WAIT: Duration = Duration::from_secs(30);
/// The largest number of incomplete packets. Beyond it, the oldest is dropped.
const PACKETS: usize = 16;
/// The largest payload of a packet, in bytes: its length has 16 bits, and includes the header.
const PAYLOAD: usize = 65535 - 20;

/// Identifies the packet that a fragment belongs to.
type Key = (Ipv4Addr, Ipv4Addr, IpProtocol, u16);

#[derive(Debug)]
struct Partial {
    since: Instant,
    /// The payload's length in bytes, once its end is known.
    length: Option<usize>,
    /// The fragments by their offset. They do not overlap.
    pieces: BTreeMap<usize, Vec<u8>>,
}

/// The packets that are incomplete.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    packets: BTreeMap<Key, Partial>,
}

impl Reassembly {
    /// Takes a fragment. Returns the packet's header and payload once it is complete. Fragments
    /// that overlap, which no honest sender makes, drop the packet.
    pub(crate) fn add(
        &mut self,
        packet: &Ip<'_>,
        fragment: Fragment,
        now: Instant,
    ) -> Option<(Ipv4Repr, Vec<u8>)> {
        self.packets
            .retain(|_, partial| now.duration_since(partial.since) < WAIT);
        let header = packet.header;
        let protocol = header.next_header;
        let key = (header.src_addr, header.dst_addr, protocol, fragment.ident);
        if !self.packets.contains_key(&key) && self.packets.len() >= PACKETS {
            let oldest = self.packets.iter().min_by_key(|(_, partial)| partial.since);
            let oldest = oldest.map(|(key, _)| *key)?;
            self.packets.remove(&oldest);
        }
        let partial = self.packets.entry(key).or_insert_with(|| Partial {
            since: now,
            length: None,
            pieces: BTreeMap::new(),
        });
        if !partial.add(packet.payload, fragment) {
            self.packets.remove(&key);
            return None;
        }
        if !partial.whole() {
            return None;
        }
        let pieces = self.packets.remove(&key)?.pieces;
        let payload: Vec<u8> = pieces.into_values().flatten().collect();
        let header = Ipv4Repr {
            payload_len: payload.len(),
            ..header
        };
        Some((header, payload))
    }
}

impl Partial {
    /// Adds a fragment. False if it does not fit with the others; a repetition fits.
    fn add(&mut self, payload: &[u8], fragment: Fragment) -> bool {
        let (start, end) = (fragment.offset, fragment.offset + payload.len());
        // All but the last have a length of whole eight bytes, because offsets are counted in them.
        let odd = fragment.more && (payload.is_empty() || !payload.len().is_multiple_of(8));
        let ends_elsewhere = self
            .length
            .is_some_and(|length| end > length || (!fragment.more && end != length));
        if odd || ends_elsewhere || end > PAYLOAD {
            return false;
        }
        if let Some(known) = self.pieces.get(&start) {
            return known.len() == payload.len();
        }
        let before = self.pieces.range(..start).next_back();
        let after = self.pieces.range(start..).next();
        let overlaps = before.is_some_and(|(at, piece)| at + piece.len() > start)
            || after.is_some_and(|(at, _)| *at < end)
            || (!fragment.more && after.is_some());
        if overlaps {
            return false;
        }
        if !fragment.more {
            self.length = Some(end);
        }
        self.pieces.insert(start, payload.to_vec());
        true
    }

    fn whole(&self) -> bool {
        let have: usize = self.pieces.values().map(Vec::len).sum();
        self.length == Some(have)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::net::options::{Subnet, UserOptions};
    use crate::host::net::thread::Backend;
    use crate::host::net::user::UserBackend;
    use crate::host::net::user::wire::{Parsed, Wire};
    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr};

    const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
    const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

    /// Fragments a packet as a sender does.
    fn cut(payload: &[u8]) -> Vec<Vec<u8>> {
        let mut wire = Wire::new(Subnet::DEFAULT);
        wire.ipv4(HOST, GUEST, IpProtocol::Udp, payload);
        wire.out
    }

    fn feed(all: &mut Reassembly, frame: &[u8], now: Instant) -> Option<(Ipv4Repr, Vec<u8>)> {
        let mut wire = Wire::new(Subnet::DEFAULT);
        match wire.parse(frame) {
            Some(Parsed::Ipv4(packet)) => match packet.fragment {
                Some(fragment) => all.add(&packet, fragment, now),
                None => Some((packet.header, packet.payload.to_vec())),
            },
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn what_was_cut_comes_together_in_any_order(
            length in 0..20_000_usize,
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let payload: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
            let mut frames = cut(&payload);
            let lengths: Vec<_> = frames.iter().map(Vec::len).collect();
            prop_assert!(lengths.iter().all(|length| *length <= 1514), "{lengths:?}");
            // First some fragments twice, in any order, then all of them backwards.
            let early: Vec<_> = order.iter().map(|at| at.get(&frames).clone()).collect();
            frames.reverse();
            let (mut all, now) = (Reassembly::default(), Instant::now());
            let mut whole = None;
            for frame in early.iter().chain(&frames) {
                whole = whole.or(feed(&mut all, frame, now));
            }
            let (header, got) = whole.unwrap();
            prop_assert_eq!(header.payload_len, length);
            prop_assert!(got == payload);
        }

        #[test]
        fn no_fragments_break_it(
            pieces in prop::collection::vec(
                (0..4_u16, 0..8192_usize, any::<bool>(), 0..1480_usize),
                0..60,
            ),
        ) {
            let header = Ipv4Repr {
                src_addr: GUEST,
                dst_addr: HOST,
                next_header: IpProtocol::Udp,
                payload_len: 0,
                hop_limit: 64,
            };
            let bytes = [0; 1480];
            let (mut all, now) = (Reassembly::default(), Instant::now());
            for (ident, place, more, length) in pieces {
                let fragment = Fragment { ident, offset: place * 8, more };
                let packet = Ip { header, payload: &bytes[..length], fragment: Some(fragment) };
                if let Some((_, payload)) = all.add(&packet, fragment, now) {
                    prop_assert!(payload.len() <= PAYLOAD);
                }
            }
        }
    }

    #[test]
    fn packets_that_never_come_together_go() {
        let (mut all, now) = (Reassembly::default(), Instant::now());
        let header = Ipv4Repr {
            src_addr: GUEST,
            dst_addr: HOST,
            next_header: IpProtocol::Udp,
            payload_len: 8,
            hop_limit: 64,
        };
        for ident in 0..100 {
            let fragment = Fragment {
                ident,
                offset: 8,
                more: true,
            };
            let packet = Ip {
                header,
                payload: &[0; 8],
                fragment: Some(fragment),
            };
            assert!(all.add(&packet, fragment, now).is_none());
        }
        assert_eq!(all.packets.len(), PACKETS);
        let frames = cut(&[1; 3000]);
        assert!(feed(&mut all, &frames[0], now + WAIT).is_none());
        assert_eq!(all.packets.len(), 1);
    }

    /// The test's own fragments are as good as the guest's: frames of any unicast station are
    /// taken.
    #[test]
    fn a_large_ping_is_answered_in_fragments() {
        let echo = |reply: bool| {
            let (ident, seq_no, data) = (1, 2, &[0x5a; 4000][..]);
            let message = if reply {
                Icmpv4Repr::EchoReply {
                    ident,
                    seq_no,
                    data,
                }
            } else {
                Icmpv4Repr::EchoRequest {
                    ident,
                    seq_no,
                    data,
                }
            };
            let mut bytes = vec![0; message.buffer_len()];
            let checksums = ChecksumCapabilities::default();
            message.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &checksums);
            bytes
        };
        let mut guest = Wire::new(Subnet::DEFAULT);
        guest.ipv4(GUEST, HOST, IpProtocol::Icmp, &echo(false));
        let mut backend = UserBackend::open(&UserOptions::default()).unwrap();
        let (mut out, now) = (Vec::new(), Instant::now());
        backend.run(now, &[], guest.out, &mut |frame| out.push(frame));
        assert_eq!(out.len(), 3);
        let mut all = Reassembly::default();
        let answer = out.iter().find_map(|frame| feed(&mut all, frame, now));
        assert!(answer.unwrap().1 == echo(true));
    }
}
