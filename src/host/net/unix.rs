//! Frames over a Unix stream socket, each behind its length in 4 bytes, big endian: the protocol of
//! QEMU's `stream` backend and of passt.

use super::NetError;
use super::thread::{Backend, FRAME_MAX, Watch};
use crate::notes::Notes;
use byteorder::{BigEndian, ByteOrder};
use rustix::event::PollFlags;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes that are queued for the peer at most. Further frames are dropped, as on a full wire.
const OUTGOING_MAX: usize = 1 << 20;
/// Bytes of the length before each frame.
const PREFIX: usize = 4;

/// The backend: the socket, and the bytes that are partly sent or received.
#[derive(Debug)]
pub(crate) struct UnixBackend {
    path: PathBuf,
    listener: Option<UnixListener>,
    stream: Option<UnixStream>,
    incoming: Vec<u8>,
    outgoing: VecDeque<u8>,
    notes: Notes,
}

/// The descriptors to poll: the listener, and the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Listener,
    Stream,
}

impl UnixBackend {
    /// Connects, or begins to listen. A peer may connect and leave at any time.
    pub(crate) fn open(path: &Path, server: bool, notes: &Notes) -> Result<Self, NetError> {
        let failed = |cause: io::Error| NetError::Unix {
            path: path.to_owned(),
            server,
            cause: cause.into(),
        };
        let (mut listener, mut stream) = (None, None);
        if server {
            let socket = UnixListener::bind(path).map_err(failed)?;
            socket.set_nonblocking(true).map_err(failed)?;
            listener = Some(socket);
        } else {
            let socket = UnixStream::connect(path).map_err(failed)?;
            socket.set_nonblocking(true).map_err(failed)?;
            stream = Some(socket);
        }
        Ok(Self {
            path: path.to_owned(),
            listener,
            stream,
            incoming: Vec::new(),
            outgoing: VecDeque::new(),
            notes: notes.clone(),
        })
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        if let Ok((stream, _)) = listener.accept()
            && stream.set_nonblocking(true).is_ok()
        {
            self.stream = Some(stream);
        }
    }

    /// Closes the connection. A half frame is dropped: the next peer could not use it.
    fn disconnect(&mut self, why: &str) {
        self.notes
            .call(&format!("network unix:{}: {why}", self.path.display()));
        self.stream = None;
        self.incoming.clear();
        self.outgoing.clear();
    }

    fn send(&mut self, frame: &[u8]) {
        if self.stream.is_none() || self.outgoing.len() + PREFIX + frame.len() > OUTGOING_MAX {
            return;
        }
        let Ok(length) = u32::try_from(frame.len()) else {
            return;
        };
        self.outgoing.extend(length.to_be_bytes());
        self.outgoing.extend(frame);
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(stream) = self.stream.as_mut()
            && !self.outgoing.is_empty()
        {
            match stream.write(self.outgoing.as_slices().0) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once, and delivers the whole frames. The error says why the connection cannot be used
    /// further.
    fn receive(&mut self, deliver: &mut dyn FnMut(Vec<u8>)) -> Result<(), String> {
        let Some(stream) = self.stream.as_mut() else {
            return Ok(());
        };
        let mut chunk = [0; 16 << 10];
        match stream.read(&mut chunk) {
            Ok(0) => return Err("the peer has closed the connection".into()),
            Ok(count) => self
                .incoming
                .extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error.to_string()),
        }
        let mut rest = self.incoming.as_slice();
        while let Some((prefix, tail)) = rest.split_at_checked(PREFIX) {
            let length = BigEndian::read_u32(prefix) as usize;
            if length > FRAME_MAX {
                return Err(format!(
                    "the peer announced a frame of {length} bytes, more than {FRAME_MAX}: \
                     disconnected"
                ));
            }
            let Some((frame, tail)) = tail.split_at_checked(length) else {
                break;
            };
            if !frame.is_empty() {
                deliver(frame.to_vec());
            }
            rest = tail;
        }
        let used = self.incoming.len() - rest.len();
        self.incoming.drain(..used);
        Ok(())
    }
}

impl Backend for UnixBackend {
    type Token = Token;

    fn watch<'a>(&'a self, watch: &mut Watch<'a, Token>) {
        match (&self.stream, &self.listener) {
            (Some(stream), _) => {
                let mut flags = PollFlags::IN;
                flags.set(PollFlags::OUT, !self.outgoing.is_empty());
                watch.add(stream.as_fd(), flags, Token::Stream);
            }
            (None, Some(listener)) => watch.add(listener.as_fd(), PollFlags::IN, Token::Listener),
            (None, None) => {}
        }
    }

    fn timeout(&mut self, _now: Instant) -> Option<Duration> {
        None
    }

    fn run(
        &mut self,
        _now: Instant,
        ready: &[Token],
        from_guest: Vec<Vec<u8>>,
        deliver: &mut dyn FnMut(Vec<u8>),
    ) {
        for frame in &from_guest {
            self.send(frame);
        }
        if let Err(error) = self.flush() {
            return self.disconnect(&error.to_string());
        }
        // Frames from before the connection are not for the new peer.
        if ready.contains(&Token::Listener) {
            self.accept();
        }
        if ready.contains(&Token::Stream)
            && let Err(why) = self.receive(deliver)
        {
            self.disconnect(&why);
        }
    }
}

impl Drop for UnixBackend {
    fn drop(&mut self) {
        if self.listener.is_some() {
            // The next run may listen on this path again. If it is gone already, nothing is lost.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
