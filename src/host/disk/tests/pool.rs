//! Requests on threads.

use super::*;
use crate::host::disk::{DiskError, DiskPool, IoErrors};
use machine::inputs::{BlockOp, BlockRequest, BlockResult};
use std::sync::mpsc::{Receiver, channel};

type Result = (u8, u64, BlockResult);

fn recording(disks: Vec<Disk>) -> (DiskPool, Receiver<Result>) {
    let (sender, results) = channel();
    let done = move |drive, id, result| drop(sender.send((drive, id, result)));
    (DiskPool::record(disks, Box::new(done)).unwrap(), results)
}

fn request(drive: u8, id: u64, op: BlockOp) -> BlockRequest {
    BlockRequest { drive, id, op }
}

/// Writes that overlap, each followed by a read of the whole range.
fn overlapping(drive: u8) -> Vec<BlockRequest> {
    let mut requests = Vec::new();
    for step in 0..40u64 {
        let id = 1000 * u64::from(drive) + 2 * step;
        let (offset, data) = (step % 7 * 512, pattern(step as u8, 9 * 512));
        requests.push(request(drive, id, BlockOp::Write { offset, data }));
        let (offset, len) = (0, 16 * 512);
        requests.push(request(drive, id + 1, BlockOp::Read { offset, len }));
    }
    requests
}

#[test]
fn record_and_replay_see_the_same() {
    let folder = folder();
    let image = image(&folder, 100 * 512);
    let overlays = [0, 1].map(|drive| folder.path().join(format!("overlay-{drive}.qcow2")));
    let open = |overlay: &PathBuf| opened(&raw(&image), Writes::Overlay(overlay));
    let (pool, results) = recording(overlays.iter().map(open).collect());
    let requests: Vec<_> = overlapping(0).into_iter().chain(overlapping(1)).collect();
    for request in &requests {
        pool.submit(request.clone()).unwrap();
    }
    pool.wait_idle();
    let digests = [0, 1].map(|drive| pool.content_digest(drive).unwrap());
    assert!(pool.io_errors().is_empty());
    for disk in pool.finish().unwrap() {
        disk.close().unwrap();
    }
    let recorded: Vec<Result> = results.iter().collect();
    assert_eq!(recorded.len(), requests.len());
    for drive in [0, 1] {
        let order = recorded.iter().filter(|result| result.0 == drive);
        assert!(
            order.map(|result| result.1).is_sorted(),
            "a drive's order is the guest's"
        );
    }

    let open = |_| opened(&raw(&image), Writes::Scratch(folder.path()));
    let pool = DiskPool::replay([0, 1].map(open).into(), IoErrors::default()).unwrap();
    for request in &requests {
        pool.submit(request.clone()).unwrap();
    }
    // In reverse order, since the log may hold any order.
    for (_, id, result) in recorded.iter().rev() {
        assert_eq!(&pool.wait_for(*id).unwrap(), result);
    }
    for drive in [0, 1] {
        assert_eq!(
            pool.content_digest(drive).unwrap(),
            digests[usize::from(drive)]
        );
    }
}

#[test]
fn what_was_submitted_is_done_before_the_pool_goes() {
    let folder = folder();
    let image = image(&folder, 100 * 512);
    let overlay = folder.path().join("overlay.qcow2");
    let disk = opened(&raw(&image), Writes::Overlay(&overlay));
    let (pool, results) = recording(vec![disk]);
    for request in overlapping(0) {
        pool.submit(request).unwrap();
    }
    drop(pool);
    assert_eq!(results.iter().count(), 80);
    qemu_img_accepts(&[&"check", &overlay]);
}

#[test]
fn faults_of_the_caller_are_told() {
    let folder = folder();
    let image = image(&folder, 4096);
    let disk = opened(&raw(&image), Writes::Scratch(folder.path()));
    let pool = DiskPool::replay(vec![disk], IoErrors::default()).unwrap();
    let error = pool.submit(request(1, 1, BlockOp::Flush)).unwrap_err();
    assert!(matches!(error, DiskError::NoDrive { drive: 1, id: 1 }));
    pool.submit(request(0, 2, BlockOp::Flush)).unwrap();
    let error = pool.submit(request(0, 2, BlockOp::Flush)).unwrap_err();
    assert!(matches!(error, DiskError::Operation { id: 2, .. }));
    assert_eq!(pool.wait_for(2).unwrap(), BlockResult::Done(vec![]));
    let error = pool.wait_for(2).unwrap_err();
    assert!(matches!(error, DiskError::Operation { id: 2, .. }));
    // A request out of the disk fails for the guest, the same on any host. So no failure is kept.
    let (offset, len) = (4096, 512);
    pool.submit(request(0, 3, BlockOp::Read { offset, len }))
        .unwrap();
    assert_eq!(pool.wait_for(3).unwrap(), BlockResult::Error);
    assert!(pool.io_errors().is_empty());
}

/// The guest's writes reach the overlay soon, without a flush, so that a killed recording has them.
#[test]
fn an_idle_disk_writes_out_what_it_has() {
    let folder = folder();
    let image = image(&folder, 100 * 512);
    let overlay = folder.path().join("overlay.qcow2");
    let disk = opened(&raw(&image), Writes::Overlay(&overlay));
    let (pool, results) = recording(vec![disk]);
    let (offset, data) = (512, pattern(7, 4096));
    pool.submit(request(0, 1, BlockOp::Write { offset, data }))
        .unwrap();
    results.recv().unwrap();
    let killed = folder.path().join("killed.qcow2");
    let found = (0..50).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        std::fs::copy(&overlay, &killed).unwrap();
        // This copy differs from a closed overlay in nothing but the dirty mark.
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(&killed)
            .unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[0], 79).unwrap();
        let disk = Disk::open(&drive(&killed, None), Writes::Scratch(folder.path()));
        read(&disk.unwrap())[512..4608] == pattern(7, 4096)
    });
    assert!(found, "nothing was written out for five seconds");
    drop(pool);
}
