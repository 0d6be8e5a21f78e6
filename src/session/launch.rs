//! Starts runs from their options: `run`, `record` and `replay`.

use super::Bounds;
use super::context::RunContext;
use super::frontend::About;
use super::threads::{drive, session};
use crate::error::Error;
use crate::host::part::sync_tree;
use crate::host::serial::{Backend, Input, Serial};
use crate::notes::Notes;
use crate::recording::create::{Staging, check_vacant};
use crate::recording::options::MachineOptions;
use crate::recording::snapshot::{FIRST, Store};
use crate::recording::{Manifest, Recording, create_file};
use crate::run::devices;
use crate::run::drives::Drives;
use crate::run::host_io::Host;
use crate::run::images::Images;
use crate::run::mailbox::Mailbox;
use crate::run::observe::Observed;
use crate::run::open::{OpenRecording, ReplayOptions, check_whole};
use crate::run::record::Recorder;
use crate::run::report::Report;
use crate::run::snapshots::{Plan, Snapshotter};
use crate::run::verify_images::ImageCheck;
use crate::timeline::checkpoint::Checkpoint;
use machine::Icount;
use std::path::Path;
use std::sync::Arc;

/// Instructions from one state digest to the next, unless the user says otherwise.
pub const DIGEST_INTERVAL: u64 = 10_000_000;

/// Where a recording goes, and its settings.
#[derive(Debug, Clone)]
pub struct RecordTo<'a> {
    /// The directory.
    pub dir: &'a Path,
    /// Replace an existing recording.
    pub overwrite: bool,
    /// Instructions from one state digest to the next, from 1.
    pub digest_interval: u64,
    /// When it takes snapshots by itself.
    pub plan: Plan,
    /// Make the recording durable: while it runs from time to time, and at its end.
    pub sync: bool,
}

/// Runs a machine, and records the run if `to` is given.
///
/// # Errors
/// If the run cannot be started or recorded.
pub fn run(
    options: &MachineOptions,
    serial: &Backend,
    to: Option<&RecordTo<'_>>,
    context: RunContext<'_>,
) -> Result<Report, Error> {
    let options = &settled(options, &context.notes)?;
    options.check()?;
    if let Some(to) = to {
        // Before the backend is opened: that may wait for a client, or empty a file.
        check_vacant(to.dir, to.overwrite)?;
    }
    let images = Images::open(options)?;
    let mut machine = images.machine(options)?;
    machine.set_execution(context.execution);
    let stop = context.stop;
    let Serial { input, output } = Serial::open(serial, &stop, &context.notes)?;
    let mailbox = Arc::new(Mailbox::new());
    let devices = devices::start(options, &context.notes, &mailbox)?;
    let durable = to.is_some_and(|to| to.sync);
    let interval = to.map_or(u64::MAX, |to| to.digest_interval.max(1));
    let staging = match to {
        Some(to) => Some(Staging::begin(to.dir, to.overwrite, &context.notes)?),
        None => None,
    };
    let (recording, log) = match &staging {
        Some(staging) => {
            let list = images.list();
            staging.check_images(&list)?;
            let manifest = Manifest::new(options, list, interval);
            let created = Recording::create(staging, manifest, &|path| create_file(path, durable))?;
            (Some(created.0), Some(created.1))
        }
        None => (None, None),
    };
    let mut disks = Drives::record(
        &options.drives,
        staging.as_ref().map(Staging::path),
        &mailbox,
    );
    let opened = disks.open(None)?;
    // Only now: if something above fails, the recording that is replaced is as it was.
    let lock = match staging {
        Some(staging) => Some(staging.publish(durable, &context.notes)?),
        None => None,
    };
    disks.moved(to.map(|to| to.dir));
    let image_check = match recording {
        Some(recording) => ImageCheck::record(recording, &opened, &context.notes)?,
        None => None,
    };
    let snapshotter = match to {
        Some(to) => Some(Snapshotter::new(
            Store::of_writer(to.dir),
            &options.drives,
            to.plan.clone(),
            &mut machine,
        )?),
        None => None,
    };
    let pool = disks.start(opened)?;
    let host = Box::new(Host::new(output, disks, pool, devices));
    let recorder = Recorder::new(log, Arc::clone(&mailbox), host, options.icount.sleep);
    let recorder = Box::new(recorder.with_notes(&context.notes));
    let bounds = Bounds {
        digest_every: interval,
        until: context.until,
        timeout: context.timeout,
        replay: false,
        range: None,
    };
    let session = session(machine, recorder, mailbox, stop, bounds, &context.control);
    let users = (context.frontends, About { options, serial });
    let report = drive(&session, snapshotter, input, users, context.progress)?;
    image_check.map_or(Ok(()), ImageCheck::finish)?;
    if let Some(to) = to.filter(|_| durable) {
        sync_tree(to.dir).map_err(Error::file(to.dir, "write it to disk"))?;
    }
    drop(lock);
    Ok(report)
}

