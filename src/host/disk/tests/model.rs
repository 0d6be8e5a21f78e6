//! Random requests, compared with a plain vector of bytes.

use super::*;
use crate::host::disk::request::Failure;
use machine::inputs::BlockOp;
use proptest::prelude::*;

/// Bytes of the disk: small, several clusters, and no multiple of a cluster.
const LEN: usize = 5 * 65_536 + 3 * 512;

fn op() -> impl Strategy<Value = BlockOp> {
    let sectors = LEN as u64 / 512;
    let extent = (0..sectors, 1..300u64);
    (0..12u8, extent, any::<u8>(), any::<bool>()).prop_map(move |(kind, (at, len), seed, unmap)| {
        let offset = at * 512;
        // Some requests lead out of the disk.
        let len = if seed == 0 {
            len
        } else {
            len.min(sectors - at)
        } * 512;
        match kind {
            0..=4 => {
                let data = pattern(seed, len as usize);
                BlockOp::Write { offset, data }
            }
            5..=6 => BlockOp::Read {
                offset,
                len: len as u32,
            },
            7 => BlockOp::Flush,
            8..=9 => BlockOp::Discard { offset, len },
            _ => BlockOp::WriteZeroes { offset, len, unmap },
        }
    })
}

/// Carries out a request on the vector; `granule` is the unit that a discard clears, in bytes.
fn on_model(model: &mut [u8], op: &BlockOp, granule: usize) -> Option<Vec<u8>> {
    let whole = model.len();
    match op {
        BlockOp::Read { offset, len } => {
            let from = *offset as usize;
            return model.get(from..from + *len as usize).map(<[u8]>::to_vec);
        }
        BlockOp::Write { offset, data } => {
            let from = *offset as usize;
            model
                .get_mut(from..from + data.len())?
                .copy_from_slice(data);
        }
        BlockOp::Flush => {}
        BlockOp::Discard { offset, len } => {
            let (from, to) = (*offset as usize, (*offset + *len) as usize);
            model.get(from..to)?;
            let from = from.next_multiple_of(granule);
            let to = if to == whole {
                to
            } else {
                to / granule * granule
            };
            if from < to {
                model[from..to].fill(0);
            }
        }
        BlockOp::WriteZeroes { offset, len, .. } => {
            model
                .get_mut(*offset as usize..(*offset + *len) as usize)?
                .fill(0);
        }
    }
    Some(Vec::new())
}

fn compare(disk: &mut Disk, ops: &[BlockOp]) -> Result<Vec<u8>, TestCaseError> {
    let mut model = read(disk);
    for op in ops {
        let before = model.clone();
        let expected = on_model(&mut model, op, disk.granule as usize);
        match (disk.carry_out(op), expected) {
            (Ok(bytes), Some(expected)) => prop_assert!(bytes == expected),
            (Err(Failure::Refused), None) => {}
            (found, expected) => {
                prop_assert!(false, "{found:?}, expected {:?}", expected.is_some());
            }
        }
        let BlockOp::Discard { .. } = op else {
            continue;
        };
        if disk.access.inner().zero_granularity().is_none() {
            // On a raw image the file system decides which sectors a discard clears. Recordings
            // never discard there.
            let now = read(disk);
            for ((now, before), model) in now
                .chunks(512)
                .zip(before.chunks(512))
                .zip(model.chunks_mut(512))
            {
                let gone = model.iter().all(|byte| *byte == 0) && now.iter().all(|byte| *byte == 0);
                prop_assert!(now == before || gone);
                model.copy_from_slice(now);
            }
        }
    }
    prop_assert!(read(disk) == model);
    Ok(model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn on_an_overlay(ops in prop::collection::vec(op(), 1..40), qcow2: bool) {
        let folder = folder();
        let image = match qcow2 {
            true => qcow2_image(&folder, &pattern(0, LEN)),
            false => image(&folder, LEN),
        };
        let before = std::fs::read(&image).unwrap();
        let overlay = folder.path().join("overlay.qcow2");
        let mut disk = opened(&drive(&image, None), Writes::Overlay(&overlay));
        let model = compare(&mut disk, &ops)?;
        let digest = disk.content_digest().unwrap();
        disk.close().unwrap();
        prop_assert!(std::fs::read(&image).unwrap() == before, "the image was changed");

        // The disk has the same content and digest when it is opened again. A plain file with that
        // content has the same digest.
        let again = DriveOptions { readonly: true, ..drive(&overlay, Some(Format::Qcow2)) };
        let again = opened(&again, Writes::Image);
        prop_assert!(read(&again) == model);
        prop_assert_eq!(again.content_digest().unwrap(), digest);
        let plain = folder.path().join("plain.raw");
        std::fs::write(&plain, &model).unwrap();
        let plain = opened(&raw(&plain), Writes::Image);
        prop_assert_eq!(plain.content_digest().unwrap(), digest);
    }

    #[test]
    fn on_the_image_itself(ops in prop::collection::vec(op(), 1..40), qcow2: bool) {
        let folder = folder();
        let image = match qcow2 {
            true => qcow2_image(&folder, &pattern(0, LEN)),
            false => image(&folder, LEN),
        };
        let mut disk = opened(&drive(&image, None), Writes::Image);
        let model = compare(&mut disk, &ops)?;
        disk.close().unwrap();
        if !qcow2 {
            prop_assert!(std::fs::read(&image).unwrap() == model);
        }
    }
}

#[test]
fn qemu_reads_what_was_left_by_random_requests() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    for qcow2 in [false, true, false, true] {
        let folder = folder();
        let content = pattern(0, LEN);
        let image = if qcow2 {
            qcow2_image(&folder, &content)
        } else {
            image(&folder, LEN)
        };
        let ops = prop::collection::vec(op(), 40)
            .new_tree(&mut runner)
            .unwrap();
        let overlay = folder.path().join("overlay.qcow2");
        let mut disk = opened(&drive(&image, None), Writes::Overlay(&overlay));
        let model = compare(&mut disk, &ops.current()).unwrap();
        disk.close().unwrap();
        let plain = folder.path().join("plain.raw");
        std::fs::write(&plain, &model).unwrap();
        let args: [&dyn AsRef<std::ffi::OsStr>; 2] = [&"check", &overlay];
        if qemu_img_accepts(&args).is_none() {
            return;
        }
        qemu_img_accepts(&[&"compare", &"-f", &"qcow2", &"-F", &"raw", &overlay, &plain]);
    }
}

#[test]
fn a_read_only_disk_is_only_read() {
    let folder = folder();
    let path = image(&folder, 4096);
    let options = DriveOptions {
        readonly: true,
        ..raw(&path)
    };
    let overlay = folder.path().join("overlay.qcow2");
    let mut disk = opened(&options, Writes::Overlay(&overlay));
    assert!(
        !overlay.exists(),
        "nothing can be written, so nothing is needed for it"
    );
    let (offset, len, data) = (0, 512, vec![1; 512]);
    let unmap = false;
    for op in [
        BlockOp::Write { offset, data },
        BlockOp::Discard { offset, len },
        BlockOp::WriteZeroes { offset, len, unmap },
    ] {
        assert!(matches!(disk.carry_out(&op), Err(Failure::Refused)));
    }
    disk.carry_out(&BlockOp::Flush).unwrap();
    assert!(read(&disk) == pattern(0, 4096));
    disk.close().unwrap();
}
