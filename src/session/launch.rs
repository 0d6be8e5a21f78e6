//! From options to a finished run: `run`, `record`, `replay`.

use crate::error::Error;
use crate::handover::Mailbox;
use crate::host::net::NetHandle;
use crate::host::serial::{Backend, Input, Serial};
use crate::notes::Notes;
use crate::recording::Recording;
use crate::recording::options::MachineOptions;
use crate::recording::snapshot::Store;
use crate::run::driver::Arrival;
use crate::run::drives::Disks;
use crate::run::images::Images;
use crate::run::observe::Watched;
use crate::run::open::{Ready, switched_on, whole_log};
use crate::run::record::{Host, Recorder};
use crate::run::snapshots::{Keeper, Plan};
use crate::run::verify_images::Measuring;
use crate::session::context::Company;
use crate::session::threads::{drive, session};
use crate::session::{Message, Report};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Instructions from one state digest to the next, unless the user says otherwise.
pub const DIGEST_INTERVAL: u64 = 10_000_000;
/// Frames that wait for the vCPU thread at most; more are dropped, as on a full wire.
const FRAMES: usize = 1024;

/// Where a recording goes, and how.
#[derive(Debug, Clone)]
pub struct RecordTo<'a> {
    /// The directory.
    pub dir: &'a Path,
    /// Replace a recording that is there.
    pub overwrite: bool,
    /// Instructions from one state digest to the next, from 1.
    pub digest_interval: u64,
    /// The snapshots it makes by itself.
    pub plan: Plan,
}

/// Runs a machine; `to`: records it.
///
/// # Errors
/// Whatever keeps it from starting or from being recorded.
pub fn run(
    options: &MachineOptions,
    serial: &Backend,
    to: Option<&RecordTo<'_>>,
    company: Company<'_>,
) -> Result<Report, Error> {
    let options = &settled(options, &company.notes)?;
    options.check()?;
    if let Some(to) = to {
        // Before the backend is opened: that may wait for somebody, or empty a file.
        Recording::check_vacant(to.dir, to.overwrite)?;
    }
    let images = Images::open(options)?;
    let mut machine = images.machine(options)?;
    machine.set_execution(company.execution);
    let stop = company.stop;
    let Serial { input, output } = Serial::open(serial, &stop, &company.notes)?;
    let mailbox = Arc::new(Mailbox::new());
    let frames = Arc::new(AtomicUsize::new(0));
    let networks = networks(options, &mailbox, &frames, &company.notes)?;
    let interval = to.map_or(u64::MAX, |to| to.digest_interval.max(1));
    let (recording, log) = match to {
        Some(to) => {
            let list = images.list();
            let created = Recording::create(to.dir, options, list, interval, to.overwrite)?;
            (Some(created.0), Some(created.1))
        }
        None => (None, None),
    };
    let disks = Disks::record(&options.drives, to.map(|to| to.dir), &mailbox);
    let opened = disks.open(None)?;
    let measuring = match recording {
        Some(recording) => Measuring::record(recording, &opened, &company.notes)?,
        None => None,
    };
    let keeper = match to {
        Some(to) => Some(Keeper::new(
            Store::of(to.dir),
            &options.drives,
            to.plan.clone(),
            &mut machine,
        )?),
        None => None,
    };
    let pool = disks.start(opened)?;
    let host = Host::new(output, disks, pool, networks, frames);
    let recorder = Recorder::new(log, Arc::clone(&mailbox), host, options.icount.sleep);
    let recorder = Box::new(recorder);
    let session = session(machine, recorder, mailbox, stop, interval, &company.control);
    let monitor = company.monitor.map(|monitor| (monitor, options, serial));
    let report = drive(&session, keeper, input, monitor, company.progress)?;
    measuring.map_or(Ok(()), Measuring::finish)?;
    Ok(report)
}

/// The options with all that a recording must hold.
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

