//! The network's DHCP server (RFC 2131), for one guest with one address.

use super::wire::{Udp, Wire};
use smoltcp::wire::{DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpPacket, DhcpRepr};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Seconds of a lease: a day, as QEMU gives.
const LEASE: u32 = 24 * 3600;

/// True if a datagram is for the server.
pub(crate) fn is_request(wire: &Wire, datagram: &Udp<'_>) -> bool {
    let to = datagram.destination;
    to.port() == DHCP_SERVER_PORT && (to.ip().is_broadcast() || *to.ip() == wire.net.gateway())
}

/// Answers a client's message, if it needs an answer from this server.
pub(crate) fn answer(wire: &mut Wire, data: &[u8]) {
    let Some(packet) = DhcpPacket::new_checked(data).ok() else {
        return;
    };
    let Ok(request) = DhcpRepr::parse(&packet) else {
        return;
    };
    let server = wire.net.gateway();
    if request.server_identifier.is_some_and(|id| id != server) {
        return;
    }
    let guest = wire.net.guest();
    let message_type = match request.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request => {
            // A client that renews its lease puts the address into the header instead.
            let wanted = request.requested_ip.unwrap_or(request.client_ip);
            if wanted == guest {
                DhcpMessageType::Ack
            } else {
                DhcpMessageType::Nak
            }
        }
        _ => return,
    };
    let granted = message_type != DhcpMessageType::Nak;
    let reply = DhcpRepr {
        message_type,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: if granted {
            guest
        } else {
            Ipv4Addr::UNSPECIFIED
        },
        server_ip: server,
        router: granted.then_some(server),
        subnet_mask: granted.then(|| wire.net.mask()),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: request.broadcast,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(server),
        parameter_request_list: None,
        dns_servers: granted.then(|| [wire.net.dns()].into_iter().collect()),
        max_size: None,
        lease_duration: granted.then_some(LEASE),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    let mut bytes = vec![0; reply.buffer_len()];
    if reply
        .emit(&mut DhcpPacket::new_unchecked(&mut bytes))
        .is_err()
    {
        return;
    }
    // A broadcast: the client has no address yet that ARP or its own filter would accept.
    wire.udp(
        SocketAddrV4::new(server, DHCP_SERVER_PORT),
        SocketAddrV4::new(Ipv4Addr::BROADCAST, DHCP_CLIENT_PORT),
        &bytes,
    );
}
