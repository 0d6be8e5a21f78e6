//! The messages of errors: one line that names the thing and says what to do, and exit status 2.
//! Nothing is lost or left behind. The messages stand here in full, so that a change of their
//! wording is seen.

use crate::harness::{Dir, sample};
use std::fs;
use std::os::unix::net::UnixListener;

/// A folder with a kernel, a recording of it, and files that are no kernels.
pub(crate) fn prepared() -> Dir {
    let dir = Dir::new();
    fs::copy(sample("hello"), dir.path("hello.elf")).unwrap();
    let args = ["record", "--kernel", "hello.elf", "-o", "ok.rr"];
    dir.rr(&args).code(0);
    dir.write("text", "not a kernel\n");
    dir.write("packed", b"\x1f\x8b\x08\x00 and so on");
    let mut foreign = dir.read("hello.elf");
    foreign[18] = 62;
    dir.write("foreign", foreign);
    dir.write("short", &dir.read("hello.elf")[..100]);
    dir.write("empty", "");
    dir.write("big", vec![0; 2 << 20]);
    fs::create_dir(dir.path("folder")).unwrap();
    dir
}

/// Checks that the command fails with this message, and creates nothing.
fn check(dir: &Dir, args: &[&str], message: &str) {
    let ran = dir.rr(args);
    assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
    assert_eq!(ran.error(dir), message, "{args:?}");
    assert_eq!(ran.text(), "", "{args:?}");
    assert!(!dir.path("x.rr").exists(), "{args:?} left a recording");
}

#[test]
fn images() {
    let dir = prepared();
    let kernel = |file: &str, message: &str| {
        let args = ["record", "-o", "x.rr", "--kernel", file];
        check(&dir, &args, message);
    };
    kernel("nope", "nope: no such file; check the name");
    kernel("folder", "folder: is a directory; name a file in it");
    kernel(
        "text",
        "the kernel (--kernel) is text; give an ELF file, a Linux Image or a flat binary",
    );
    kernel(
        "packed",
        "the kernel (--kernel) is gzip data; unpack it first, with gunzip",
    );
    kernel(
        "foreign",
        "the kernel (--kernel) is an ELF file for x86-64 (e_machine 62); give one for \
         64-bit RISC-V (243)",
    );
    kernel(
        "short",
        "the kernel (--kernel) is a damaged ELF file: Invalid ELF program header size or \
         alignment; copy or build it again",
    );
    kernel(
        "empty",
        "the kernel (--kernel) is empty; check how it was built or copied",
    );
    kernel(
        "/dev/null",
        "/dev/null: not a regular file; write it to one first, and name that",
    );
    let hello = |option: &str, value: &str, message: &str| {
        let args = [
            "record",
            "-o",
            "x.rr",
            "--kernel",
            "hello.elf",
            option,
            value,
        ];
        check(&dir, &args, message);
    };
    hello("--bios", "nope", "nope: no such file; check the name");
    hello("--initrd", "nope", "nope: no such file; check the name");
    hello(
        "--initrd",
        "folder",
        "folder: is a directory; name a file in it",
    );
    let nothing = "--kernel: nothing to run; name a kernel, or firmware with --bios";
    check(&dir, &["run"], nothing);
    check(&dir, &["record", "-o", "x.rr"], nothing);
}

