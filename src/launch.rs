//! From options to a finished run: `run`, `record`, `replay`.

use crate::driver::{Arrival, Driver};
use crate::error::Error;
use crate::handover::Mailbox;
use crate::host::disk::{Disk, DiskPool, IoErrors, Writes};
use crate::host::main_loop::MainLoop;
use crate::host::net::NetHandle;
use crate::host::serial::{Backend, Input, Serial};
use crate::host::signals;
use crate::host::terminal::RawMode;
use crate::images::Images;
use crate::lock::{Bql, ReplayLock};
use crate::options::MachineOptions;
use crate::record::{Host, LogSink, Recorder};
use crate::recording::Recording;
use crate::replay::Replayer;
use crate::session::{Message, Report, Session, Shared};
use machine::{Execution, Machine};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
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
}

/// Called now and then with the instruction count.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

/// Runs a machine; `to`: records it. `execution` changes nothing but the speed.
///
/// # Errors
/// Whatever keeps it from starting or from being recorded.
pub fn run(
    options: &MachineOptions,
    serial: &Backend,
    to: Option<&RecordTo<'_>>,
    execution: Execution,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let options = &settled(options)?;
    options.check()?;
    if let Some(to) = to {
        // Before the backend is opened: that may wait for somebody, or empty a file.
        Recording::check_vacant(to.dir, to.overwrite)?;
    }
    let images = Images::open(options, to.is_some())?;
    let mut machine = images.machine(options)?;
    machine.set_execution(execution);
    let stop = Arc::new(AtomicBool::new(false));
    let Serial { input, output } = Serial::open(serial, &stop)?;
    let mailbox = Arc::new(Mailbox::new());
    let frames = Arc::new(AtomicUsize::new(0));
    let networks = networks(options, &mailbox, &frames)?;
    let interval = to.map_or(u64::MAX, |to| to.digest_interval.max(1));
    let log: Option<LogSink> = match to {
        Some(to) => {
            let list = images.list();
            Some(Recording::create(to.dir, options, list, interval, to.overwrite)?.1)
        }
        None => None,
    };
    let disks = disks(options, to, &mailbox)?;
    let host = Host::new(output, disks, networks, frames);
    let recorder = Recorder::new(log, Arc::clone(&mailbox), host, options.icount.sleep);
    let session = session(machine, Box::new(recorder), mailbox, stop, interval);
    drive(&session, input, progress)
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

/// The disks, at work: results go to the vCPU thread.
fn disks(
    options: &MachineOptions,
    to: Option<&RecordTo<'_>>,
    mailbox: &Arc<Mailbox<Message>>,
) -> Result<DiskPool, Error> {
    let mut disks = Vec::new();
    for (place, drive) in options.drives.iter().enumerate() {
        let overlay = to.map(|to| to.dir.join(drive.overlay_name(place)));
        let writes = overlay.as_deref().map_or(Writes::Image, Writes::Overlay);
        disks.push(Disk::open(drive, writes)?);
    }
    let mailbox = Arc::clone(mailbox);
    let done = move |drive, id, result| {
        mailbox.post(Message::Arrival(Arrival::Block { drive, id, result }))
    };
    Ok(DiskPool::record(disks, Box::new(done))?)
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
    /// Changes nothing but the speed.
    pub execution: Execution,
}

/// Replays a recording, comparing every digest.
///
/// # Errors
/// A divergence, or whatever keeps it from starting.
pub fn replay(
    recording: &Recording,
    how: &ReplayHow,
    serial: &Backend,
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
    let mut machine = Images::of(recording, how.changed_images)?.machine(options)?;
    machine.set_execution(how.execution);
    let stop = Arc::new(AtomicBool::new(false));
    let Serial { output, .. } = Serial::open(serial, &stop)?;
    let disks = replayed_disks(recording)?;
    let replayer = Replayer::new(path, log.events(), digests, output, disks)?;
    let mailbox = Arc::new(Mailbox::new());
    let interval = recording.manifest.digest_interval;
    let mut session = session(machine, Box::new(replayer), mailbox, stop, interval);
    session.until = how.until;
    session.deaf = true;
    let report = drive(&session, None, progress)?;
    recording.check_whole(&bytes, &report)?;
    Ok(report)
}

/// The disks of a replay: what the guest writes is gone at the end.
fn replayed_disks(recording: &Recording) -> Result<DiskPool, Error> {
    let mut disks = Vec::new();
    for drive in recording.drives() {
        disks.push(Disk::open(&drive, Writes::Scratch(recording.dir()))?);
    }
    let errors = IoErrors::load(&recording.path(IoErrors::FILE))?;
    Ok(DiskPool::replay(disks, errors)?)
}

fn session<'a>(
    mut machine: Machine,
    driver: Box<dyn Driver + 'a>,
    mailbox: Arc<Mailbox<Message>>,
    stop: Arc<AtomicBool>,
    digest_every: u64,
) -> Session<'a> {
    machine.set_kick(mailbox.kick());
    Session {
        machine: Bql::new(machine),
        driver: ReplayLock::new(driver),
        mailbox,
        shared: Shared::new(stop),
        digest_every,
        until: None,
        deaf: false,
    }
}

/// Runs the vCPU thread, and the main loop on this one.
fn drive(
    session: &Session<'_>,
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
                session.run()
            })
            .map_err(host)?;
        let main_loop = MainLoop {
            input,
            signals: Some(signals),
            done: OwnedFd::from(done),
            mailbox: &session.mailbox,
            shared: &session.shared,
        };
        let looped = main_loop.run(|| progress(session.shared.icount.load(Ordering::Relaxed)));
        if looped.is_err() {
            // Without its main loop the run is not left alone.
            session.shared.stop.store(true, Ordering::Release);
            session
                .mailbox
                .post(Message::Stop(replay_format::ShutdownCause::HostError));
        }
        let report = match vcpu.join() {
            Ok(report) => report,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        looped.map_err(host)?;
        report
    })
}
