//! From options to a finished run: `run`, `record`, `replay`.

use crate::driver::Driver;
use crate::error::Error;
use crate::handover::Mailbox;
use crate::host::main_loop::MainLoop;
use crate::host::serial::{Backend, Input, Serial};
use crate::host::signals;
use crate::host::terminal::RawMode;
use crate::lock::{Bql, ReplayLock};
use crate::options::MachineOptions;
use crate::record::{LogSink, Recorder};
use crate::recording::{LoadedImage, Recording};
use crate::replay::Replayer;
use crate::session::{Message, Report, Session, Shared};
use machine::boot::{self, BootConfig};
use machine::{Config, Machine, PowerOn};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Instructions from one state digest to the next, unless the user says otherwise.
pub const DIGEST_INTERVAL: u64 = 10_000_000;

/// The images of a machine.
#[derive(Debug, Default)]
struct Images {
    bios: Option<LoadedImage>,
    kernel: Option<LoadedImage>,
    initrd: Option<LoadedImage>,
}

impl Images {
    fn open(options: &MachineOptions) -> Result<Self, Error> {
        let open = |role, path: &Option<_>| {
            path.as_deref()
                .map(|path| LoadedImage::open(role, path))
                .transpose()
        };
        Ok(Self {
            bios: open("bios", &options.bios)?,
            kernel: open("kernel", &options.kernel)?,
            initrd: open("initrd", &options.initrd)?,
        })
    }

    fn of(recording: &Recording, changed: bool) -> Result<Self, Error> {
        Ok(Self {
            bios: recording.image("bios", changed)?,
            kernel: recording.image("kernel", changed)?,
            initrd: recording.image("initrd", changed)?,
        })
    }

    fn machine(&self, options: &MachineOptions) -> Result<Machine, Error> {
        let seed = options.seed().ok_or_else(|| Error::Option {
            option: "rng_seed".to_owned(),
            reason: "is not 64 hexadecimal digits".to_owned(),
        })?;
        let config = BootConfig {
            bios: bytes(&self.bios),
            kernel: bytes(&self.kernel),
            raw_kernel: options.raw_kernel,
            initrd: bytes(&self.initrd),
            append: &options.append,
            rng_seed: seed,
            ..BootConfig::new(options.memory)
        };
        let power_on = PowerOn::from(boot::plan(&config)?);
        let config = Config {
            shift: options.icount.shift,
            ..Config::new(options.memory)
        };
        Ok(Machine::new(&config, power_on))
    }

    fn list(&self) -> Vec<crate::recording::Image> {
        [&self.bios, &self.kernel, &self.initrd]
            .into_iter()
            .flatten()
            .map(|loaded| loaded.image.clone())
            .collect()
    }
}

fn bytes(image: &Option<LoadedImage>) -> Option<&[u8]> {
    image.as_ref().map(|image| &*image.bytes)
}

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

/// Runs a machine; `to`: records it.
///
/// # Errors
/// Whatever keeps it from starting or from being recorded.
pub fn run(
    options: &MachineOptions,
    serial: &Backend,
    to: Option<&RecordTo<'_>>,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    options.check()?;
    let images = Images::open(options)?;
    let machine = images.machine(options)?;
    if let Some(to) = to {
        // Before the backend is opened: that may wait for somebody, or empty a file.
        Recording::check_vacant(to.dir, to.overwrite)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let Serial { input, output } = Serial::open(serial, &stop)?;
    let mailbox = Arc::new(Mailbox::new());
    let interval = to.map_or(u64::MAX, |to| to.digest_interval.max(1));
    let log: Option<LogSink> = match to {
        Some(to) => {
            let list = images.list();
            Some(Recording::create(to.dir, options, list, interval, to.overwrite)?.1)
        }
        None => None,
    };
    let recorder = Recorder::new(log, Arc::clone(&mailbox), output, options.icount.sleep);
    let session = session(machine, Box::new(recorder), mailbox, stop, interval);
    drive(&session, input, progress)
}

/// How to replay.
#[derive(Debug, Clone, Default)]
pub struct ReplayHow {
    /// Stop at this instruction count.
    pub until: Option<u64>,
    /// Replay even though images have changed.
    pub changed_images: bool,
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
    let machine = Images::of(recording, how.changed_images)?.machine(options)?;
    let stop = Arc::new(AtomicBool::new(false));
    let Serial { output, .. } = Serial::open(serial, &stop)?;
    let replayer = Replayer::new(path, log.events(), digests, output)?;
    let mailbox = Arc::new(Mailbox::new());
    let interval = recording.manifest.digest_interval;
    let mut session = session(machine, Box::new(replayer), mailbox, stop, interval);
    session.until = how.until;
    session.deaf = true;
    let report = drive(&session, None, progress)?;
    recording.check_whole(&bytes, &report)?;
    Ok(report)
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
