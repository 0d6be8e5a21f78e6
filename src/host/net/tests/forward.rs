//! Forwarded ports: the host's ports that lead into the guest.

use super::guest::{Guest, HOST, pattern, tcp_socket};
use super::services::{udp_receive, udp_socket};
use crate::host::net::{NetError, NetHandle, NetdevOptions};
use crate::notes::Notes;
use smoltcp::socket::udp;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread::spawn;
use std::time::Duration;

#[test]
fn a_forwarded_port_leads_into_the_guest() {
    let mut guest = Guest::new("user,restrict=on,hostfwd=tcp:127.0.0.1:0-:8080");
    let mut socket = tcp_socket();
    socket.listen(8080).unwrap();
    let handle = guest.sockets.add(socket);
    let address = guest.net.forwards()[0];
    let data = pattern(21, 200_000);
    let sent = data.clone();
    let client = spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        stream.write_all(&sent).unwrap();
        answer
    });
    guest.until("a caller", |guest| guest.tcp(handle).may_send());
    let from = guest.tcp(handle).remote_endpoint().unwrap();
    assert_eq!(from.addr, HOST.into());
    let received = guest.exchange(handle, b"hello", false, usize::MAX);
    assert!(received == data);
    assert_eq!(&client.join().unwrap(), b"hello");
}

#[test]
fn a_port_that_the_guest_refuses_is_refused() {
    let mut guest = Guest::new("user,hostfwd=tcp:127.0.0.1:0-:8081");
    let mut stream = TcpStream::connect(guest.net.forwards()[0]).unwrap();
    stream.set_nonblocking(true).unwrap();
    guest.until("the end", |_| match stream.read(&mut [0; 1]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            true
        }
        Ok(count) => panic!("{count} bytes"),
    });
}

#[test]
fn a_forwarded_udp_port_answers_each_of_its_callers() {
    let mut guest = Guest::new("user,hostfwd=udp:127.0.0.1:0-:5353,hostfwd=tcp:127.0.0.1:0-:1");
    let handle = udp_socket(&mut guest, 5353);
    let clients = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    for client in &clients {
        client
            .send_to(b"question", guest.net.forwards()[0])
            .unwrap();
        let (data, from) = udp_receive(&mut guest, handle);
        assert_eq!(data, b"question");
        assert_eq!(*from.ip(), HOST);
        assert_eq!(from.port(), client.local_addr().unwrap().port());
        let socket = guest.sockets.get_mut::<udp::Socket<'_>>(handle);
        socket.send_slice(b"answer", from).unwrap();
        client.set_nonblocking(true).unwrap();
        let (mut answer, mut came) = ([0; 16], None);
        guest.until("the answer", |_| {
            came = client.recv_from(&mut answer).ok();
            came.is_some()
        });
        let (count, from) = came.unwrap();
        assert_eq!(&answer[..count], b"answer");
        assert_eq!(from, guest.net.forwards()[0].into());
    }
    assert_ne!(guest.net.forwards()[0], guest.net.forwards()[1]);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = format!("user,hostfwd=tcp:127.0.0.1:{port}-:22");
    let options: NetdevOptions = text.parse().unwrap();
    let error = NetHandle::open(&options, &Notes::default(), Box::new(drop)).unwrap_err();
    assert!(matches!(error, NetError::Forward { .. }));
    assert!(
        error.to_string().contains(&format!("tcp:127.0.0.1:{port}")),
        "{error}"
    );
}
