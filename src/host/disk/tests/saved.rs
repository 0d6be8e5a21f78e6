//! The layers of snapshots.

use super::*;
use crate::host::disk::{Below, merge};
use machine::inputs::BlockOp;
use std::fs;

const SIZE: usize = 20 * 65536 + 1024;

fn zero(disk: &mut Disk, model: &mut [u8], offset: u64, len: u64, unmap: bool) {
    let zeroes = BlockOp::WriteZeroes { offset, len, unmap };
    disk.carry_out(&zeroes).unwrap();
    model[offset as usize..(offset + len) as usize].fill(0);
}

fn put(disk: &mut Disk, model: &mut [u8], offset: usize, seed: u8, len: usize) {
    let data = pattern(seed, len);
    write(disk, offset as u64, &data);
    model[offset..offset + len].copy_from_slice(&data);
}

fn below(name: &str, format: Format) -> Below {
    Below {
        name: name.to_owned(),
        format,
    }
}

/// Reads the disk with these layers on its image.
fn with_layers(image: &Path, layers: &[&PathBuf], folder: &TempDir) -> Vec<u8> {
    let scratch = Writes::Scratch(folder.path());
    let disk = Disk::open_at(&raw(image), layers, scratch).unwrap();
    read(&disk)
}

#[test]
fn layers_hold_what_changed_and_merge_into_one() {
    let folder = folder();
    let image = image(&folder, SIZE);
    let overlay = folder.path().join("overlay.qcow2");
    let [a, b, merged] = ["a", "b", "merged"].map(|name| folder.path().join(name));
    let mut model = fs::read(&image).unwrap();
    let mut disk = opened(&raw(&image), Writes::Overlay(&overlay));

    put(&mut disk, &mut model, 3 * 65536 + 512, 1, 4096);
    put(&mut disk, &mut model, 10 * 65536, 2, 65536);
    zero(&mut disk, &mut model, 65536, 65536, true);
    put(&mut disk, &mut model, SIZE - 512, 3, 512);
    let on_image = below(image.to_str().unwrap(), Format::Raw);
    disk.save(&a, &on_image).unwrap();
    disk.saved();
    let at_a = model.clone();

    put(&mut disk, &mut model, 10 * 65536 + 1024, 4, 512);
    put(&mut disk, &mut model, 12 * 65536, 5, 2 * 65536);
    zero(&mut disk, &mut model, 3 * 65536, 65536, false);
    zero(&mut disk, &mut model, 15 * 65536, 3 * 65536, true);
    disk.save(&b, &below("a", Format::Qcow2)).unwrap();
    let at_b = model.clone();

    assert!(with_layers(&image, &[&a], &folder) == at_a);
    assert!(with_layers(&image, &[&a, &b], &folder) == at_b);
    merge(&b, &a, &merged, &on_image).unwrap();
    assert!(with_layers(&image, &[&merged], &folder) == at_b);

    // Only the changed clusters: two, four with the last write, and qcow2's own structures.
    assert!(fs::metadata(&a).unwrap().len() < 9 * 65536);
    for (layer, content) in [(&a, &at_a), (&b, &at_b), (&merged, &at_b)] {
        if qemu_img_accepts(&[&"check", layer]).is_some() {
            let out = folder.path().join("converted.raw");
            qemu_img_accepts(&[&"convert", &"-O", &"raw", layer, &out]);
            assert!(fs::read(&out).unwrap() == *content, "{}", layer.display());
        }
    }
}

#[test]
fn a_layer_that_is_forgotten_has_changed_again() {
    let folder = folder();
    let image = image(&folder, SIZE);
    let overlay = folder.path().join("overlay.qcow2");
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    let mut model = fs::read(&image).unwrap();
    let mut disk = opened(&raw(&image), Writes::Overlay(&overlay));
    let on_image = below(image.to_str().unwrap(), Format::Raw);
    put(&mut disk, &mut model, 65536, 1, 100 * 512);
    zero(&mut disk, &mut model, 4 * 65536, 65536, true);
    disk.save(&a, &on_image).unwrap();
    disk.saved();
    put(&mut disk, &mut model, 8 * 65536, 2, 512);
    disk.forget(&a).unwrap();
    disk.save(&b, &on_image).unwrap();
    assert!(with_layers(&image, &[&b], &folder) == model);
}

#[test]
fn a_recording_goes_on_from_a_snapshot() {
    let folder = folder();
    let image = image(&folder, SIZE);
    let [overlay, a, next] = ["overlay.qcow2", "a", "next.qcow2"].map(|n| folder.path().join(n));
    let mut model = fs::read(&image).unwrap();
    let mut disk = opened(&raw(&image), Writes::Overlay(&overlay));
    put(&mut disk, &mut model, 70_144, 1, 512);
    zero(&mut disk, &mut model, 4 * 65536, 65536, true);
    let on_image = below(image.to_str().unwrap(), Format::Raw);
    disk.save(&a, &on_image).unwrap();
    let at_a = model.clone();
    put(&mut disk, &mut model, 9 * 65536, 2, 512);
    disk.close().unwrap();
    let disk = Disk::open_at(&raw(&image), &[&a], Writes::Overlay(&next)).unwrap();
    assert!(read(&disk) == at_a);
    disk.close().unwrap();
    // The overlay names the image alone.
    if let Some(info) = qemu_img_accepts(&[&"info", &next]) {
        assert!(
            info.contains(&format!("backing file: {}", image.display())),
            "{info}"
        );
        qemu_img_accepts(&[&"check", &next]);
    }
}
