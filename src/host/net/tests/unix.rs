//! Frames over a Unix socket.

use super::guest::pattern;
use crate::host::net::{NetError, NetHandle, NetdevOptions};
use crate::notes::Notes;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);

/// A folder for one test's socket.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rr-net-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("net")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path, server: &str) -> Result<(NetHandle, Receiver<Vec<u8>>), NetError> {
    let text = format!("unix:{}{server}", path.display());
    let options: NetdevOptions = text.parse().unwrap();
    let (to, from) = channel();
    let net = NetHandle::open(
        &options,
        &Notes::default(),
        Box::new(move |frame| drop(to.send(frame))),
    )?;
    Ok((net, from))
}

fn exchange(net: &NetHandle, frames: &Receiver<Vec<u8>>, peer: &mut UnixStream) {
    peer.set_read_timeout(Some(WAIT)).unwrap();
    for length in [1, 60, 1514, 65_000] {
        let frame = pattern(length, length as usize);
        net.send(frame.clone());
        let mut prefix = [0; 4];
        peer.read_exact(&mut prefix).unwrap();
        assert_eq!(u32::from_be_bytes(prefix), frame.len() as u32);
        let mut read = vec![0; frame.len()];
        peer.read_exact(&mut read).unwrap();
        assert!(read == frame);
        // In pieces: the length and the frame are divided, and the next frame follows in the same
        // write.
        let bytes = [&prefix[..], &frame, &[0, 0, 0, 2, 7, 8]].concat();
        for piece in bytes.chunks(bytes.len() / 3 + 1) {
            peer.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(frames.recv_timeout(WAIT).unwrap() == frame);
        assert_eq!(frames.recv_timeout(WAIT).unwrap(), [7, 8]);
    }
}

#[test]
fn as_a_client() {
    let folder = Folder::new("client");
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let (net, frames) = open(&folder.socket(), "").unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    exchange(&net, &frames, &mut peer);
    drop(net);
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn as_a_server_whose_peers_come_and_go() {
    let folder = Folder::new("server");
    let (net, frames) = open(&folder.socket(), ",server").unwrap();
    // No peer is connected: the frame is lost, as on a cable that is not plugged in.
    net.send(vec![1, 2, 3]);
    for _ in 0..2 {
        let mut peer = UnixStream::connect(folder.socket()).unwrap();
        // The peer greets to show that it was accepted. A frame that is sent before would be lost.
        peer.write_all(&[0, 0, 0, 1, 9]).unwrap();
        assert_eq!(frames.recv_timeout(WAIT).unwrap(), [9]);
        exchange(&net, &frames, &mut peer);
        peer.write_all(&[0, 0, 9]).unwrap();
    }
    drop(net);
    assert!(!folder.socket().exists());
}

#[test]
fn a_peer_that_talks_nonsense_is_left() {
    let folder = Folder::new("nonsense");
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let (net, frames) = open(&folder.socket(), "").unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(WAIT)).unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    match peer.read(&mut [0; 1]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    net.send(vec![1]);
    assert!(frames.try_recv().is_err());
}

#[test]
fn a_peer_that_does_not_read_costs_bounded_memory_and_no_time() {
    let folder = Folder::new("full");
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let (net, _frames) = open(&folder.socket(), "").unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    for _ in 0..4000 {
        net.send(vec![5; 1514]);
        std::thread::yield_now();
    }
    drop(net);
    // The peer gets whole frames; the last one may be cut.
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert!(all.len() < 4000 * 1518, "{}", all.len());
    assert!(
        all.chunks_exact(1518)
            .all(|frame| frame[..4] == [0, 0, 5, 234])
    );
}

#[test]
fn a_socket_that_is_not_there_is_named() {
    let folder = Folder::new("absent");
    let error = open(&folder.socket(), "").err().unwrap().to_string();
    assert!(
        error.contains("cannot connect") && error.contains("net"),
        "{error}"
    );
}
