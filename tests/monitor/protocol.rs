//! The protocol, with a machine.

use crate::client::{Client, SOCKET, echo, start};
use crate::harness::{Dir, sample};
use rustix::process::Signal;
use serde_json::json;
use std::io::Write;

#[test]
fn several_sockets_and_the_end() {
    let dir = Dir::new();
    let qmp = [
        "--qmp",
        "unix:second.sock,server,wait=off",
        "--qmp",
        "tcp:127.0.0.1:0",
    ];
    let args = ["run", "--kernel", &sample("echo")];
    let mut running = start(&dir, &[&args[..], &qmp].concat());
    let (mut first, mut second) = (Client::new(&dir), Client::raw(&dir.path("second.sock")));
    assert!(second.line().unwrap().get("QMP").is_some());
    running.wait_for("rr: note: the monitor listens at tcp:127.0.0.1:");
    let place = running.stderr();
    let place = place
        .split("listens at ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let answer = dir.rr(&["qmp", place, "query-chardev"]).code(0);
    assert!(
        answer
            .text()
            .contains(place.split(':').next_back().unwrap_or_default()),
        "{}",
        answer.text()
    );
    // The first client has not negotiated, so it gets no events.
    first.get("stop");
    first.event("STOP");
    second.ok("qmp_capabilities", json!({}));
    first.get("cont");
    second.event("RESUME");
    second.get("quit");
    assert_eq!(
        second.event("SHUTDOWN")["data"],
        json!({"guest": false, "reason": "host-qmp-quit"})
    );
    assert_eq!(second.line(), None);
    first.event("SHUTDOWN");
    assert_eq!(first.line(), None);
    running.ran().code(0);
    assert!(!dir.path(SOCKET).exists() && !dir.path("second.sock").exists());
}

/// Points 2 to 5 and 7 to 10.
#[test]
fn shape_and_framing() {
    let dir = Dir::new();
    let _running = echo(&dir);
    let mut client = Client::raw(&dir.path(SOCKET));
    client.line();
    let expecting = "Expecting capabilities negotiation with 'qmp_capabilities'";
    assert_eq!(client.refused("query-status", json!({})), expecting);
    client.send(&json!({"execute": 1, "id": [null]}));
    let reply = client.reply();
    assert_eq!(
        reply["error"]["desc"],
        "QMP input member 'execute' must be a string"
    );
    assert_eq!(reply["id"], json!([null]));
    client.ok("qmp_capabilities", json!({}));
    assert_eq!(
        client.refused("nope", json!({})),
        "The command nope has not been found"
    );
    client
        .stream
        .write_all(b"{'execute': 'query-status'}{\"execute\":\"query-\n")
        .unwrap();
    assert_eq!(client.reply()["return"]["status"], "running");
    let error = client.reply()["error"]["desc"].as_str().unwrap().to_owned();
    assert!(error.starts_with("JSON parse error, "), "{error}");
    client.get("query-status");
}

/// Point 6, in QEMU's words.
#[test]
fn arguments() {
    let dir = Dir::new();
    let _running = echo(&dir);
    let mut client = Client::new(&dir);
    let save = json!({"val": 0, "size": 1, "filename": "x"});
    let with = |name: &str, value| {
        let mut changed = save.clone();
        changed[name] = value;
        changed
    };
    for (arguments, wanted) in [
        (json!({}), "Parameter 'val' is missing"),
        (json!({"x": 1}), "Parameter 'val' is missing"),
        (
            json!({"val": 1.5}),
            "Invalid parameter type for 'val', expected: integer",
        ),
        (
            with("val", json!("5")),
            "Invalid parameter type for 'val', expected: integer",
        ),
        (
            with("val", json!(null)),
            "Invalid parameter type for 'val', expected: integer",
        ),
        (
            with("val", json!(1u64 << 63)),
            "Invalid parameter type for 'val', expected: integer",
        ),
        (
            with("filename", json!(5)),
            "Invalid parameter type for 'filename', expected: string",
        ),
        (with("z", json!(5)), "Parameter 'z' is unexpected"),
    ] {
        assert_eq!(client.refused("pmemsave", arguments), wanted);
    }
    let unexpected = "Parameter 'a' is unexpected";
    for command in ["query-status", "query-qmp-schema", "stop", "replay-cancel"] {
        assert_eq!(client.refused(command, json!({"a": 1})), unexpected);
    }
    let job = |devices| json!({"job-id": "j", "tag": "t", "vmstate": "", "devices": devices});
    let wanted = "Invalid parameter type for 'devices[1]', expected: string";
    assert_eq!(
        client.refused("snapshot-save", job(json!(["x", 1]))),
        wanted
    );
    let wanted = "Invalid parameter type for 'lock', expected: boolean";
    assert_eq!(client.refused("x-oob-test", json!({"lock": 1})), wanted);
}

/// A command that blocks is overtaken, in both forms. Its client may leave.
#[test]
fn out_of_band() {
    let dir = Dir::new();
    let mut running = echo(&dir);
    let mut client = Client::new(&dir);
    let lock = json!({"execute": "x-oob-test", "arguments": {"lock": true}, "id": 1});
    for form in [
        json!({"exec-oob": "x-oob-test"}),
        json!({"execute": "x-oob-test", "control": {"run-oob": true}}),
    ] {
        client.send(&lock);
        client.send(&json!({"execute": "stop", "id": 2}));
        for command in ["query-status", "query-replay", "replay-cancel"] {
            client.send(&json!({"exec-oob": command, "id": command}));
            assert_eq!(client.reply()["id"], command);
        }
        client.send(&json!({"exec-oob": "stop", "id": 3}));
        assert_eq!(
            client.reply()["error"]["desc"],
            "The command stop does not support OOB"
        );
        let mut unlock = form.clone();
        unlock["arguments"] = json!({"lock": false});
        unlock["id"] = json!(4);
        client.send(&unlock);
        let ids: Vec<_> = (0..3).map(|_| client.reply()["id"].clone()).collect();
        assert_eq!(ids, [json!(4), json!(1), json!(2)]);
        client.get("cont");
    }
    client.send(&lock);
    client.send(&json!({"execute": "query-status", "id": 5}));
    drop(client);
    let mut client = Client::new(&dir);
    assert_eq!(client.get("query-status")["status"], "running");
    // While a command blocks, the guest still runs, and a signal ends the run.
    client.send(&lock);
    let mut stdin = running.child.stdin.take().unwrap();
    stdin.write_all(b"hello\n").unwrap();
    running.wait_for("hello");
    running.signal(Signal::TERM);
    assert_eq!(client.event("SHUTDOWN")["data"]["reason"], "host-signal");
    assert_eq!(client.line(), None);
    running.ran().code(143);
    dir.rr(&["verify", "rec.rr"]).code(0);
}

#[test]
fn options_that_make_no_sense() {
    let dir = Dir::new();
    let run = |options: &[&str]| {
        let args = ["run", "--kernel", &sample("hello")];
        dir.rr(&[&args[..], options].concat())
    };
    let error = run(&["--qmp", "pipe:x"]).code(2).error(&dir);
    assert_eq!(
        error,
        "--qmp: `pipe:x`: expected unix:PATH or tcp:127.0.0.1:PORT"
    );
    let error = run(&["--qmp", "tcp:0.0.0.0:4444"]).code(2).error(&dir);
    assert!(
        error.contains("only this host may reach the monitor"),
        "{error}"
    );
    let error = run(&["--qmp", "unix:no/such/folder"]).code(2).error(&dir);
    assert!(error.starts_with("--qmp unix:no/such/folder: "), "{error}");
    run(&["-S"]).code(2);
    // A command line that is refused leaves nothing behind.
    let error = run(&["--qmp", "unix:s", "--initrd", "missing"]).code(2);
    assert!(error.err.contains("missing"));
    assert!(!dir.path("s").exists());
}
