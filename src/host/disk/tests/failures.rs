//! Errors of the host: the guest sees them, and a replay causes them again.

use super::*;
use crate::host::disk::{DiskError, DiskPool, Extent, IoError, IoErrors};
use machine::inputs::{BlockOp, BlockRequest, BlockResult};
use std::process::Stdio;
use std::sync::mpsc::channel;

/// Bytes of the image: more than the limited child can write.
const LEN: usize = 4 << 20;
/// Limits of a file's size in the child, in KiB: below the image's size, and at different places of
/// the overlay's structure.
const LIMITS: [u32; 4] = [260, 701, 1500, 2600];
/// Environment variable of the child process: the folder to work in.
const FOLDER: &str = "RR_TEST_FULL_DISK";

/// Writes in many places, some of them zeroes, then reads everything.
fn requests() -> Vec<BlockRequest> {
    let mut requests = Vec::new();
    for step in 0..30u64 {
        let offset = step * 131_072;
        let data = pattern(step as u8, 100_352);
        requests.push(BlockOp::Write { offset, data });
        let unmap = step % 2 == 0;
        let len = 50_176;
        requests.push(BlockOp::WriteZeroes { offset, len, unmap });
        requests.push(BlockOp::Flush);
    }
    for step in 0..8 {
        let len = LEN as u32 / 8;
        let offset = step * u64::from(len);
        requests.push(BlockOp::Read { offset, len });
    }
    let numbered = requests.into_iter().zip(0..);
    numbered
        .map(|(op, id)| BlockRequest { drive: 0, id, op })
        .collect()
}

/// The child process of a test below, in which files may not grow beyond a limit.
#[test]
fn full_disk_child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let overlay = folder.join("overlay.qcow2");
    let disk = opened(&raw(&folder.join("disk.raw")), Writes::Overlay(&overlay));
    let (sender, results) = channel();
    let done = move |_, id, result| drop(sender.send((id, result)));
    let pool = DiskPool::record(vec![disk], Box::new(done)).unwrap();
    for request in requests() {
        pool.submit(request).unwrap();
    }
    pool.wait_idle();
    let digest = pool.content_digest(0).unwrap();
    pool.io_errors().save(&folder.join(IoErrors::FILE)).unwrap();
    drop(pool);
    let mut summary = format!("{}\n", digest.to_hex());
    for (id, result) in results.iter() {
        let result = match result {
            BlockResult::Done(bytes) => blake3::hash(&bytes).to_hex().to_string(),
            BlockResult::Error => "error".to_owned(),
        };
        summary += &format!("{id} {result}\n");
    }
    std::fs::write(folder.join("summary"), summary).unwrap();
}

#[test]
fn a_full_disk_is_an_error_that_is_replayed() {
    LIMITS.into_iter().for_each(replayed_with_limit);
}

fn replayed_with_limit(limit: u32) {
    let folder = folder();
    image(&folder, LEN);
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!(
            "trap '' XFSZ; ulimit -f {limit}; exec \"$0\" full_disk_child --nocapture"
        ))
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let summary = std::fs::read_to_string(folder.path().join("summary")).unwrap();
    let mut lines = summary.lines();
    let digest = lines.next().unwrap();
    assert!(summary.contains(" error"), "the disk was not full");

    let errors = IoErrors::load(&folder.path().join(IoErrors::FILE)).unwrap();
    assert_eq!(errors.iter().count(), summary.matches(" error").count());
    assert!(
        errors
            .iter()
            .all(|error| error.reason.contains("too large")),
        "{errors:?}"
    );
    let image = folder.path().join("disk.raw");
    let disk = opened(&raw(&image), Writes::Scratch(folder.path()));
    let pool = DiskPool::replay(vec![disk], errors).unwrap();
    for request in requests() {
        pool.submit(request).unwrap();
    }
    for line in lines {
        let (id, recorded) = line.split_once(' ').unwrap();
        let found = match pool.wait_for(id.parse().unwrap()).unwrap() {
            BlockResult::Done(bytes) => blake3::hash(&bytes).to_hex().to_string(),
            BlockResult::Error => "error".to_owned(),
        };
        assert_eq!(found, recorded, "operation {id}");
    }
    assert_eq!(pool.content_digest(0).unwrap().to_hex().as_str(), digest);
}

