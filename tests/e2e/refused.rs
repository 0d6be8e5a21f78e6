//! Recordings with a changed file are refused. The messages stand here in full.

use crate::errors::prepared;
use crate::harness::sample;
use std::fs;

/// A file of the recording is changed: replay and verify refuse it before the first instruction.
#[test]
fn damaged_recordings() {
    let dir = prepared();
    let kernel = dir.read("hello.elf");
    let manifest = String::from_utf8(dir.read("ok.rr/machine.json")).unwrap();
    let v12 = {
        let path = sample("logs/xv6-ft-q10.bin.gz");
        let mut log = Vec::new();
        let mut unpacked = flate2::read::GzDecoder::new(fs::File::open(path).unwrap());
        std::io::Read::read_to_end(&mut unpacked, &mut log).unwrap();
        log
    };
    let with = |from: &str, to: &str| {
        let changed = manifest.replace(from, to);
        assert_ne!(changed, manifest, "{from}");
        Some(changed.into_bytes())
    };
    let mut grown = kernel.clone();
    grown.push(0);
    let mut changed = kernel.clone();
    changed[0x1800] ^= 1;
    let table: [(&str, Option<Vec<u8>>, &str); 17] = [
        (
            "ok.rr/replay.bin",
            None,
            "ok.rr/replay.bin: no such file; check the name",
        ),
        (
            "ok.rr/digests.bin",
            None,
            "ok.rr/digests.bin: no such file; check the name",
        ),
        (
            "ok.rr/machine.json",
            None,
            "ok.rr: is not a recording: it has no machine.json",
        ),
        (
            "hello.elf",
            None,
            "DIR/hello.elf: the kernel is missing; put it back, or copy it to ok.rr/hello.elf",
        ),
        (
            "hello.elf",
            Some(grown),
            "DIR/hello.elf: kernel changed since the recording: its size was 43016, is 43017; \
             restore it, or pass --allow-changed-images to replay regardless",
        ),
        (
            "hello.elf",
            Some(changed),
            "DIR/hello.elf: kernel changed since the recording: its BLAKE3 was \
             b1fe10b598971d21b5bbf3a9a66e23c2fd9ae8e7f1c39923156e5217f6c6332e, is ...; restore it, \
             or pass --allow-changed-images to replay regardless",
        ),
        (
            "ok.rr/replay.bin",
            Some(Vec::new()),
            "ok.rr/replay.bin: truncated inside the header: 0 of 12 bytes; nothing was recorded \
             yet",
        ),
        (
            "ok.rr/replay.bin",
            Some(b"text, not a log".to_vec()),
            "ok.rr/replay.bin: not a record/replay log: it begins with 74 65 78 74, and a log with \
             00 e0 20 and its version",
        ),
        (
            "ok.rr/replay.bin",
            Some(v12),
            "ok.rr/replay.bin: is a log of version 12, QEMU 7.2 to 10.x, and recordings of rr hold \
             version 7; it is of another program: restore it from a copy",
        ),
        (
            "ok.rr/replay.bin",
            Some(fs::read(sample("logs/v7-serial.bin")).unwrap()),
            "ok.rr/replay.bin: ...",
        ),
        (
            "ok.rr/digests.bin",
            Some(b"text, and too long for a header".to_vec()),
            "ok.rr/digests.bin: is not a file of state digests; the recording is damaged",
        ),
        (
            "ok.rr/digests.bin",
            Some(b"rr-digst\0\0\0\x09\0\0\0\0".to_vec()),
            "ok.rr/digests.bin: digest format 9; this rr reads 1: use the rr that recorded it",
        ),
        (
            "ok.rr/machine.json",
            Some(Vec::new()),
            "ok.rr/machine.json: is damaged: EOF while parsing a value at line 1 column 0; restore \
             it from a copy",
        ),
        (
            "ok.rr/machine.json",
            with("\"format\": 3", "\"format\": 1"),
            "ok.rr/machine.json: format 1; this rr 0.1.0 reads 3: use the rr that recorded it",
        ),
        (
            "ok.rr/machine.json",
            with("\"memory\": 134217728", "\"memory\": 1"),
            "ok.rr/machine.json: -m: 1 bytes are too few; at least 1M",
        ),
        (
            "ok.rr/machine.json",
            with("\"shift\": 2", "\"shift\": 200"),
            "ok.rr/machine.json: --icount: shift=200: expected a number from 0 to 10",
        ),
        (
            "ok.rr/machine.json",
            with("\"rng_seed\": \"", "\"rng_seed\": \"x"),
            "ok.rr/machine.json: rng_seed: is not 64 hexadecimal digits",
        ),
    ];
    for (file, content, message) in table {
        let before = dir.read(file);
        match content {
            Some(bytes) => dir.write(file, bytes),
            None => fs::remove_file(dir.path(file)).unwrap(),
        }
        for command in ["replay", "verify"] {
            let ran = dir.rr(&[command, "ok.rr"]);
            assert_eq!(ran.code, 2, "{file}: {}", ran.err);
            assert_eq!(ran.text(), "", "{file}: {message}");
            let error = ran.error(&dir);
            let (begins, ends) = message.split_once("...").unwrap_or((message, ""));
            let fits = error.starts_with(begins) && error.ends_with(ends);
            assert!(
                fits && (error == message || message.contains("...")),
                "{error}\n{message}"
            );
        }
        dir.write(file, before);
    }
    dir.rr(&["verify", "ok.rr"]).code(0);
}
