//! A replay whose guest is paused reports that an image has changed.

use crate::error::Error;
use crate::host::disk::{DriveOptions, Format};
use crate::host::serial::Backend;
use crate::recording::Recording;
use crate::recording::options::MachineOptions;
use crate::run::open::ReplayOptions;
use crate::run::snapshots::Plan;
use crate::session::context::RunContext;
use crate::session::control::{Control, Mode};
use crate::session::launch::{RecordTo, replay, run};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Bytes of the image: hashing takes longer than the replay needs to pause. A hole takes no room.
const SIZE: u64 = 256 << 20;

#[test]
fn a_changed_image_wakes_a_replay_that_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.raw");
    let disk = File::create(&image).unwrap();
    disk.set_len(SIZE).unwrap();
    let options = MachineOptions {
        memory: 16 << 20,
        kernel: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/bin/hello.elf").into()),
        drives: vec![DriveOptions {
            file: image,
            format: Some(Format::Raw),
            id: None,
            readonly: false,
        }],
        ..MachineOptions::default()
    };
    let dir = folder.path().join("rec.rr");
    let to = RecordTo {
        dir: &dir,
        overwrite: false,
        digest_interval: 1_000_000,
        sync: false,
        plan: Plan::default(),
    };
    run(&options, &Backend::Null, Some(&to), RunContext::default()).unwrap();
    // A change that keeps the time: only the content tells.
    let modified = disk.metadata().unwrap().modified().unwrap();
    disk.write_all_at(b"x", SIZE - 1).unwrap();
    disk.set_modified(modified).unwrap();
    let mut control = Control::new(Mode::Replay, Some(dir.clone()));
    control.start_stopped = true;
    let control = Arc::new(control);
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        let recording = Recording::open(&dir).unwrap();
        let how = ReplayOptions::default();
        let context = RunContext {
            control,
            ..RunContext::default()
        };
        let result = replay(&recording, &how, &Backend::Null, context);
        sender.send(result)
    });
    let result = ended.recv_timeout(Duration::from_secs(60));
    let result = result.expect("the replay hears of it, and ends");
    assert!(matches!(result, Err(Error::Image { .. })), "{result:?}");
}