/// The options with everything that a recording must hold.
fn settled(options: &MachineOptions, notes: &Notes) -> Result<MachineOptions, Error> {
    let mut options = options.clone();
    for drive in &mut options.drives {
        let (settled, note) = drive.settle()?;
        *drive = settled;
        if let Some(note) = note {
            notes.remark(&note.to_string());
        }
    }
    Ok(options)
}

/// Replays a recording, comparing every digest.
///
/// # Errors
/// If the replay diverges, or cannot be started.
pub fn replay(
    recording: &Recording,
    how: &ReplayOptions,
    serial: &Backend,
    context: RunContext<'_>,
) -> Result<Report, Error> {
    let bytes = recording.map_log()?;
    let log = recording.whole_log(&bytes)?;
    let (stop, control, notes) = (&context.stop, &context.control, &context.notes);
    let (opened, disks) = OpenRecording::new(recording, how.changed_images)?;
    let woken = Arc::clone(control);
    let image_check = match how.changed_images {
        false => ImageCheck::check(recording, &disks, stop, move || woken.wake(), notes)?,
        true => None,
    };
    let Serial { input, output } = Serial::open(serial, stop, notes)?;
    let (mut machine, mut replayer) = opened.switch_on(disks, &log, output, stop)?;
    let (store, plan) = (Store::of(recording.dir()), how.plan.clone());
    let mut snapshotter = Snapshotter::new(store, opened.drives(), plan, &mut machine)?;
    // A slice has no power-on: it begins at its first snapshot.
    let slice = recording.manifest.slice.as_ref();
    let name = how.from.as_deref().or(slice.map(|_| FIRST));
    let chain = name.map(|name| snapshotter.store.open(name)).transpose()?;
    let from = chain
        .as_ref()
        .map_or(Icount::ZERO, |chain| chain.snapshot.icount);
    let start = chain.as_ref().map_or(Checkpoint::PowerOn, Checkpoint::Own);
    start.load(&mut replayer, &mut machine, Some(&mut snapshotter), true)?;
    machine.set_execution(context.execution);
    let shift = recording.manifest.machine.icount.shift;
    let observed = context
        .observer
        .map(|observer| Observed::new(observer, shift));
    replayer.observe(observed);
    let end = slice.filter(|range| !range.ends);
    let until = [how.until, end.map(|range| range.to)];
    let bounds = Bounds {
        digest_every: recording.manifest.digest_interval,
        until: until.into_iter().flatten().min(),
        timeout: context.timeout,
        replay: true,
        range: end.map(|range| (range.from, range.to)),
    };
    let mailbox = Arc::new(Mailbox::new());
    let (stop, driver) = (Arc::clone(stop), Box::new(replayer));
    let session = session(machine, driver, mailbox, stop, bounds, control);
    let options = &recording.manifest.machine;
    let users = (context.frontends, About { options, serial });
    let input = input.and_then(Input::for_replay);
    let result = drive(&session, Some(snapshotter), input, users, context.progress);
    drop(session);
    // A replay that makes snapshots waits for the hashes of the images, so that they can be
    // trusted.
    let early = how.plan == Plan::default();
    let report = match image_check {
        Some(image_check) => image_check.settle(result, early)?,
        None => result?,
    };
    check_whole(recording, opened.digests(), &bytes, from, &report)?;
    Ok(report)
}
