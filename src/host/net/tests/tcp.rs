//! TCP connections from the guest to the outside.

use super::guest::{Guest, HOST, pattern};
use smoltcp::socket::tcp::State;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// A server for `count` connections, and its address for the guest.
fn server<T: Send + 'static>(
    count: usize,
    serve: fn(TcpStream) -> T,
) -> (SocketAddrV4, JoinHandle<Vec<T>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = SocketAddrV4::new(HOST, listener.local_addr().unwrap().port());
    let thread = spawn(move || {
        let accept = |_| {
            let (stream, _) = listener.accept().unwrap();
            let wait = Some(Duration::from_secs(30));
            stream.set_read_timeout(wait).unwrap();
            stream.set_write_timeout(wait).unwrap();
            spawn(move || serve(stream))
        };
        let threads: Vec<_> = (0..count).map(accept).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    (address, thread)
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 16 << 10];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        if count == 0 {
            return;
        }
        stream.write_all(&buffer[..count]).unwrap();
    }
}

#[test]
fn a_megabyte_both_ways() {
    let (address, server) = server(1, echo);
    let mut guest = Guest::new("user");
    let handle = guest.connect(address);
    let data = pattern(3, 1 << 20);
    let start = Instant::now();
    let back = guest.exchange(handle, &data, true, usize::MAX);
    eprintln!("1 MiB there and back: {:?}", start.elapsed());
    assert!(back == data, "{} bytes of {}", back.len(), data.len());
    server.join().unwrap();
    assert_eq!(guest.net.counts().dropped, 0);
}

#[test]
fn sixty_four_connections_at_once() {
    let (address, server) = server(64, echo);
    let mut guest = Guest::new("user");
    let handles: Vec<_> = (0..64).map(|_| guest.connect(address)).collect();
    let data: Vec<_> = (0..64).map(|seed| pattern(seed * 2 + 1, 20_000)).collect();
    let mut sent = [0; 64];
    let mut received = vec![Vec::new(); 64];
    guest.until("all of them", |guest| {
        for (at, handle) in handles.iter().enumerate() {
            let socket = guest.tcp(*handle);
            if sent[at] < data[at].len() && socket.can_send() {
                sent[at] += socket.send_slice(&data[at][sent[at]..]).unwrap();
                if sent[at] == data[at].len() {
                    socket.close();
                }
            }
            while socket.can_recv() {
                let bytes = socket.recv(|bytes| (bytes.len(), bytes.to_vec()));
                received[at].extend(bytes.unwrap());
            }
        }
        (received.iter().zip(&data)).all(|(got, all)| got.len() == all.len())
    });
    assert!(received == data);
    server.join().unwrap();
}

#[test]
fn a_refused_connection_is_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut guest = Guest::new("user");
    let handle = guest.connect(SocketAddrV4::new(HOST, port));
    let start = Instant::now();
    guest.until("a reset", |guest| !guest.tcp(handle).is_open());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_restricted_guest_connects_to_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut guest = Guest::new("user,restrict=on");
    let handle = guest.connect(SocketAddrV4::new(HOST, port));
    guest.until("a reset", |guest| !guest.tcp(handle).is_open());
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn the_guests_end_may_close_first() {
    let (address, server) = server(1, |mut stream| {
        let mut question = Vec::new();
        stream.read_to_end(&mut question).unwrap();
        stream.write_all(&question.repeat(3)).unwrap();
    });
    let mut guest = Guest::new("user");
    let handle = guest.connect(address);
    let data = pattern(9, 50_000);
    assert!(guest.exchange(handle, &data, true, usize::MAX) == data.repeat(3));
    server.join().unwrap();
}

#[test]
fn the_hosts_end_may_close_first() {
    let (address, server) = server(1, |mut stream| {
        stream.write_all(b"hello").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        rest
    });
    let mut guest = Guest::new("user");
    let handle = guest.connect(address);
    assert_eq!(guest.exchange(handle, b"", false, usize::MAX), b"hello");
    assert_eq!(guest.tcp(handle).state(), State::CloseWait);
    let data = pattern(11, 100_000);
    guest.exchange(handle, &data, true, usize::MAX);
    guest.until("its end", |guest| {
        guest.tcp(handle).state() == State::Closed
    });
    assert!(server.join().unwrap() == [data]);
}

#[test]
fn a_reset_of_either_end_reaches_the_other() {
    let (address, of_guest) = server(1, |mut stream| {
        let mut buffer = [0; 16];
        assert_eq!(stream.read(&mut buffer).unwrap(), 2);
        stream.read(&mut buffer).map_err(|error| error.kind())
    });
    let mut guest = Guest::new("user");
    let handle = guest.connect(address);
    guest.exchange(handle, b"hi", false, 0);
    guest.until("it to be sent", |guest| guest.tcp(handle).send_queue() == 0);
    guest.tcp(handle).abort();
    guest.until("the host's end", |_| of_guest.is_finished());
    assert_eq!(of_guest.join().unwrap(), [Err(ErrorKind::ConnectionReset)]);

    let (address, of_host) = server(1, |mut stream| {
        let mut buffer = [0; 2];
        stream.read_exact(&mut buffer).unwrap();
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    });
    let handle = guest.connect(address);
    guest.exchange(handle, b"hi", false, 0);
    guest.until("the guest's end", |guest| {
        guest.tcp(handle).state() == State::Closed
    });
    of_host.join().unwrap();
}

#[test]
fn a_host_that_does_not_read_holds_the_guest_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut guest = Guest::new("user");
    let handle = guest.connect(SocketAddrV4::new(HOST, port));
    guest.until("the connection", |guest| guest.tcp(handle).may_send());
    let (stream, _) = listener.accept().unwrap();
    let data = pattern(5, 24 << 20);
    let mut sent = 0;
    let mut push = |guest: &mut Guest| {
        let socket = guest.tcp(handle);
        if sent < data.len() && socket.can_send() {
            sent += socket.send_slice(&data[sent..]).unwrap();
        }
        sent
    };
    let (mut last, mut since) = (0, Instant::now());
    guest.until("the guest to be held up", |guest| {
        let now = push(guest);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(300)
    });
    assert!(last < data.len(), "all of it was taken");
    let expected = blake3::hash(&data);
    let length = data.len();
    let reader = spawn(move || {
        let mut all = Vec::new();
        (&stream).take(length as u64).read_to_end(&mut all).unwrap();
        blake3::hash(&all)
    });
    guest.until("the rest", |guest| {
        push(guest);
        reader.is_finished()
    });
    assert_eq!(reader.join().unwrap(), expected);
}

#[test]
fn connections_that_are_over_make_room() {
    let (address, server) = server(300, |mut stream| stream.write_all(b"bye").unwrap());
    let mut guest = Guest::new("user");
    for round in 0..300 {
        let handle = guest.connect(address);
        assert_eq!(
            guest.exchange(handle, b"", false, usize::MAX),
            b"bye",
            "{round}"
        );
        guest.tcp(handle).close();
        guest.until("its end", |guest| {
            guest.tcp(handle).state() == State::Closed
        });
        guest.sockets.remove(handle);
    }
    server.join().unwrap();
}

#[test]
fn dropping_the_network_ends_its_connections_and_its_thread() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut guest = Guest::new("user");
    let handle = guest.connect(SocketAddrV4::new(HOST, port));
    guest.until("the connection", |guest| guest.tcp(handle).may_send());
    let (mut stream, _) = listener.accept().unwrap();
    let (done, ended) = channel();
    spawn(move || {
        drop(guest);
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(10)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
}
