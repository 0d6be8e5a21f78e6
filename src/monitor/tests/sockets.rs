//! Sockets, and clients that come and go.

use super::rig::Rig;
use crate::error::chain;
use crate::monitor::{Address, Monitor};
use serde_json::json;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};

/// 12
#[test]
fn a_second_client_waits() {
    let rig = Rig::new(2);
    let mut first = rig.client(0, true);
    let mut second = rig.connect(0);
    second.is_quiet();
    // Another socket is another session.
    rig.client(1, false);
    assert!(
        first
            .ask(json!({"execute": "echo"}))
            .get("return")
            .is_some()
    );
    drop(first);
    assert!(second.line().get("QMP").is_some());
}

/// 12: with half a request, and with a whole one.
#[test]
fn a_half_request_dies_with_its_connection() {
    let rig = Rig::new(1);
    for bytes in [
        &b"{\"execute\": \"ec"[..],
        b"[[[[",
        b"\"abc",
        b"",
        b"{\"execute\": \"echo\"}",
    ] {
        let mut client = rig.client(0, false);
        client.write(bytes);
        drop(client);
        let mut client = rig.client(0, false);
        client.write(b"\"ho\"}");
        assert_eq!(client.error().1, "QMP input must be a JSON object");
    }
}

/// As `printf ... | nc -U` does it: the request is still answered.
#[test]
fn a_client_that_only_closes_its_own_direction() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, false);
    for id in 0..30 {
        client.send(json!({"execute": "echo", "id": id}));
    }
    client.stream.shutdown(Shutdown::Write).unwrap();
    for id in 0..30 {
        assert_eq!(client.line()["id"], json!(id));
    }
    assert_eq!(client.maybe_line(), None);
}

/// It holds up no other client, and gets everything once it reads again.
#[test]
fn a_client_that_does_not_read() {
    let rig = Rig::new(2);
    let mut lazy = rig.client(0, true);
    let asked = 40;
    let mut stream = lazy.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        for id in 0..asked {
            let request = json!({"execute": "large", "id": id});
            stream.write_all(request.to_string().as_bytes()).unwrap();
        }
    });
    let mut busy = rig.client(1, true);
    for id in 0..100 {
        assert_eq!(
            busy.ask(json!({"execute": "echo", "id": id}))["id"],
            json!(id)
        );
        assert!(
            busy.ask(json!({"exec-oob": "count"}))
                .get("return")
                .is_some()
        );
    }
    for id in 0..asked {
        assert_eq!(lazy.line()["id"], json!(id));
    }
    writer.join().unwrap();
}

/// Every request is answered, however often too many bytes are unread.
#[test]
fn large_answers_to_requests_in_one_write() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, true);
    let mut stream = client.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let requests = (0..400).map(|id| json!({"exec-oob": "large", "id": id}).to_string());
        stream
            .write_all(requests.collect::<String>().as_bytes())
            .unwrap();
    });
    for id in 0..400 {
        assert_eq!(client.line()["id"], json!(id));
    }
    writer.join().unwrap();
}

/// A client that never reads is disconnected in the end, and does not fill the memory. The others
/// get everything.
#[test]
fn a_client_that_never_reads() {
    let rig = Rig::new(2);
    let (mut lazy, mut busy) = (rig.client(0, false), rig.client(1, false));
    let data = json!("x".repeat(1 << 20));
    for _ in 0..70 {
        rig.events.post("STOP", Some(data.clone()));
        assert_eq!(busy.line()["data"], data);
    }
    assert!(
        rig.connect(0).line().get("QMP").is_some(),
        "its socket is free"
    );
    while lazy.whole_line() {}
}

#[test]
fn at_the_end_every_client_sees_the_end() {
    let mut rig = Rig::new(2);
    let (mut first, mut second) = (rig.client(0, false), rig.connect(1));
    second.line();
    // Input that will not be read is no reason for an error.
    first.write(b"{\"execute\"");
    rig.end();
    assert_eq!((first.maybe_line(), second.maybe_line()), (None, None));
    assert!(!rig.path(0).exists());
}

#[test]
fn places_that_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let address = [Address::Unix(path.clone())];
    let live = UnixListener::bind(&path).unwrap();
    let error = chain(&Monitor::open(&address).unwrap_err());
    assert!(error.contains("/s: Address already in use"), "{error}");
    // The socket of a killed process is replaced.
    drop(live);
    assert!(path.exists());
    let monitor = Monitor::open(&address).unwrap();
    UnixStream::connect(&path).unwrap();
    drop(monitor);
    assert!(!path.exists());
    // A file that is no socket is not removed.
    std::fs::write(&path, "x").unwrap();
    assert!(Monitor::open(&address).is_err());
    assert!(path.exists());
    let error = Monitor::open(&[Address::Unix("/no/such/folder/s".into())]).unwrap_err();
    assert!(
        chain(&error).contains("/s: No such file or directory"),
        "{error}"
    );
}

#[test]
fn tcp() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp:{}", taken.local_addr().unwrap());
    let error = Monitor::open(&[address.parse().unwrap()])
        .unwrap_err()
        .to_string();
    assert!(error.contains(&address), "{error}");
}
