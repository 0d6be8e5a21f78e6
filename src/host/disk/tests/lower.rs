//! What lies below the overlay of a replay.

use super::*;
use crate::host::disk::Below;
use machine::inputs::BlockOp;

const CLUSTER: usize = 65536;
const SIZE: usize = 12 * CLUSTER + 1024;

/// Numbers in no order, the same each time.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 7u64;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    }
}

/// Does something at a place of no order, to the disk and to its model.
fn change(disk: &mut Disk, model: &mut [u8], next: &mut impl FnMut(usize) -> usize) {
    let at = next(SIZE / 512) * 512;
    let len = ((next(300) + 1) * 512).min(SIZE - at);
    let (offset, size) = (at as u64, len as u64);
    let part = &mut model[at..at + len];
    match next(4) {
        0 => {
            let unmap = next(2) == 0;
            let len = size;
            let op = BlockOp::WriteZeroes { offset, len, unmap };
            disk.carry_out(&op).unwrap();
            part.fill(0);
        }
        1 => {
            // Whole clusters are cleared.
            let op = BlockOp::Discard { offset, len: size };
            disk.carry_out(&op).unwrap();
            let end = match at + len {
                SIZE => SIZE,
                end => end - end % CLUSTER,
            };
            let start = at.next_multiple_of(CLUSTER);
            if start < end {
                model[start..end].fill(0);
            }
        }
        _ => {
            let data = pattern(next(250) as u8, len);
            write(disk, offset, &data);
            part.copy_from_slice(&data);
        }
    }
}

/// More layers than are open at the same time; the guest writes over parts of their clusters; and
/// the folder of the overlay fills up twice.
#[test]
fn layers_and_full_overlays_are_read_as_one_disk() {
    let folder = folder();
    let image = image(&folder, SIZE);
    let mut next = numbers();
    let mut model = std::fs::read(&image).unwrap();
    let overlay = folder.path().join("overlay.qcow2");
    let mut disk = opened(&raw(&image), Writes::Overlay(&overlay));
    let mut layers = Vec::new();
    for number in 0..40 {
        change(&mut disk, &mut model, &mut next);
        let layer = folder.path().join(format!("layer-{number}"));
        let below = Below {
            name: image.to_str().unwrap().to_owned(),
            format: Format::Raw,
        };
        disk.save(&layer, &below).unwrap();
        disk.saved();
        layers.push(layer);
    }
    disk.close().unwrap();
    let scratch = Writes::Scratch(folder.path());
    let mut disk = Disk::open_at(&raw(&image), &layers, scratch).unwrap();
    assert!(read(&disk) == model);
    for step in 0..90 {
        change(&mut disk, &mut model, &mut next);
        assert!(read(&disk) == model, "step {step}");
        if step % 30 == 29 {
            disk.spare = vec![folder.path().to_owned()];
            assert!(disk.move_on());
            assert!(!disk.move_on(), "there was no other folder");
            assert!(read(&disk) == model, "after step {step}");
        }
    }
    // The digest, and a layer that is saved, are of what the guest reads.
    let flat = folder.path().join("flat.raw");
    std::fs::write(&flat, &model).unwrap();
    let other = opened(&raw(&flat), Writes::Scratch(folder.path()));
    assert_eq!(
        disk.content_digest().unwrap(),
        other.content_digest().unwrap()
    );
    let last = folder.path().join("last");
    let below = Below {
        name: "layer-39".to_owned(),
        format: Format::Qcow2,
    };
    disk.save(&last, &below).unwrap();
    drop(disk);
    layers.push(last);
    let scratch = Writes::Scratch(folder.path());
    let disk = Disk::open_at(&raw(&image), &layers, scratch).unwrap();
    assert!(read(&disk) == model);
}

#[test]
fn no_folder_has_room() {
    let missing = folder().path().join("missing");
    let error = super::super::overlay::scratch(&mut vec![missing], 512).unwrap_err();
    assert!(matches!(error, DiskError::Scratch { .. }), "{error}");
}