/// The networks, at work: frames go to the vCPU thread, as long as not too many wait there.
fn networks(
    options: &MachineOptions,
    mailbox: &Arc<Mailbox<Message>>,
    waiting: &Arc<AtomicUsize>,
    notes: &Notes,
) -> Result<Vec<NetHandle>, Error> {
    let open = |(adapter, netdev)| {
        let (mailbox, waiting) = (Arc::clone(mailbox), Arc::clone(waiting));
        let arrived = move |data| {
            // Only a bound: what the count is to be right about is under the mailbox's lock.
            if waiting.load(Ordering::Relaxed) < FRAMES {
                waiting.fetch_add(1, Ordering::Relaxed);
                mailbox.post(Message::Arrival(Arrival::Frame { adapter, data }));
            }
        };
        Ok(NetHandle::open(netdev, notes, Box::new(arrived))?)
    };
    (0u8..).zip(options.adapters()).map(open).collect()
}

/// How to replay.
#[derive(Debug, Clone, Default)]
pub struct ReplayHow {
    /// Stop at this instruction count.
    pub until: Option<u64>,
    /// Replay even though images have changed.
    pub changed_images: bool,
    /// Begin at this snapshot.
    pub from: Option<String>,
    /// The snapshots that the replay makes.
    pub plan: Plan,
    /// Keep them in this directory, and not in the recording: they hold everything, and lie on nothing there.
    pub keep_in: Option<PathBuf>,
}

/// Replays a recording, comparing every digest.
///
/// # Errors
/// A divergence, or whatever keeps it from starting.
pub fn replay(
    recording: &Recording,
    how: &ReplayHow,
    serial: &Backend,
    company: Company<'_>,
) -> Result<Report, Error> {
    let bytes = recording.map_log()?;
    let log = whole_log(recording, &bytes)?;
    let (stop, control) = (&company.stop, &company.control);
    let (input, at_power_on) =
        switched_on(recording, how, &log, serial, stop, control, &company.notes)?;
    let mut ready = at_power_on.at_start(recording, how)?;
    // What it makes is to be relied on: then it waits.
    let early = how.plan == Plan::default() && company.relay.is_none();
    let measuring = ready.measuring.take();
    let from = ready.from;
    let result = go(recording, how.until, ready, (serial, input), company);
    let report = match measuring {
        Some(measuring) => measuring.settle(result, early)?,
        None => result?,
    };
    recording.check_whole(&bytes, from, &report)?;
    Ok(report)
}

/// Replays to the end, or to where `until` or the company's relay stops it.
///
/// # Errors
/// A divergence.
pub(crate) fn go<'l, 'c: 'l>(
    recording: &Recording,
    until: Option<u64>,
    ready: Ready<'l>,
    (serial, input): (&Backend, Option<Input>),
    company: Company<'c>,
) -> Result<Report, Error> {
    let Ready {
        mut machine,
        mut replayer,
        keeper,
        ..
    } = ready;
    machine.set_execution(company.execution);
    let mailbox = Arc::new(Mailbox::new());
    let interval = recording.manifest.digest_interval;
    let shift = recording.manifest.machine.icount.shift;
    let watcher = company.watcher;
    let watched = watcher.map(|watcher| Watched::new(watcher, shift));
    replayer.attach(company.relay.map(|relay| relay as _), watched);
    let driver = Box::new(replayer);
    let (stop, control) = (company.stop, &company.control);
    let mut session = session(machine, driver, mailbox, stop, interval, control);
    let range = recording.manifest.slice.as_ref();
    let end = range.filter(|range| !range.ends);
    session.until = [until, end.map(|range| range.to)]
        .into_iter()
        .flatten()
        .min();
    session.range = end.map(|range| (range.from, range.to));
    session.deaf = true;
    let options = &recording.manifest.machine;
    let monitor = company.monitor.map(|monitor| (monitor, options, serial));
    let input = input.and_then(Input::for_replay);
    drive(&session, Some(keeper), input, monitor, company.progress)
}