#[test]
fn options() {
    let dir = prepared();
    let option = |option: &str, value: &str, message: &str| {
        let args = [
            "record",
            "-o",
            "x.rr",
            "--kernel",
            "hello.elf",
            option,
            value,
        ];
        check(&dir, &args, message);
    };
    option("-m", "0", "-m: 0 bytes are too few; at least 1M");
    option("-m", "512K", "-m: 524288 bytes are too few; at least 1M");
    option(
        "-m",
        "lots",
        "--memory: `lots`: expected a size such as 256M or 1G",
    );
    option(
        "-m",
        "99999999999T",
        "--memory: `99999999999T`: more than 64 bits can address",
    );
    option(
        "--icount",
        "shift=11",
        "--icount: shift=11: expected a number from 0 to 10",
    );
    option(
        "--icount",
        "shift=-1",
        "--icount: shift=-1: expected a number from 0 to 10",
    );
    option(
        "--icount",
        "shift=auto",
        "--icount: shift=auto follows the host's speed and cannot be replayed; give a number \
         from 0 to 10",
    );
    option(
        "--icount",
        "sleep=maybe",
        "--icount: `sleep=maybe`: expected shift=N and sleep=on|off",
    );
    option(
        "--icount",
        "shift=2,align=on",
        "--icount: `shift=2,align=on`: `align=on`: expected shift=N and sleep=on|off",
    );
    let backends =
        "expected stdio, null, pty, file:PATH, unix:PATH or unix:PATH,server=on[,wait=off]";
    option(
        "--serial",
        "tcp:1",
        &format!("--serial: `tcp:1`: {backends}"),
    );
    option("--serial", "file:", &format!("--serial: {backends}"));
    option(
        "--serial",
        "unix:p,what",
        "--serial: `unix:p,what`: unix: `what`: expected unix:PATH,server=on[,wait=off]",
    );
    option(
        "--serial",
        "unix:p,wait=off",
        "--serial: `unix:p,wait=off`: unix: only a server can wait for a client: expected \
         unix:PATH,server=on[,wait=off]",
    );
    option(
        "--serial",
        "file:nope/f",
        "nope/f: cannot write the serial output: No such file or directory; does its folder exist?",
    );
    option(
        "--serial",
        "file:folder",
        "folder: cannot write the serial output: Is a directory; name a file",
    );
    option(
        "--serial",
        "unix:nope",
        "--serial unix:nope: No such file or directory; start what listens there first, or wait \
         for it with unix:PATH,server=on",
    );
    option(
        "--qmp",
        "unix:/no/such/folder/s",
        "--qmp unix:/no/such/folder/s: No such file or directory; does its folder exist?",
    );
    let _listens = UnixListener::bind(dir.path("taken")).unwrap();
    option(
        "--qmp",
        "unix:taken",
        "--qmp unix:taken: Address already in use; another program listens there: end it, or \
         choose another place",
    );
    option(
        "--digest-every",
        "0",
        "--digest-every: 0 is not in 1..18446744073709551615",
    );
    // These messages depend on the host.
    let with_memory = |memory: &str, more: &[&str]| {
        let args = [
            "record",
            "-o",
            "x.rr",
            "--kernel",
            "hello.elf",
            "-m",
            memory,
        ];
        let ran = dir.rr(&[&args, more].concat()).code(2);
        assert!(!dir.path("x.rr").exists());
        ran.error(&dir)
    };
    let error = with_memory("100T", &[]);
    assert!(
        error.starts_with("-m: 104857600M is more than this host has ("),
        "{error}"
    );
    let error = with_memory("1M", &["--initrd", "big"]);
    assert!(
        error.contains("RAM") && error.ends_with("would suffice"),
        "{error}"
    );
}

#[test]
fn places_for_recordings() {
    let dir = prepared();
    fs::write(dir.path("console"), "precious").unwrap();
    let before = dir.read("ok.rr/replay.bin");
    let record = |rec: &str, message: &str| {
        let args = [
            "record",
            "--kernel",
            "hello.elf",
            "--serial",
            "file:console",
            "-o",
            rec,
        ];
        check(&dir, &args, message);
    };
    record(
        "ok.rr",
        "ok.rr: already exists; choose another name, or pass --overwrite",
    );
    record(
        "folder",
        "folder: already exists; choose another name, or pass --overwrite",
    );
    dir.write("folder/diary", "");
    record(
        "folder",
        "folder: already exists and is no recording; choose another name",
    );
    record(
        "text",
        "text: already exists and is no recording; choose another name",
    );
    assert_eq!(
        dir.read("console"),
        b"precious",
        "emptied by a recording that was refused"
    );
    record(
        "nope/x.rr",
        "nope/x.rr: cannot create the recording: No such file or directory; does its folder exist?",
    );
    record(
        "text/x.rr",
        "text/x.rr: cannot create the recording: Not a directory; a part of the path is a file",
    );
    record(
        "/proc/x.rr",
        "/proc/x.rr: cannot create the recording: No such file or directory; does its folder \
         exist?",
    );
    assert_eq!(dir.read("ok.rr/replay.bin"), before);
    assert_eq!(dir.read("text"), b"not a kernel\n");
    // A recording may be replaced with --overwrite.
    let overwrite = [
        "record",
        "--kernel",
        "hello.elf",
        "-o",
        "ok.rr",
        "--overwrite",
    ];
    let recorded = dir.rr(&overwrite).code(0);
    dir.check_replay("ok.rr", &recorded);
}

