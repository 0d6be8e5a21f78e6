//! A test rig: a monitor with its own main loop, and clients.

use crate::monitor::execute::{Done, Execute, ExecuteNow, Outcome};
use crate::monitor::session::unknown;
use crate::monitor::visit::CommandError;
use crate::monitor::{Address, Events, InBand, Monitor, Running};
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Map, Value, json};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tempfile::TempDir;

/// The limit of every wait. No test needs a tenth of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// State that the rig's commands share.
#[derive(Default)]
struct Toys {
    semaphore: AtomicU64,
    nudge: Mutex<Option<Box<dyn Fn() + Send>>>,
    events: Mutex<Events>,
    executed: AtomicU64,
}

impl Toys {
    fn try_wait(&self) -> bool {
        let one_less = |count: u64| count.checked_sub(1);
        let semaphore = &self.semaphore;
        semaphore
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less)
            .is_ok()
    }

    fn any(&self, name: &str, arguments: Option<Map<String, Value>>) -> Done {
        let arguments = arguments.unwrap_or_default();
        match name {
            "x-oob-test" if arguments.get("lock") == Some(&json!(false)) => {
                self.semaphore.fetch_add(1, Ordering::AcqRel);
                if let Some(nudge) = &*self.nudge.lock().unwrap() {
                    nudge();
                }
                Ok(json!({}))
            }
            "x-oob-test" => Err(CommandError::generic("it would wait")),
            "echo" => Ok(arguments.into()),
            "count" => Ok(json!(self.executed.load(Ordering::Acquire))),
            "large" => Ok(json!("x".repeat(300_000))),
            "event" => {
                let names = ["STOP", "RTC_CHANGE"];
                let name = names
                    .iter()
                    .find(|name| arguments["name"] == json!(name))
                    .unwrap();
                self.events
                    .lock()
                    .unwrap()
                    .post(name, arguments.get("data").cloned());
                Ok(json!({}))
            }
            _ => Err(unknown(name)),
        }
    }
}

struct OnMainLoop(Arc<Toys>);

impl Execute for OnMainLoop {
    fn execute(&mut self, name: &str, arguments: Option<Map<String, Value>>) -> Outcome {
        let toys = Arc::clone(&self.0);
        toys.executed.fetch_add(1, Ordering::AcqRel);
        if name == "x-oob-test"
            && arguments
                .as_ref()
                .is_some_and(|some| some["lock"] == json!(true))
        {
            return Outcome::Later(Box::new(move || toys.try_wait().then(|| Ok(json!({})))));
        }
        Outcome::Now(toys.any(name, arguments))
    }
}

struct OnIoThread(Arc<Toys>);

impl ExecuteNow for OnIoThread {
    fn allows_oob(&self, name: &str) -> Option<bool> {
        match name {
            "x-oob-test" | "count" | "large" => Some(true),
            "echo" | "event" | "qmp_capabilities" => Some(false),
            _ => None,
        }
    }

    fn execute(&self, name: &str, arguments: Option<Map<String, Value>>) -> Done {
        self.0.any(name, arguments)
    }
}

/// A monitor at work.
pub(super) struct Rig {
    folder: TempDir,
    running: Option<Running>,
    stop: Arc<AtomicBool>,
    nudge: Box<dyn Fn()>,
    main_loop: Option<JoinHandle<()>>,
    pub(super) events: Events,
}

impl Rig {
    /// A rig with this many sockets.
    pub(super) fn new(sockets: usize) -> Self {
        let folder = TempDir::with_prefix("rr-qmp-").unwrap();
        let address = |at: usize| Address::Unix(folder.path().join(at.to_string()));
        let monitor = Monitor::open(&(0..sockets).map(address).collect::<Vec<_>>()).unwrap();
        let (toys, events) = (Arc::new(Toys::default()), monitor.events());
        *toys.nudge.lock().unwrap() = Some(Box::new(monitor.nudge()));
        *toys.events.lock().unwrap() = monitor.events();
        let nudge = Box::new(monitor.nudge());
        let (in_band, running) = monitor
            .start(Arc::new(OnIoThread(Arc::clone(&toys))))
            .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let main_loop = thread::spawn(move || main_loop(in_band, OnMainLoop(toys), &stopped));
        Self {
            folder,
            running: Some(running),
            stop,
            nudge,
            main_loop: Some(main_loop),
            events,
        }
    }

