//! A TCP port, which anything on this host can reach, a web page too.

use crate::client::{Client, SOCKET, start};
use crate::harness::{Dir, Running, sample};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A run that waits, with a port; and the port's address.
fn open(dir: &Dir, options: &str) -> (Running, String) {
    let place = format!("tcp:127.0.0.1:0{options}");
    let args = ["run", "--kernel", &sample("echo"), "-S", "--qmp", &place];
    let running = start(dir, &args);
    let mut running = running;
    running.wait_for("rr: note: the monitor listens at tcp:");
    let said = running.stderr();
    let place = said.split("listens at tcp:").nth(1).unwrap();
    let place = place.lines().next().unwrap().to_owned();
    (running, place)
}

fn address(place: &str) -> &str {
    place.split(',').next().unwrap()
}

/// Sends bytes, and returns everything that comes until the end.
fn send(place: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address(place)).unwrap();
    // The monitor may have closed the connection before all is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn save(dir: &Dir, name: &str) -> String {
    let file = dir.path("file").display().to_string();
    let (val, size) = (0x8000_0000_u64, 64);
    let save = json!({"execute": name, "arguments": {"val": val, "size": size, "filename": file}});
    format!("{{\"execute\": \"qmp_capabilities\"}}\n{save}\n")
}

#[test]
fn what_begins_as_no_object_is_not_obeyed() {
    let dir = Dir::new();
    dir.write("file", "precious");
    let (_running, place) = open(&dir, ",files=on");
    let body = save(&dir, "pmemsave");
    let starts = [
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\r\n\r\nPUT / HTTP/1.1\r\n\r\n",
        "  x",
        "[1]\n",
        "\"a\"\n",
        "1\n",
        "null\n",
        "\u{0}",
        "\u{16}\u{3}\u{1}",
        "\u{feff}",
    ];
    for start in starts {
        let said = send(&place, format!("{start}{body}").as_bytes());
        assert!(
            !said.contains("return") && !said.contains("error"),
            "{start:?}: {said}"
        );
        assert_eq!(dir.read("file"), b"precious", "{start:?}");
    }
    // White space before an object is nothing strange.
    let said = send(&place, format!(" \r\n\t{body}").as_bytes());
    assert_eq!(said.matches("return").count(), 2, "{said}");
    assert_eq!(dir.read("file").len(), 64);
}

#[test]
fn nothing_is_written_unless_the_port_may() {
    let dir = Dir::new();
    dir.write("file", "precious");
    let (_running, place) = open(&dir, "");
    for name in ["memsave", "pmemsave"] {
        let said = send(&place, save(&dir, name).as_bytes());
        assert!(said.contains(&format!("{name} writes a file")), "{said}");
        assert_eq!(dir.read("file"), b"precious");
    }
    // The Unix socket of the same run may.
    let mut client = Client::new(&dir);
    let file = dir.path("file").display().to_string();
    client.ok(
        "pmemsave",
        json!({"val": 0x8000_0000_u64, "size": 64, "filename": file}),
    );
    assert_eq!(dir.read("file").len(), 64);
    assert!(dir.path(SOCKET).exists());
}

/// Every command that names a file in its arguments is one that a port does not have.
#[test]
fn commands_with_a_file_are_known() {
    let dir = Dir::new();
    let (_running, place) = open(&dir, "");
    let mut client = Client::new(&dir);
    let schema = client.ok("query-qmp-schema", json!({}));
    let schema = schema.as_array().unwrap();
    let named = |name: &Value| schema.iter().find(|entry| entry["name"] == *name).unwrap();
    let mut found = 0;
    for command in schema
        .iter()
        .filter(|entry| entry["meta-type"] == "command")
    {
        let members = named(&command["arg-type"])["members"].as_array().unwrap();
        if !members.iter().any(|member| member["name"] == "filename") {
            continue;
        }
        let name = command["name"].as_str().unwrap();
        let said = send(&place, save(&dir, name).as_bytes());
        assert!(said.contains("writes a file"), "{name}: {said}");
        found += 1;
    }
    assert_eq!(found, 2);
}

#[test]
fn options() {
    let dir = Dir::new();
    let (_running, place) = open(&dir, ",server,wait=off,files=on");
    assert!(place.ends_with(",files=on"), "{place}");
    for (address, says) in [
        ("unix:s,files=on", "are for tcp"),
        ("tcp:127.0.0.1:0,files=yes", "`files=yes`"),
    ] {
        let args = ["run", "--kernel", &sample("echo"), "--qmp", address];
        let error = dir.rr(&args).code(2).error(&dir);
        assert!(error.contains(says), "{error}");
    }
}
