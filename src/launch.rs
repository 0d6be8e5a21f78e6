//! From options to a finished run: `run`, `record`, `replay`.

use crate::control::Control;
use crate::disks::Disks;
use crate::driver::{Arrival, Driver};
use crate::error::Error;
use crate::handover::Mailbox;
use crate::host::main_loop::MainLoop;
use crate::host::net::NetHandle;
use crate::host::serial::{Backend, Input, Serial};
use crate::host::signals;
use crate::host::terminal::RawMode;
use crate::images::Images;
use crate::lock::{Bql, ReplayLock};
use crate::measure::Measuring;
use crate::options::MachineOptions;
use crate::record::{Host, Recorder};
use crate::recording::Recording;
use crate::replay::Replayer;
use crate::session::{Message, Report, Session, Shared};
use crate::snapshot::{FIRST, Keeper, Plan, Snapshot, Store};
use crate::watch::{Watched, Watcher};
use machine::Machine;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

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

/// Called now and then with the instruction count.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

/// Runs a machine; `to`: records it.
///
/// # Errors
/// Whatever keeps it from starting or from being recorded.
pub fn run(
    options: &MachineOptions,
    serial: &Backend,
    to: Option<&RecordTo<'_>>,
    control: &Arc<Control>,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let options = &settled(options)?;
    options.check()?;
    if let Some(to) = to {
        // Before the backend is opened: that may wait for somebody, or empty a file.
        Recording::check_vacant(to.dir, to.overwrite)?;
    }
    let images = Images::open(options)?;
    let mut machine = images.machine(options)?;
    let stop = Arc::new(AtomicBool::new(false));
    let Serial { input, output } = Serial::open(serial, &stop)?;
    let mailbox = Arc::new(Mailbox::new());
    let frames = Arc::new(AtomicUsize::new(0));
    let networks = networks(options, &mailbox, &frames)?;
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
        Some(recording) => Measuring::record(recording, &opened)?,
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
    let session = session(machine, recorder, mailbox, stop, interval, control);
    let report = drive(&session, keeper, input, progress)?;
    measuring.map_or(Ok(()), Measuring::finish)?;
    Ok(report)
}

/// The options with all that a recording must hold.
fn settled(options: &MachineOptions) -> Result<MachineOptions, Error> {
    let mut options = options.clone();
    for drive in &mut options.drives {
        let (settled, note) = drive.settle()?;
        *drive = settled;
        if let Some(note) = note {
            eprintln!("rr: note: {note}");
        }
    }
    Ok(options)
}

/// The networks, at work: frames go to the vCPU thread, as long as not too many wait there.
fn networks(
    options: &MachineOptions,
    mailbox: &Arc<Mailbox<Message>>,
    waiting: &Arc<AtomicUsize>,
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
        Ok(NetHandle::open(netdev, Box::new(arrived))?)
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
    /// Stop where this snapshot was taken: the state must be its own.
    pub stop: Option<Snapshot>,
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
    control: &Arc<Control>,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    replay_watched(recording, how, serial, control, None, progress)
}

