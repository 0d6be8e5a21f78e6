//! A backend's thread, and the queues to and from it.

use super::NetError;
use crate::notes::Notes;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Frames from the guest that are queued at most. Further frames are dropped, as on a full wire.
const QUEUE: usize = 1024;
/// Bytes of one frame at most; QEMU's limit, 64 KiB and headers.
pub(crate) const FRAME_MAX: usize = (64 << 10) + 4096;

/// Takes a frame for the guest; called on the backend's thread.
pub type OnFrame = Box<dyn Fn(Vec<u8>) + Send + Sync>;

/// The descriptors that a backend's thread polls. `token` is the backend's name for a descriptor.
pub(crate) struct Watch<'a, T> {
    fds: Vec<PollFd<'a>>,
    tokens: Vec<T>,
}

impl<'a, T> Watch<'a, T> {
    /// Polls `fd` for `flags`.
    pub(crate) fn add(&mut self, fd: BorrowedFd<'a>, flags: PollFlags, token: T) {
        self.fds.push(PollFd::from_borrowed_fd(fd, flags));
        self.tokens.push(token);
    }
}

/// A network backend: the descriptors to poll, and the handling of their events.
pub(crate) trait Backend: Send + 'static {
    /// The backend's name for a descriptor that is polled.
    type Token: Copy;

    /// Names the descriptors to poll.
    fn watch<'a>(&'a self, watch: &mut Watch<'a, Self::Token>);

    /// How long to poll at most; `None`: until an event.
    fn timeout(&mut self, now: Instant) -> Option<Duration>;

    /// Takes the guest's frames, serves the descriptors that are ready, and delivers frames to the
    /// guest.
    fn run(
        &mut self,
        now: Instant,
        ready: &[Self::Token],
        from_guest: Vec<Vec<u8>>,
        deliver: &mut dyn FnMut(Vec<u8>),
    );
}

#[derive(Debug, Default)]
struct Port {
    queue: Mutex<VecDeque<Vec<u8>>>,
    stop: AtomicBool,
    sent: AtomicU64,
    dropped: AtomicU64,
    delivered: AtomicU64,
}

/// Numbers of frames, for messages and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetCounts {
    /// Frames from the guest that were taken.
    pub sent: u64,
    /// Frames from the guest that were dropped, because the queue was full or the frame too long.
    pub dropped: u64,
    /// Frames to the guest.
    pub delivered: u64,
}

/// The handle of a backend's thread.
#[derive(Debug)]
pub(crate) struct Thread {
    port: Arc<Port>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    /// Starts the thread `net-ID`.
    pub(crate) fn start<B: Backend>(
        id: &str,
        backend: B,
        notes: &Notes,
        on_frame: OnFrame,
    ) -> Result<Self, NetError> {
        let failed = |cause: std::io::Error| NetError::Thread {
            id: id.to_owned(),
            cause: cause.into(),
        };
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        wake.set_nonblocking(true).map_err(failed)?;
        woken.set_nonblocking(true).map_err(failed)?;
        let port = Arc::new(Port::default());
        let shared = Arc::clone(&port);
        let notes = notes.clone();
        let thread = std::thread::Builder::new()
            .name(format!("net-{id}"))
            .spawn(move || serve(backend, &shared, &woken, &notes, &on_frame))
            .map_err(failed)?;
        Ok(Self {
            port,
            wake,
            thread: Some(thread),
        })
    }

    /// Queues a frame without waiting.
    pub(crate) fn send(&self, frame: Vec<u8>) {
        let mut queue = self.port.queue.lock();
        if queue.len() >= QUEUE || frame.len() > FRAME_MAX {
            self.port.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.port.sent.fetch_add(1, Ordering::Relaxed);
        let first = queue.is_empty();
        queue.push_back(frame);
        drop(queue);
        if first {
            self.wake();
        }
    }

    /// Wakes the thread. A full socket means that it is about to wake anyway.
    fn wake(&self) {
        let _ = (&self.wake).write(&[0]);
    }

    /// The numbers of frames so far.
    pub(crate) fn counts(&self) -> NetCounts {
        NetCounts {
            sent: self.port.sent.load(Ordering::Relaxed),
            dropped: self.port.dropped.load(Ordering::Relaxed),
            delivered: self.port.delivered.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.port.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

fn serve<B: Backend>(
    mut backend: B,
    port: &Port,
    woken: &UnixStream,
    notes: &Notes,
    on_frame: &OnFrame,
) {
    while !port.stop.load(Ordering::Acquire) {
        let timeout = backend.timeout(Instant::now()).map(timespec);
        let mut watch = Watch {
            fds: vec![PollFd::new(woken, PollFlags::IN)],
            tokens: Vec::new(),
        };
        backend.watch(&mut watch);
        match poll(&mut watch.fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                notes.call(&format!(
                    "the network stops: waiting for its sockets failed: {error}"
                ));
                return;
            }
        }
        let ready: Vec<B::Token> = (watch.fds.iter().skip(1).zip(&watch.tokens))
            .filter(|(fd, _)| !fd.revents().is_empty())
            .map(|(_, token)| *token)
            .collect();
        drain(woken);
        let from_guest = Vec::from(std::mem::take(&mut *port.queue.lock()));
        backend.run(Instant::now(), &ready, from_guest, &mut |frame| {
            port.delivered.fetch_add(1, Ordering::Relaxed);
            on_frame(frame);
        });
    }
}

/// Empties the wake-up socket. It must come before the queue is taken: then a later frame wakes the
/// thread again.
fn drain(mut woken: &UnixStream) {
    let mut bytes = [0; 64];
    loop {
        match woken.read(&mut bytes) {
            Ok(count) if count == bytes.len() => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    // Rounded up to a millisecond: otherwise the thread would poll in a busy loop before a timer.
    let millis = i64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(i64::MAX);
    Timespec {
        tv_sec: millis / 1000,
        tv_nsec: millis % 1000 * 1_000_000,
    }
}
