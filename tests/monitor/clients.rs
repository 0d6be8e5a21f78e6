//! `rr qmp` and `rr monitor`.

use crate::client::{SOCKET, echo};
use crate::harness::Dir;
use std::os::unix::net::UnixListener;

#[test]
fn one_liners() {
    let dir = Dir::new();
    let mut running = echo(&dir);
    running.wait_for("echo:");
    let qmp = |args: &[&str]| dir.rr(&[&["qmp", SOCKET][..], args].concat());
    let status = "{\"running\":true,\"singlestep\":false,\"status\":\"running\"}\n";
    assert_eq!(qmp(&["query-status"]).code(0).text(), status);
    assert_eq!(qmp(&["query-status", "--oob"]).code(0).text(), status);
    assert_eq!(
        dir.rr(&["qmp", "unix:qmp.sock", "stop"]).code(0).text(),
        "{}\n"
    );
    let save = ["pmemsave", "val=0x80000000", "size=16", "filename=mem"];
    assert_eq!(qmp(&save).code(0).text(), "{}\n");
    assert_eq!(dir.read("mem").len(), 16);
    let saved = qmp(&["snapshot-save", "job-id=j", "tag=t", "vmstate=", "devices="]);
    assert_eq!(saved.code(0).text(), "{}\n");
    let human = qmp(&["human-monitor-command", "command-line=info status"]).code(0);
    assert_eq!(human.text(), "\"VM status: paused\\r\\n\"\n");
    // A command that the monitor refuses is status 1. A command that cannot be sent is status 2.
    let refused = qmp(&["nope"]).code(1);
    assert_eq!(
        refused.error(&dir),
        "nope: The command nope has not been found"
    );
    assert_eq!(refused.text(), "");
    let error = qmp(&["stop", "x=1"]).code(1).error(&dir);
    assert_eq!(error, "stop: Parameter 'x' is unexpected");
    let error = qmp(&["stop", "--oob"]).code(1).error(&dir);
    assert_eq!(error, "stop: The command stop does not support OOB");
    let error = qmp(&["pmemsave", "val=x"]).code(2).error(&dir);
    assert_eq!(
        error,
        "pmemsave: `val=x`: expected an integer, such as 42 or 0x2a"
    );
    let error = dir.rr(&["qmp", "nobody", "stop"]).code(2).error(&dir);
    assert!(error.starts_with("nobody: nobody listens there"), "{error}");
    assert_eq!(qmp(&["quit"]).code(0).text(), "{}\n");
    running.ran().code(0);
}

#[test]
fn the_prompt_with_lines_from_a_pipe() {
    let dir = Dir::new();
    let mut running = echo(&dir);
    running.wait_for("echo:");
    let lines = "info status\nstop\n\nquery-status\noob query-replay\nnope\nhelp\n\
                 pmemsave val=1.5\n\
                 {\"execute\": \"query-name\", \"arguments\": {\"x\": 1}}\nquit\n";
    let said = dir.rr_with(&["monitor", SOCKET], lines.as_bytes()).code(0);
    let text = said.text();
    for wanted in [
        "VM status: running\n",
        "\"status\": \"paused\"",
        "\"mode\": \"record\"",
        "unknown command: 'nope'",
        "COMMAND KEY=VALUE",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    for wanted in [
        "[STOP]\n",
        "expected an integer",
        "Parameter 'x' is unexpected",
    ] {
        assert!(said.err.contains(wanted), "{wanted}: {}", said.err);
    }
    running.ran().code(0);
}

#[test]
fn what_is_no_monitor() {
    let dir = Dir::new();
    for greeting in [
        "",
        "HTTP/1.1 200 OK\r\n\r\n",
        "{}\n",
        "[1]\n",
        "{\"QMP\": {}}\n",
    ] {
        let listener = UnixListener::bind(dir.path("other")).unwrap();
        let thread = std::thread::spawn(move || {
            use std::io::Write;
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(greeting.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
        });
        let error = dir.rr(&["qmp", "other", "stop"]).code(2).error(&dir);
        assert!(error.starts_with("other: "), "{error}");
        thread.join().unwrap();
        std::fs::remove_file(dir.path("other")).unwrap();
    }
}