/// Replays a recording, comparing every digest; `watcher` sees what happens.
///
/// # Errors
/// A divergence, or whatever keeps it from starting.
pub fn replay_watched(
    recording: &Recording,
    how: &ReplayHow,
    serial: &Backend,
    control: &Arc<Control>,
    watcher: Option<&mut dyn Watcher>,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let options = &recording.manifest.machine;
    options.check().map_err(|error| match error {
        Error::Option { option, reason } => {
            let manifest = recording.path(crate::recording::MANIFEST);
            Error::recording(&manifest, format!("{option}: {reason}"))
        }
        other => other,
    })?;
    let path = recording.path(crate::recording::LOG);
    let bytes = recording.map_log()?;
    let log = recording.log(&bytes)?;
    if let Some(error) = log.error().filter(|error| !error.is_truncated()) {
        return Err(Error::Log {
            path,
            cause: error.clone(),
        });
    }
    let digests = recording.digests()?;
    let disks = Disks::replay(recording)?;
    let opened = disks.open(None)?;
    let images = Images::of(recording, how.changed_images, &opened)?;
    let mut machine = images.machine(options)?;
    let stop = Arc::new(AtomicBool::new(false));
    let measuring = match how.changed_images {
        false => Measuring::check(recording, &opened, &stop, control)?,
        true => None,
    };
    let Serial { input, output } = Serial::open(serial, &stop)?;
    let pool = disks.start(opened)?;
    let mut replayer = Replayer::new(path, &log, digests, output, disks, pool);
    replayer.stop = how.stop.as_ref().map(|stop| (stop.icount, stop.log.into()));
    let range = recording.manifest.slice.as_ref();
    let store = Store::of(recording.dir());
    let keep_in = how
        .keep_in
        .as_deref()
        .map_or_else(|| store.clone(), Store::of);
    let mut keeper = Keeper::new(keep_in, &recording.drives(), how.plan.clone(), &mut machine)?;
    let mut from = 0;
    // A slice has no power-on.
    if let Some(name) = how.from.as_deref().or(range.map(|_| FIRST)) {
        let chain = store.open(name)?;
        from = chain.snapshot.icount;
        let loaded = chain.load(&mut machine)?;
        replayer.travel(Some((&chain, loaded)))?;
        match &how.keep_in {
            None => keeper.moved(Some(name), &mut machine),
            Some(_) => keeper.hold_all(&chain, &replayer.outside(from)?)?,
        }
    } else {
        replayer.begin()?;
    }
    let mailbox = Arc::new(Mailbox::new());
    let interval = recording.manifest.digest_interval;
    let driver: Box<dyn Driver + '_> = match watcher {
        Some(watcher) => Box::new(Watched::new(replayer, watcher, options.icount.shift)),
        None => Box::new(replayer),
    };
    let mut session = session(machine, driver, mailbox, stop, interval, control);
    let end = range.filter(|range| !range.ends);
    session.until = [how.until, end.map(|range| range.to)]
        .into_iter()
        .flatten()
        .min();
    session.range = end.map(|range| (range.from, range.to));
    session.wanted = how.stop.as_ref().map(|stop| stop.digest.clone());
    session.deaf = true;
    let input = input.and_then(Input::for_replay);
    let result = drive(&session, Some(keeper), input, progress);
    let report = match measuring {
        Some(measuring) => {
            // What it makes or vouches for is to be relied on: then it waits.
            let early = how.plan == Plan::default() && how.stop.is_none();
            measuring.settle(result, early)?
        }
        None => result?,
    };
    recording.check_whole(&bytes, from, &report)?;
    Ok(report)
}

fn session<'a>(
    mut machine: Machine,
    driver: Box<dyn Driver + 'a>,
    mailbox: Arc<Mailbox<Message>>,
    stop: Arc<AtomicBool>,
    digest_every: u64,
    control: &Arc<Control>,
) -> Session<'a> {
    machine.set_kick(mailbox.kick());
    let shared = Arc::new(Shared::new(stop));
    control.attach(&mailbox, &shared);
    Session {
        machine: Bql::new(machine),
        driver: ReplayLock::new(driver),
        mailbox,
        shared,
        control: Arc::clone(control),
        digest_every,
        until: None,
        range: None,
        wanted: None,
        deaf: false,
    }
}

/// Runs the vCPU thread, and the main loop on this one.
fn drive(
    session: &Session<'_>,
    keeper: Option<Keeper>,
    input: Option<Input>,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let host = |cause| Error::File {
        path: "/dev/poll".into(),
        doing: "wait for the host",
        cause,
    };
    let signals = signals::catch().map_err(host)?;
    let _raw = match &input {
        Some(input) if input.terminal => Some(RawMode::enter().map_err(host)?),
        _ => None,
    };
    let (done, ended) = UnixStream::pair().map_err(host)?;
    thread::scope(|scope| {
        let vcpu = thread::Builder::new()
            .name("vcpu".to_owned())
            .spawn_scoped(scope, move || {
                // Closed when the thread ends, however it does.
                let _ended: UnixStream = ended;
                session.run(keeper)
            })
            .map_err(host)?;
        let main_loop = MainLoop {
            input,
            signals: Some(signals),
            done: OwnedFd::from(done),
            mailbox: &session.mailbox,
            shared: &session.shared,
            control: &session.control,
        };
        let looped = main_loop.run(|| progress(session.shared.icount.load(Ordering::Relaxed)));
        if looped.is_err() {
            // Without its main loop the run is not left alone.
            session.shared.stop.store(true, Ordering::Release);
            session
                .mailbox
                .post(Message::Stop(replay_format::ShutdownCause::HostError));
            session.control.wake();
        }
        let report = match vcpu.join() {
            Ok(report) => report,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        looped.map_err(host)?;
        report
    })
}
