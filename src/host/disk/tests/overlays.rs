//! The overlay of a recording.

use super::*;
use machine::inputs::BlockOp;
use std::fs;

/// The content of the overlay as raw bytes, read by `qemu-img`.
fn by_qemu(folder: &TempDir, overlay: &Path) -> Option<Vec<u8>> {
    let out = folder.path().join("converted.raw");
    qemu_img_accepts(&[&"convert", &"-O", &"raw", &overlay, &out])?;
    Some(fs::read(out).unwrap())
}

#[test]
fn the_image_stays_as_it_was() {
    let folder = folder();
    let image = image(&folder, 300_000 / 512 * 512);
    let before = fs::read(&image).unwrap();
    let overlay = folder.path().join("overlay-drive0.qcow2");
    let mut disk = opened(&raw(&image), Writes::Overlay(&overlay));
    let mut model = before.clone();
    let data = pattern(7, 70_144);
    write(&mut disk, 1024, &data);
    model[1024..1024 + data.len()].copy_from_slice(&data);
    let zeroes = BlockOp::WriteZeroes {
        offset: 4096,
        len: 8192,
        unmap: true,
    };
    disk.carry_out(&zeroes).unwrap();
    model[4096..4096 + 8192].fill(0);
    assert!(read(&disk) == model);
    disk.close().unwrap();
    assert!(fs::read(&image).unwrap() == before);

    let Some(_) = qemu_img_accepts(&[&"check", &overlay]) else {
        return;
    };
    assert!(by_qemu(&folder, &overlay).unwrap() == model);
    let chain = qemu_img_accepts(&[&"info", &"--backing-chain", &"--output=json", &overlay]);
    let chain: serde_json::Value = serde_json::from_str(&chain.unwrap()).unwrap();
    assert_eq!(chain[0]["backing-filename"], image.to_str().unwrap());
    assert_eq!(chain[0]["backing-filename-format"], "raw");
    assert_eq!(chain[0]["format-specific"]["data"]["compat"], "1.1");
    assert_eq!(chain[1]["filename"], image.to_str().unwrap());
    // The overlay holds only what was written; the rest stays in the image.
    let size = fs::metadata(&overlay).unwrap().len();
    assert!(size < 8 * 65536, "{size}");
}

#[test]
fn an_image_of_odd_size_ends_in_zeroes() {
    let folder = folder();
    let image = image(&folder, 70_000);
    let overlay = folder.path().join("overlay.qcow2");
    let mut disk = opened(&raw(&image), Writes::Overlay(&overlay));
    assert_eq!(disk.capacity(), 70_144);
    let mut model = pattern(0, 70_000);
    model.resize(70_144, 0);
    assert!(read(&disk) == model);
    let data = pattern(3, 512);
    write(&mut disk, 70_144 - 512, &data);
    model[70_144 - 512..].copy_from_slice(&data);
    assert!(read(&disk) == model);
    disk.close().unwrap();
    assert_eq!(fs::metadata(&image).unwrap().len(), 70_000);
    if qemu_img_accepts(&[&"check", &overlay]).is_some() {
        assert!(by_qemu(&folder, &overlay).unwrap() == model);
    }

    // Without an overlay the image itself grows, at the first write.
    let disk = opened(&raw(&image), Writes::Image);
    assert_eq!(disk.capacity(), 70_144);
    disk.close().unwrap();
    assert_eq!(fs::metadata(&image).unwrap().len(), 70_000);
    let mut disk = opened(&raw(&image), Writes::Image);
    write(&mut disk, 70_144 - 512, &data);
    disk.close().unwrap();
    assert!(fs::read(&image).unwrap() == model);
}

#[test]
fn an_overlay_on_a_chain() {
    let folder = folder();
    let content = pattern(1, 200_704);
    let base = qcow2_image(&folder, &content);
    let middle = folder.path().join("middle.qcow2");
    if qemu_img_accepts(&[
        &"create",
        &"-q",
        &"-f",
        &"qcow2",
        &"-F",
        &"qcow2",
        &"-b",
        &"disk.qcow2",
        &middle,
    ])
    .is_none()
    {
        return;
    }
    let overlay = folder.path().join("overlay.qcow2");
    let options = drive(&middle, Some(Format::Qcow2));
    let mut disk = opened(&options, Writes::Overlay(&overlay));
    let paths: Vec<PathBuf> = disk.paths().map(Path::to_owned).collect();
    assert_eq!(paths, [middle, base, folder.path().join("empty.raw")]);
    let mut model = content;
    let data = pattern(9, 4096);
    write(&mut disk, 65_024, &data);
    model[65_024..65_024 + 4096].copy_from_slice(&data);
    assert!(read(&disk) == model);
    disk.close().unwrap();
    qemu_img_accepts(&[&"check", &overlay]);
    assert!(by_qemu(&folder, &overlay).unwrap() == model);
}

#[test]
fn a_replay_leaves_nothing_behind() {
    let folder = folder();
    let image = image(&folder, 65_536);
    let before = fs::read(&image).unwrap();
    let mut disk = opened(&raw(&image), Writes::Scratch(folder.path()));
    write(&mut disk, 512, &pattern(5, 1024));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    disk.close().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(fs::read(&image).unwrap() == before);
}

#[test]
fn what_is_there_is_not_overwritten() {
    let folder = folder();
    let image = image(&folder, 4096);
    let overlay = folder.path().join("overlay.qcow2");
    fs::write(&overlay, "precious").unwrap();
    let error = Disk::open(&raw(&image), Writes::Overlay(&overlay)).unwrap_err();
    assert!(
        error.to_string().contains("cannot create the overlay"),
        "{error}"
    );
    assert_eq!(fs::read(&overlay).unwrap(), b"precious");
}

/// `kill -9` loses the data that the disk had in memory only. The overlay is marked dirty, and can
/// be repaired.
#[test]
fn a_killed_recording_leaves_an_overlay_that_is_repaired() {
    const HALF: usize = 512 << 10;
    let folder = folder();
    let image = image(&folder, 2 * HALF);
    for flush in [false, true] {
        let overlay = folder.path().join(format!("killed-{flush}.qcow2"));
        let mut disk = opened(&raw(&image), Writes::Overlay(&overlay));
        let mut model = pattern(0, 2 * HALF);
        for at in 0..8 {
            let (from, data) = (at * 50_176, pattern(at as u8, 9_216));
            write(&mut disk, from as u64, &data);
            model[from..from + data.len()].copy_from_slice(&data);
        }
        if flush {
            disk.carry_out(&BlockOp::Flush).unwrap();
        }
        for at in 0..4 {
            write(
                &mut disk,
                (HALF + at * 100_352) as u64,
                &pattern(40, 70_144),
            );
        }
        std::mem::forget(disk);
        // QEMU sees that the overlay was not closed. rr refuses it, and its message says what to
        // do.
        let again = Disk::open(&drive(&overlay, None), Writes::Image).unwrap_err();
        assert!(
            again.to_string().contains("qemu-img check -r all"),
            "{again}"
        );
        if qemu_img_accepts(&[&"check", &"-q", &"-r", &"all", &overlay]).is_none() {
            return;
        }
        qemu_img_accepts(&[&"check", &"-q", &overlay]);
        let found = by_qemu(&folder, &overlay).unwrap();
        assert_eq!(found.len(), model.len());
        if flush {
            assert!(
                found[..HALF] == model[..HALF],
                "what the guest flushed is there"
            );
        }
        let again = opened(&drive(&overlay, None), Writes::Image);
        assert!(read(&again) == found);
    }
}