#[test]
fn errors_are_kept_beside_the_log() {
    let folder = folder();
    let path = folder.path().join(IoErrors::FILE);
    assert!(IoErrors::load(&path).unwrap().is_empty());
    let mut errors = IoErrors::default();
    for id in [7, 3] {
        errors.insert(IoError {
            drive: 0,
            id,
            reason: "No space left on device".into(),
            applied: vec![Extent {
                offset: 512,
                len: 512,
            }],
        });
        errors.save(&path).unwrap();
        assert_eq!(IoErrors::load(&path).unwrap(), errors);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    for damage in ["{}", "", "{\"format\":2,\"errors\":[]}"] {
        std::fs::write(&path, damage).unwrap();
        let error = IoErrors::load(&path).unwrap_err();
        assert!(matches!(error, DiskError::Format { .. }), "{error}");
    }
}

#[test]
fn what_a_replay_is_told_to_do_must_belong_to_the_request() {
    let folder = folder();
    let image = image(&folder, 8192);
    for (offset, len) in [(0, 512), (1024, 1025), (u64::MAX, 2)] {
        let mut errors = IoErrors::default();
        errors.insert(IoError {
            drive: 0,
            id: 1,
            reason: String::new(),
            applied: vec![Extent { offset, len }],
        });
        let disk = opened(&raw(&image), Writes::Scratch(folder.path()));
        let pool = DiskPool::replay(vec![disk], errors).unwrap();
        let op = BlockOp::Write {
            offset: 1024,
            data: vec![1; 1024],
        };
        pool.submit(BlockRequest {
            drive: 0,
            id: 1,
            op,
        })
        .unwrap();
        let error = pool.wait_for(1).unwrap_err();
        assert!(matches!(error, DiskError::Replay { id: 1, .. }), "{error}");
    }
}

/// The recording's disk failed and the replay's does not: the recording decides.
#[test]
fn a_failed_read_fails_again() {
    let folder = folder();
    let image = image(&folder, 8192);
    let mut errors = IoErrors::default();
    errors.insert(IoError {
        drive: 0,
        id: 1,
        reason: "Input/output error".into(),
        applied: vec![],
    });
    let disk = opened(&raw(&image), Writes::Scratch(folder.path()));
    let pool = DiskPool::replay(vec![disk], errors).unwrap();
    for id in [1, 2] {
        let op = BlockOp::Read {
            offset: 0,
            len: 512,
        };
        pool.submit(BlockRequest { drive: 0, id, op }).unwrap();
    }
    assert_eq!(pool.wait_for(1).unwrap(), BlockResult::Error);
    assert_eq!(
        pool.wait_for(2).unwrap(),
        BlockResult::Done(pattern(0, 512))
    );
}

/// Environment variable of the child process below: the folder to work in.
const KILLED: &str = "RR_TEST_KILLED_DISK";
/// Bytes between two writes of that process.
const STRIDE: u64 = 12_288;

/// Writes until it is killed, and prints its progress after each flush.
#[test]
fn killed_child() {
    let Some(folder) = std::env::var_os(KILLED).map(PathBuf::from) else {
        return;
    };
    let overlay = folder.join("overlay.qcow2");
    let mut disk = opened(&raw(&folder.join("disk.raw")), Writes::Overlay(&overlay));
    for step in 0..disk.capacity() / STRIDE {
        write(&mut disk, step * STRIDE, &pattern(step as u8, 4096));
        if step % 16 == 15 {
            disk.carry_out(&BlockOp::Flush).unwrap();
            std::fs::write(folder.join("flushed.new"), step.to_string()).unwrap();
            std::fs::rename(folder.join("flushed.new"), folder.join("flushed")).unwrap();
        }
    }
    panic!("nobody has killed this process");
}

#[test]
fn after_kill_9_what_was_flushed_is_there() {
    for wait in [30, 90, 170] {
        let folder = folder();
        let image = std::fs::File::create(folder.path().join("disk.raw")).unwrap();
        image.set_len(8 << 30).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed_child", "--nocapture"])
            .env(KILLED, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !folder.path().join("flushed").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        let overlay = folder.path().join("overlay.qcow2");
        if qemu_img_accepts(&[&"check", &"-q", &"-r", &"all", &overlay]).is_none() {
            return;
        }
        qemu_img_accepts(&[&"check", &"-q", &overlay]);
        let flushed = std::fs::read_to_string(folder.path().join("flushed")).unwrap();
        let flushed: u64 = flushed.parse().unwrap();
        let disk = opened(&drive(&overlay, None), Writes::Image);
        for step in 0..=flushed {
            let found = disk.read(&(step * STRIDE..step * STRIDE + 4096)).unwrap();
            assert!(
                found == pattern(step as u8, 4096),
                "step {step} of {flushed}"
            );
        }
    }
}