#[test]
fn unwritable_folder() {
    use std::os::unix::fs::PermissionsExt;
    let dir = prepared();
    fs::set_permissions(dir.path("folder"), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(dir.path("folder/probe"), "").is_ok() {
        eprintln!("skipped: permissions do not bind this user");
        return;
    }
    let args = ["record", "--kernel", "hello.elf", "-o", "folder/x.rr"];
    let message =
        "folder/x.rr: cannot create the recording: Permission denied; check its permissions";
    check(&dir, &args, message);
}

#[test]
fn recordings_that_are_none() {
    let dir = prepared();
    for command in ["replay", "verify"] {
        let check = |rec: &str, message: &str| check(&dir, &[command, rec], message);
        check("nope.rr", "nope.rr: no such recording; check the name");
        check(
            "folder",
            "folder: is not a recording: it has no machine.json",
        );
    }
    let message = "text: is not a recording: a recording is a directory NAME.rr";
    check(&dir, &["replay", "text"], message);
}

/// A full disk: the recording replays as far as it was written, and the message says so.
#[test]
fn full_disk() {
    for (kilobytes, guest, append) in [
        (4, "traps", ""),
        (4, "clock", "n=200 ms=1"),
        (1, "mix", "n=2"),
    ] {
        let dir = Dir::new();
        // At a file's size limit a write gives EFBIG, where a full disk gives ENOSPC.
        let script = format!(
            "trap '' XFSZ; ulimit -f {kilobytes}; exec rr record --kernel {} \
             --append '{append}' --digest-every 1000 -o x.rr",
            sample(guest)
        );
        let ran = dir.shell(&script).code(2);
        let error = ran.error(&dir);
        let file = error.split(": ").next().unwrap_or_default();
        assert!(
            ["x.rr/replay.bin", "x.rr/digests.bin"].contains(&file),
            "{error}"
        );
        assert!(
            error.ends_with("File too large; make room and record again"),
            "{error}"
        );
        let replayed = dir.rr(&["replay", "x.rr"]).code(0);
        assert!(ran.text().starts_with(&replayed.text()));
        assert!(
            replayed.err.contains("the recording was cut off here"),
            "{}",
            replayed.err
        );
        dir.rr(&["verify", "x.rr"]).code(4);
    }
}

/// A disk without any room: nothing is left behind.
#[test]
fn full_from_the_start() {
    let dir = Dir::new();
    let kernel = sample("hello");
    let ran = dir.shell(&format!(
        "trap '' XFSZ; ulimit -f 0; exec rr record --kernel {kernel} -o x.rr"
    ));
    let error = ran.code(2).error(&dir);
    assert!(
        error.starts_with("x.rr/") && error.ends_with("make room and record again"),
        "{error}"
    );
    assert!(!dir.path("x.rr").exists());
}

/// The console's file is on a full disk: the user is told, and the recording is complete.
#[test]
fn console_on_a_full_disk() {
    let dir = Dir::new();
    let kernel = sample("hello");
    let args = [
        "-q",
        "record",
        "--kernel",
        &kernel,
        "--serial",
        "file:/dev/full",
        "-o",
        "x.rr",
    ];
    let error = dir.rr(&args).code(2).error(&dir);
    assert!(
        error.starts_with("serial output was lost: No space left on device"),
        "{error}"
    );
    dir.rr(&["verify", "x.rr"]).code(0);
}
