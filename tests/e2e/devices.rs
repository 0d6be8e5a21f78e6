//! Several harts, disks and networks: recorded, replayed, and refused.

use crate::harness::{Dir, PATIENCE, eventually, sample};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

/// Records, replays and verifies. Returns the guest's output.
fn round(dir: &Dir, rec: &str, guest: &str, options: &[&str]) -> String {
    let kernel = sample(guest);
    let record = ["record", "--kernel", &kernel, "-o", rec];
    let recorded = dir.rr(&[&record[..], options].concat()).code(0);
    dir.check_replay(rec, &recorded);
    recorded.text()
}

fn disk(dir: &Dir) -> Vec<u8> {
    let content: Vec<u8> = (0..1u32 << 20).map(|at| (at / 7) as u8).collect();
    dir.write("disk.raw", &content);
    content
}

#[test]
fn several_harts() {
    let dir = Dir::new();
    let mut orders = Vec::new();
    for (rec, options) in [
        ("2.rr", &["--smp", "2"][..]),
        ("4.rr", &["--smp", "4", "--append", "harts=4"]),
        ("8.rr", &["--smp", "8", "--append", "harts=8"]),
        ("5.rr", &["--smp", "2", "--chaos", "5"]),
        ("6.rr", &["--smp", "2", "--chaos", "6"]),
    ] {
        let text = round(&dir, rec, "smp", options);
        assert!(text.contains("smp: ok"), "{text}");
        orders.push(text);
    }
    assert_ne!(orders[3], orders[4], "two seeds, two orders");
}