    pub(super) fn path(&self, socket: usize) -> PathBuf {
        self.folder.path().join(socket.to_string())
    }

    /// A client that has not read its greeting.
    pub(super) fn connect(&self, socket: usize) -> Client {
        Client::new(UnixStream::connect(self.path(socket)).unwrap())
    }

    /// A client that has negotiated.
    pub(super) fn client(&self, socket: usize, oob: bool) -> Client {
        let mut client = self.connect(socket);
        assert!(client.line().get("QMP").is_some());
        let enable = if oob { json!(["oob"]) } else { json!([]) };
        client.send(json!({"execute": "qmp_capabilities", "arguments": {"enable": enable}}));
        assert_eq!(client.line(), json!({"return": {}}));
        client
    }

    /// Ends the monitor.
    pub(super) fn end(&mut self) {
        self.running = None;
        self.stop.store(true, Ordering::Release);
        (self.nudge)();
        if let Some(main_loop) = self.main_loop.take() {
            main_loop.join().unwrap();
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.end();
        }
    }
}

fn main_loop(mut in_band: InBand, mut commands: OnMainLoop, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        poll(&mut [PollFd::new(&in_band, PollFlags::IN)], None).unwrap();
        in_band.serve(&mut commands);
    }
}

/// A client.
pub(super) struct Client {
    pub(super) stream: UnixStream,
    unread: Vec<u8>,
}

impl Client {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, request: Value) {
        self.write(request.to_string().as_bytes());
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next line; `None`: the connection has ended.
    #[track_caller]
    pub(super) fn maybe_line(&mut self) -> Option<Value> {
        let (mut bytes, mut seen) = ([0; 65536], 0);
        loop {
            let end = self.unread[seen..]
                .windows(2)
                .position(|pair| pair == b"\r\n");
            if let Some(end) = end.map(|end| seen + end) {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                assert!(line.is_ascii() && !line[..end].contains(&b'\n'));
                return Some(serde_json::from_slice(&line).unwrap());
            }
            seen = self.unread.len().saturating_sub(1);
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    assert_eq!(self.unread, b"", "half a line at the end");
                    return None;
                }
                Ok(count) => self.unread.extend(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no line came: {error}"),
            }
        }
    }

    /// True if a whole line comes before the connection ends.
    pub(super) fn whole_line(&mut self) -> bool {
        let mut byte = [0];
        loop {
            match self.stream.read(&mut byte) {
                Ok(1) if byte == [b'\n'] => return true,
                Ok(1) => {}
                _ => return false,
            }
        }
    }

    #[track_caller]
    pub(super) fn line(&mut self) -> Value {
        self.maybe_line().unwrap()
    }

    /// Sends a request, and returns the next line.
    #[track_caller]
    pub(super) fn ask(&mut self, request: Value) -> Value {
        self.send(request);
        self.line()
    }

    /// The class and the description of the next line, which must be an error.
    #[track_caller]
    pub(super) fn error(&mut self) -> (String, String) {
        let line = self.line();
        let text = |name: &str| line["error"][name].as_str().unwrap_or_default().to_owned();
        assert!(line.get("return").is_none(), "{line}");
        (text("class"), text("desc"))
    }

    /// Asserts that no line comes for a moment.
    #[track_caller]
    pub(super) fn is_quiet(&mut self) {
        assert_eq!(self.unread, b"");
        self.stream
            .set_read_timeout(Some(Duration::from_millis(60)))
            .unwrap();
        let mut bytes = [0; 256];
        match self.stream.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("{other:?}: {}", String::from_utf8_lossy(&bytes)),
        }
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
}
