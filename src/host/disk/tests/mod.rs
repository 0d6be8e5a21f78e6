//! Tests of disks on real files. `qemu-img` checks the images where it is installed.

mod failures;
mod lower;
mod model;
mod opening;
mod overlays;
mod pool;
mod saved;
mod words;

use super::{Disk, DiskError, DriveOptions, Format, Writes};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Runs `qemu-img`. Returns its output, and whether it succeeded; `None` where it is not installed.
/// Then the test is skipped, or fails with RR_REQUIRE_TOOLS=1.
fn qemu_img(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Option<(bool, String)> {
    let output = Command::new("qemu-img").args(args).output();
    match output {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            Some((output.status.success(), text))
        }
        Err(error) => {
            assert!(
                std::env::var("RR_REQUIRE_TOOLS").as_deref() != Ok("1"),
                "RR_REQUIRE_TOOLS=1, but qemu-img cannot be started: {error}; install qemu-utils"
            );
            eprintln!("skipped: qemu-img cannot be started ({error}); install qemu-utils");
            None
        }
    }
}

/// Asserts that `qemu-img` succeeds, where it is installed.
fn qemu_img_accepts(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Option<String> {
    let (fine, text) = qemu_img(args)?;
    assert!(fine, "{text}");
    Some(text)
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn drive(file: &Path, format: Option<Format>) -> DriveOptions {
    DriveOptions {
        file: file.to_owned(),
        format,
        id: None,
        readonly: false,
    }
}

fn raw(file: &Path) -> DriveOptions {
    drive(file, Some(Format::Raw))
}

/// Bytes that differ from their neighbours, and from the bytes of another seed.
fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at as u64 * 251 + at as u64 / 509 + u64::from(seed)) as u8 | 1)
        .collect()
}

/// A raw image with [`pattern`] in it.
fn image(folder: &TempDir, len: usize) -> PathBuf {
    let path = folder.path().join("disk.raw");
    std::fs::write(&path, pattern(0, len)).unwrap();
    path
}

/// A qcow2 image of this content, made by rr.
fn qcow2_image(folder: &TempDir, content: &[u8]) -> PathBuf {
    let empty = folder.path().join("empty.raw");
    let file = std::fs::File::create(&empty).unwrap();
    file.set_len(content.len() as u64).unwrap();
    let path = folder.path().join("disk.qcow2");
    let mut disk = opened(&raw(&empty), Writes::Overlay(&path));
    write(&mut disk, 0, content);
    disk.close().unwrap();
    path
}

fn write(disk: &mut Disk, offset: u64, data: &[u8]) {
    let data = data.to_vec();
    disk.carry_out(&machine::inputs::BlockOp::Write { offset, data })
        .unwrap();
}

fn read(disk: &Disk) -> Vec<u8> {
    disk.read(&(0..disk.capacity())).unwrap()
}

/// Opens a disk, and waits for its lock. In a process of many tests the lock may be held for a
/// moment: a child that another test has forked holds a copy of each lock until it executes its
/// program. rr itself forks no process.
fn opened(options: &DriveOptions, writes: Writes<'_>) -> Disk {
    let started = std::time::Instant::now();
    loop {
        match Disk::open(options, writes) {
            Err(DiskError::InUse { .. }) if started.elapsed().as_secs() < 20 => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            result => return result.unwrap(),
        }
    }
}
