//! Images that can be opened, and images that cannot.

use super::*;
use crate::error::chain;
use crate::host::disk::DiskError;
use std::fs;
use std::sync::atomic::AtomicBool;

fn refused(options: &DriveOptions) -> String {
    chain(&Disk::open(options, Writes::Image).unwrap_err())
}

#[test]
fn trouble_is_named() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let missing = refused(&raw(&path("missing.raw")));
    assert!(missing.ends_with(
        "missing.raw: no such file; check the name, or make an image with `qemu-img create`"
    ));
    assert!(refused(&raw(folder.path())).contains("is a directory"));
    assert!(refused(&raw(Path::new("/dev/null"))).contains("is no image"));
    let fifo = path("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert!(refused(&raw(&fifo)).contains("is no image"));
    let plain = image(&folder, 4096);
    let wrong = refused(&drive(&plain, Some(Format::Qcow2)));
    assert!(
        wrong.contains("is no qcow2 image, as format=qcow2 says"),
        "{wrong}"
    );
}

#[test]
fn the_format_is_told_from_the_content_and_said() {
    let folder = folder();
    let plain = image(&folder, 4096);
    let (settled, note) = drive(&plain, None).settle().unwrap();
    assert_eq!(settled, raw(&plain));
    assert!(note.unwrap().contains("taken for raw"));
    let qcow2 = qcow2_image(&folder, &pattern(2, 8192));
    let (settled, note) = drive(&qcow2, None).settle().unwrap();
    assert_eq!(settled.format, Some(Format::Qcow2));
    assert!(note.unwrap().contains("taken for qcow2"));
    let disk = opened(&drive(&qcow2, None), Writes::Image);
    assert!(read(&disk) == pattern(2, 8192));
    assert_eq!(raw(&plain).settle().unwrap().1, None);
    // An image that is declared raw is raw, whatever its content looks like.
    disk.close().unwrap();
    let as_raw = opened(&raw(&qcow2), Writes::Image);
    assert!(read(&as_raw).starts_with(b"QFI\xfb"));
}

/// Changes bytes of a qcow2 image, and returns the error on opening it.
fn spoiled(at: usize, bytes: &[u8]) -> String {
    let folder = folder();
    let path = qcow2_image(&folder, &pattern(2, 8192));
    let mut content = fs::read(&path).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(&path, content).unwrap();
    refused(&drive(&path, None))
}

#[test]
fn features_that_rr_does_not_know_are_refused() {
    let bit = |bit: u32| spoiled(72, &(1u64 << bit).to_be_bytes());
    for (says, said) in [
        ("version 9 of qcow2", spoiled(4, &9u32.to_be_bytes())),
        ("encryption", spoiled(32, &2u32.to_be_bytes())),
        ("internal snapshots", spoiled(60, &1u32.to_be_bytes())),
        ("dirty by a crash", bit(0)),
        ("corrupt", bit(1)),
        ("external data file", bit(2)),
        ("another compression", bit(3)),
        ("subclusters", bit(4)),
        ("unknown features (0x100000)", bit(20)),
        ("damaged qcow2 image", spoiled(20, &40u32.to_be_bytes())),
        ("damaged qcow2 image", spoiled(40, &u64::MAX.to_be_bytes())),
        ("damaged qcow2 image", spoiled(48, &u64::MAX.to_be_bytes())),
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
}

#[test]
fn backing_files_that_cannot_be_used() {
    let folder = folder();
    let path = qcow2_image(&folder, &pattern(2, 8192));
    fs::remove_file(folder.path().join("empty.raw")).unwrap();
    let missing = refused(&drive(&path, None));
    assert!(missing.contains("backing file of "), "{missing}");
    assert!(missing.contains("empty.raw: no such file"), "{missing}");
    for (backing, says) in [
        ("disk.qcow2", "is based on itself"),
        ("nbd:localhost:1", "uses a protocol"),
    ] {
        let format = if backing.starts_with("nbd") {
            "raw"
        } else {
            "qcow2"
        };
        let Some((true, _)) = qemu_img(&[&"rebase", &"-u", &"-F", &format, &"-b", &backing, &path])
        else {
            return;
        };
        let said = refused(&drive(&path, None));
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn an_image_is_written_by_one_alone() {
    let folder = folder();
    let path = image(&folder, 4096);
    let readonly = DriveOptions {
        readonly: true,
        ..raw(&path)
    };
    let writer = opened(&raw(&path), Writes::Image);
    for second in [&raw(&path), &readonly] {
        let error = Disk::open(second, Writes::Image).unwrap_err();
        assert!(matches!(error, DiskError::InUse { .. }), "{error}");
    }
    let recording = Disk::open(&raw(&path), Writes::Scratch(folder.path()));
    assert!(matches!(recording, Err(DiskError::InUse { .. })));
    drop(writer);
    // Any number of readers may open it, recordings among them.
    let reader = opened(&readonly, Writes::Image);
    let recording = opened(&raw(&path), Writes::Scratch(folder.path()));
    let error = Disk::open(&raw(&path), Writes::Image).unwrap_err();
    assert!(matches!(error, DiskError::InUse { .. }), "{error}");
    drop((reader, recording));
    opened(&raw(&path), Writes::Image);
}

#[test]
fn images_are_known_by_size_and_hash() {
    let folder = folder();
    // Data, a hole, data, a hole at the end.
    let path = folder.path().join("sparse.raw");
    let file = fs::File::create(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &pattern(1, 5000), 0).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &pattern(2, 70_000), 3 << 20).unwrap();
    file.set_len(9 << 20).unwrap();
    let disk = opened(&raw(&path), Writes::Scratch(folder.path()));
    let measure = disk.measure().unwrap();
    let found = measure.run(&AtomicBool::new(false)).unwrap().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].path, found[0].size), (&path, 9 << 20));
    let content = fs::read(&path).unwrap();
    let hash = blake3::hash(&content).to_hex().to_string();
    assert_eq!(found[0].blake3, Some(hash));
    // `look` gives the same, without the hash.
    let mut looked = found.clone();
    looked[0].blake3 = None;
    assert_eq!(disk.look().unwrap(), looked);
    assert_eq!(measure.run(&AtomicBool::new(true)).unwrap(), None);
    file.set_len(10 << 20).unwrap();
    let error = measure
        .run(&AtomicBool::new(false))
        .unwrap_err()
        .to_string();
    assert!(error.contains("sparse.raw: was changed while"), "{error}");
}

#[test]
fn a_change_behind_our_back_is_found() {
    let folder = folder();
    let path = image(&folder, 8192);
    let overlay = folder.path().join("overlay.qcow2");
    let mut disk = opened(&raw(&path), Writes::Overlay(&overlay));
    write(&mut disk, 0, &pattern(3, 512));
    disk.check_untouched().unwrap();
    let other = fs::OpenOptions::new().write(true).open(&path).unwrap();
    other.set_len(9000).unwrap();
    let error = disk.check_untouched().unwrap_err().to_string();
    assert!(error.contains("disk.raw: was changed while"), "{error}");
    drop(disk);
    // The disk's own write to the image is no such change.
    let mut disk = opened(&raw(&path), Writes::Image);
    write(&mut disk, 0, &pattern(3, 512));
    disk.check_untouched().unwrap();
}
