//! A machine with a monitor, and clients of the monitor.

use crate::harness::{Dir, PATIENCE, Running, eventually, sample};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The socket of the tests.
pub(crate) const SOCKET: &str = "qmp.sock";

/// Starts `rr` with this guest and a monitor.
pub(crate) fn start(dir: &Dir, args: &[&str]) -> Running {
    let qmp = format!("unix:{SOCKET}");
    dir.start(&[args, &["--qmp", &qmp]].concat())
}

/// Records `echo`, which waits for input until it gets `quit`.
pub(crate) fn echo(dir: &Dir) -> Running {
    start(
        dir,
        &["record", "--kernel", &sample("echo"), "-o", "rec.rr"],
    )
}

/// Changes the last byte of the pages of a snapshot.
pub(crate) fn damage(dir: &Dir, snapshot: &str) {
    let pages = format!("rec.rr/snapshots/{snapshot}/pages.bin");
    let mut bytes = dir.read(&pages);
    *bytes.last_mut().unwrap() ^= 1;
    dir.write(&pages, bytes);
}

/// A session.
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    unread: Vec<u8>,
    /// The events that no test has looked at yet.
    pub(crate) events: Vec<Value>,
}

impl Client {
    /// Connects as soon as a monitor listens, and does not negotiate.
    pub(crate) fn raw(path: &Path) -> Self {
        let mut stream = None;
        eventually("the monitor", || {
            stream = UnixStream::connect(path).ok();
            stream.is_some()
        });
        let stream = stream.unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            unread: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Connects to the socket of the tests, and enables out-of-band execution.
    pub(crate) fn new(dir: &Dir) -> Self {
        let mut client = Self::raw(&dir.path(SOCKET));
        assert!(client.line().unwrap().get("QMP").is_some());
        client.ok("qmp_capabilities", json!({"enable": ["oob"]}));
        client
    }

    pub(crate) fn send(&mut self, request: &Value) {
        self.stream
            .write_all(request.to_string().as_bytes())
            .unwrap();
    }

    /// The next line; `None`: the connection has ended.
    #[track_caller]
    pub(crate) fn line(&mut self) -> Option<Value> {
        let mut bytes = [0; 65536];
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                assert!(line.is_ascii(), "{}", String::from_utf8_lossy(&line));
                return Some(serde_json::from_slice(&line).unwrap());
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no line came: {error}"),
            }
        }
    }

    /// The next reply. Events before it are kept.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Value {
        loop {
            let line = self
                .line()
                .unwrap_or_else(|| panic!("the monitor has gone"));
            match line.get("event") {
                Some(_) => self.events.push(line),
                None => return line,
            }
        }
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str, arguments: Value) -> Value {
        self.send(&json!({"execute": command, "arguments": arguments}));
        self.reply()
    }

    /// The result of a command.
    #[track_caller]
    pub(crate) fn ok(&mut self, command: &str, arguments: Value) -> Value {
        let mut reply = self.ask(command, arguments);
        assert!(reply.get("error").is_none(), "{command}: {reply}");
        reply["return"].take()
    }

    /// The result of a command without arguments.
    #[track_caller]
    pub(crate) fn get(&mut self, command: &str) -> Value {
        self.ok(command, json!({}))
    }

    /// The reason why a command fails.
    #[track_caller]
    pub(crate) fn refused(&mut self, command: &str, arguments: Value) -> String {
        let reply = self.ask(command, arguments);
        assert!(reply.get("return").is_none(), "{command}: {reply}");
        reply["error"]["desc"].as_str().unwrap().to_owned()
    }

    /// The output of a line of `human-monitor-command`.
    #[track_caller]
    pub(crate) fn human(&mut self, line: &str) -> String {
        let text = self.ok("human-monitor-command", json!({"command-line": line}));
        text.as_str().unwrap().to_owned()
    }

    /// The next event of this name, kept or future. Events before it are dropped.
    #[track_caller]
    pub(crate) fn event(&mut self, name: &str) -> Value {
        loop {
            while !self.events.is_empty() {
                let event = self.events.remove(0);
                if event["event"] == name {
                    return event;
                }
            }
            let line = self.line().unwrap_or_else(|| panic!("no {name} came"));
            self.events.push(line);
        }
    }

    /// Waits until a job has ended, and returns its error.
    #[track_caller]
    pub(crate) fn job(&mut self, id: &str) -> Option<String> {
        let concluded = json!({"id": id, "status": "concluded"});
        while self.event("JOB_STATUS_CHANGE")["data"] != concluded {}
        let jobs = self.get("query-jobs");
        let job = jobs
            .as_array()
            .unwrap()
            .iter()
            .find(|job| job["id"] == id)
            .unwrap()
            .clone();
        self.ok("job-dismiss", json!({"id": id}));
        let error = job
            .get("error")
            .map(|error| error.as_str().unwrap().to_owned());
        let progress = (
            job["current-progress"].as_i64(),
            job["total-progress"].as_i64(),
        );
        assert_eq!(progress.0 == progress.1, error.is_none(), "{job}");
        error
    }

    pub(crate) fn icount(&mut self) -> u64 {
        self.get("query-replay")["icount"].as_u64().unwrap()
    }
}