/// With a correct driver, the guest's writes are in the overlay, and the image does not change.
#[test]
fn a_disk_and_the_user_network() {
    let dir = Dir::new();
    let content = disk(&dir);
    let options = ["--drive", "file=disk.raw,format=raw", "--netdev", "user"];
    let text = round(&dir, "x.rr", "virtio", &options);
    for wanted in [
        "disk: sector 1 holds what was written",
        "bytes from 52 55 0a 00 02 02",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    assert!(dir.read("disk.raw") == content);
    // A run that is not recorded writes to the image itself.
    let kernel = sample("virtio");
    let run = ["run", "--kernel", &kernel];
    let ran = dir.rr(&[&run[..], &options].concat()).code(0);
    assert_eq!(ran.text(), text);
    let found = dir.read("disk.raw");
    let sum = |at: usize| content[at].wrapping_add(at as u8);
    assert!(
        found[512..1024]
            .iter()
            .zip(0..)
            .all(|(byte, at)| *byte == sum(at))
    );
    assert!(found[..512] == content[..512] && found[1024..] == content[1024..]);
}

/// The peer of `--netdev unix:`: reads frames up to an ARP request, and answers it.
fn answer(mut peer: UnixStream, mac: [u8; 6]) {
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut length = [0; 4];
    peer.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    peer.read_exact(&mut frame).unwrap();
    // "Who has 10.0.2.2? Tell 10.0.2.15."
    assert_eq!(frame.len(), 60);
    assert_eq!(frame[12..22], [8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    assert_eq!(
        (&frame[28..32], &frame[38..42]),
        (&[10, 0, 2, 15][..], &[10, 0, 2, 2][..])
    );
    let reply = [
        &frame[6..12],
        &mac,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
        &mac,
        &[10, 0, 2, 2],
        &frame[22..32],
    ];
    let reply = reply.concat();
    let prefix = (reply.len() as u32).to_be_bytes();
    peer.write_all(&[&prefix[..], &reply].concat()).unwrap();
    // Reads until the guest has ended.
    let _ = peer.read_to_end(&mut frame);
}

/// Over a socket, as server and as client. The replay needs no peer.
#[test]
fn a_network_over_a_unix_socket() {
    for (server, mac) in [(false, [2, 4, 6, 8, 10, 12]), (true, [2, 1, 1, 1, 1, 1])] {
        let dir = Dir::new();
        let kernel = sample("virtio");
        let netdev = if server {
            "unix:net,server"
        } else {
            "unix:net"
        };
        let record = [
            "record", "--kernel", &kernel, "-o", "x.rr", "--netdev", netdev,
        ];
        let listener = (!server).then(|| UnixListener::bind(dir.path("net")).unwrap());
        let running = dir.start(&record);
        let peer = match &listener {
            Some(listener) => listener.accept().unwrap().0,
            None => {
                let mut peer = None;
                eventually("the socket", || {
                    peer = UnixStream::connect(dir.path("net")).ok();
                    peer.is_some()
                });
                peer.unwrap()
            }
        };
        answer(peer, mac);
        let recorded = running.ran().code(0);
        drop(listener);
        let _ = std::fs::remove_file(dir.path("net"));
        let mac = mac.map(|byte| format!(" {byte:02x}")).concat();
        let wanted = format!("network: 42 bytes from{mac}, checksum ");
        assert!(recorded.text().contains(&wanted), "{}", recorded.text());
        dir.check_replay("x.rr", &recorded);
        assert!(!dir.path("net").exists());
    }
}

/// A driver that breaks the rules breaks its device, and the user is told. The image does not
/// change.
#[test]
fn broken_queues() {
    let dir = Dir::new();
    let content = disk(&dir);
    let options = ["--drive", "file=disk.raw,format=raw", "--netdev", "user"];
    let text = round(&dir, "x.rr", "virtio_bad", &options);
    assert!(
        text.contains("3 devices, 17 rules each, 0 failures"),
        "{text}"
    );
    assert!(dir.read("disk.raw") == content);
    assert!(dir.path("x.rr/overlay-drive0.qcow2").exists());
    let kernel = sample("virtio_bad");
    let run = ["run", "--kernel", &kernel];
    let ran = dir.rr(&[&run[..], &options].concat()).code(0);
    let note = "the guest broke the virtio device in slot 0, 17 times";
    assert!(ran.err.contains(note), "{}", ran.err);
}

#[test]
fn changed_and_missing_disks() {
    let dir = Dir::new();
    let mut content = disk(&dir);
    let kernel = sample("hello");
    let record = [
        "-q",
        "record",
        "--kernel",
        &kernel,
        "-o",
        "x.rr",
        "--overwrite",
    ];
    let record = [
        &record[..],
        &["--drive", "file=disk.raw,format=raw,id=root"],
    ]
    .concat();
    dir.rr(&record).code(0);
    // Recorded again in the same place: the old overlay is replaced, too.
    dir.rr(&record).code(0);
    assert!(dir.path("x.rr/overlay-root.qcow2").exists());
    content[4097] ^= 1;
    dir.write("disk.raw", &content);
    let error = dir.rr(&["replay", "x.rr"]).code(2).error(&dir);
    assert!(
        error.starts_with("DIR/disk.raw: drive 0 changed since the recording: its BLAKE3 was "),
        "{error}"
    );
    dir.rr(&["-q", "replay", "x.rr", "--allow-changed-images"])
        .code(0);
    std::fs::remove_file(dir.path("disk.raw")).unwrap();
    let error = dir.rr(&["replay", "x.rr"]).code(2).error(&dir);
    assert!(error.starts_with("DIR/disk.raw: "), "{error}");
    // A disk that has moved may lie in the recording's folder.
    content[4097] ^= 1;
    dir.write("x.rr/disk.raw", &content);
    dir.rr(&["verify", "x.rr"]).code(0);
}

/// If a port is in use, nothing is left behind.
#[test]
fn a_network_that_cannot_be_opened() {
    let dir = Dir::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let netdev = format!("user,hostfwd=tcp:127.0.0.1:{port}-:22");
    let kernel = sample("hello");
    let record = [
        "record", "--kernel", &kernel, "-o", "x.rr", "--netdev", &netdev,
    ];
    let error = dir.rr(&record).code(2).error(&dir);
    assert!(error.contains(&port.to_string()), "{error}");
    assert!(!dir.path("x.rr").exists());
}

#[test]
fn options_that_make_no_sense() {
    let dir = Dir::new();
    disk(&dir);
    let kernel = sample("hello");
    for (options, wanted) in [
        (&["--smp", "9"][..], "--smp: 9 harts; expected 1 to 8"),
        (&["--drive", "disk.raw"], "--drive"),
        (&["--drive", "file=none.raw"], "DIR/none.raw: no such file"),
        (&["--drive", "file=.,format=raw"], "DIR"),
        (&["--netdev", "tap"], "--netdev"),
        (&["--netdev", "user,hostfwd=tcp:1"], "--netdev"),
        (
            &[
                "--drive",
                "file=disk.raw,format=raw,id=a",
                "--drive",
                "file=disk.raw,format=raw,id=a",
            ],
            "--drive: two drives have the name `a`",
        ),
    ] {
        let record = ["record", "--kernel", &kernel, "-o", "x.rr"];
        let error = dir.rr(&[&record[..], options].concat()).code(2).error(&dir);
        assert!(error.starts_with(wanted), "{options:?}: {error}");
        assert!(!dir.path("x.rr").exists(), "{options:?}");
    }
}
