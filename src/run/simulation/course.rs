//! One run of a scenario on one thread, and its replay.

use super::scenario::Scenario;
use super::storage::{Storage, Trouble};
use super::world::{Simulated, World};
use crate::error::Error;
use crate::host::disk::IoErrors;
use crate::host::serial::{Backend, Serial};
use crate::notes::Notes;
use crate::recording::create::Staging;
use crate::recording::{DIGESTS, LOG, Manifest, Recording};
use crate::run::driver::{Driver, UserRequest};
use crate::run::drives::Drives;
use crate::run::images::Images;
use crate::run::mailbox::{Mailbox, Message};
use crate::run::open::{OpenRecording, check_whole};
use crate::run::record::Recorder;
use crate::run::report::{Finish, Report};
use crate::run::vcpu::{After, Limits, Vcpu};
use crate::timeline::checkpoint::Checkpoint;
use machine::{Icount, Machine};
use parking_lot::Mutex;
use replay_format::ShutdownCause;
use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// After this many periods the user ends a run, because a machine that waits executes nothing.
const PATIENCE: u64 = 5000;
/// A run with more periods than this does not end.
const PERIODS: u64 = 10 * PATIENCE;
/// The time (ns) that a killed recording may lose: the log is flushed this often, and a nap may
/// come on top.
const MAY_LOSE: i64 = 1_000_000_000;

/// The result of a recording.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The report; `None`: the recording failed or was killed.
    pub(super) report: Option<Report>,
    /// The bytes that the serial port took.
    pub(super) console: Vec<u8>,
    /// The content of the files.
    pub(super) log: Vec<u8>,
    pub(super) digests: Vec<u8>,
    pub(super) io_errors: Vec<u8>,
    /// Bytes in the files after the first flush.
    pub(super) written: u64,
    pub(super) periods: u64,
    /// Nothing up to this instruction count may be lost.
    pub(super) safe: Icount,
    /// Bytes of the log that were synced before the system crashed; `None` if it did not.
    pub(super) durable: Option<usize>,
}

/// Records a scenario into a new folder.
pub(super) fn record(
    scenario: &Scenario,
    dir: &Path,
    trouble: Option<Trouble>,
) -> Result<Recorded, Error> {
    let options = &scenario.options;
    options.check()?;
    let images = Images::open(options)?;
    let mut machine = images.machine(options)?;
    machine.set_execution(scenario.record_with);
    let mailbox = Arc::new(Mailbox::new());
    machine.set_kick(mailbox.kick());
    let storage = Storage::default();
    let open = |path: &Path| storage.create(path);
    let (list, every) = (images.list(), scenario.digest_every);
    let staging = Staging::begin(dir, false, &Notes::default())?;
    let manifest = Manifest::new(options, list, every);
    let (_, log) = Recording::create(&staging, manifest, &open)?;
    let disks = Drives::record(&options.drives, Some(staging.path()), &mailbox).open(None)?;
    let _lock = staging.publish(false, &Notes::default())?;
    let (chance, faults) = (scenario.world.clone(), scenario.faults);
    let world = Arc::new(Mutex::new(World::new(
        chance,
        faults,
        disks,
        &scenario.input,
    )));
    let host = Box::new(Simulated(Arc::clone(&world)));
    let sleep = options.icount.sleep;
    let mut run = Run {
        scenario,
        recorder: Recorder::new(Some(log), Arc::clone(&mailbox), host, sleep),
        machine,
        mailbox,
        world,
        storage: storage.clone(),
        periods: 0,
        past: VecDeque::new(),
        longest: 0,
        safe: Icount::ZERO,
    };
    let before = storage.written();
    if let Some(trouble) = trouble {
        storage.arm(trouble);
    }
    let report = match (run.run_to_end(trouble), trouble) {
        (Ok(report), _) => report,
        (Err(Error::File { .. }), Some(_)) => None,
        (Err(error), _) => return Err(error),
    };
    let (periods, safe) = (run.periods, run.safe);
    let console = run.world.lock().console().to_vec();
    drop(run);
    let mut durable = None;
    if let Some(Trouble::Crash(_, seed)) = trouble {
        let path = dir.join(LOG);
        storage.crash(seed).map_err(Error::file(&path, "crash"))?;
        let synced = storage.durable();
        durable = synced.get(1).and_then(|len| usize::try_from(*len).ok());
    }
    let read = |file: &str| {
        let path = dir.join(file);
        fs::read(&path).map_err(Error::file(&path, "read"))
    };
    Ok(Recorded {
        report,
        console,
        log: read(LOG)?,
        digests: read(DIGESTS)?,
        io_errors: read(IoErrors::FILE).unwrap_or_default(),
        written: storage.written() - before,
        periods,
        safe,
        durable,
    })
}

/// A recording under way.
struct Run<'s> {
    scenario: &'s Scenario,
    recorder: Recorder,
    machine: Machine,
    mailbox: Arc<Mailbox>,
    world: Arc<Mutex<World>>,
    storage: Storage,
    periods: u64,
    /// The times (ns) at which instruction counts were reached, as long as they may be lost.
    past: VecDeque<(i64, Icount)>,
    /// The length of the longest period, in ns.
    longest: i64,
    safe: Icount,
}

impl Run<'_> {
    /// Runs to the end. `None`: the recording was killed.
    fn run_to_end(&mut self, trouble: Option<Trouble>) -> Result<Option<Report>, Error> {
        let mut vcpu = Vcpu::default();
        let mut resets = self.scenario.resets.iter().copied().peekable();
        let (end, by_monitor) = self.scenario.end;
        let mut ending = false;
        while self.periods < PERIODS {
            if trouble == Some(Trouble::KilledAtPeriod(self.periods)) {
                self.storage.kill();
                return Ok(None);
            }
            self.periods += 1;
            let icount = self.machine.icount();
            let began = self.remember(icount);
            for message in self.world.lock().arrived() {
                self.mailbox.post(message);
            }
            let mut user = None;
            if self.recorder.settled() {
                if !ending && (icount >= end || self.periods >= PATIENCE) {
                    ending = true;
                    match by_monitor {
                        true => user = Some(UserRequest::Quit),
                        false => self.stop(),
                    }
                } else if resets.next_if(|at| *at <= icount).is_some() {
                    user = Some(UserRequest::Reset);
                }
            }
            let most = self.world.lock().instructions().min(self.scenario.period);
            let limits = Limits {
                until: icount + most,
                digest_every: self.scenario.digest_every,
            };
            let period = vcpu.period(&mut self.recorder, &mut self.machine, &limits, user)?;
            let executed = self.machine.icount() - icount;
            self.world.lock().executed(executed);
            match period.after {
                After::Again | After::Stopped(_) => {}
                After::Wait(at_most) => {
                    if !self.mailbox.kicked() && !self.world.lock().wait(at_most) {
                        self.stop();
                    }
                }
                After::Over(finish) => {
                    let (driver, machine) = (&mut self.recorder, &mut self.machine);
                    return Report::of(driver, machine, finish, None).map(Some);
                }
            }
            self.longest = self.longest.max(self.world.lock().now() - began);
        }
        Err(Error::Internal("the simulation goes on for ever"))
    }

    fn stop(&self) {
        let cause = ShutdownCause::HostSignal;
        self.mailbox.post(Message::Stop(cause));
    }

    /// Notes the start of a period. Instruction counts that were reached long ago may not be lost
    /// from now on.
    fn remember(&mut self, icount: Icount) -> i64 {
        let now = self.world.lock().now();
        self.past.push_back((now, icount));
        let safe = now - MAY_LOSE - 2 * self.longest;
        while let Some((_, icount)) = self.past.pop_front_if(|(at, _)| *at <= safe) {
            self.safe = icount;
        }
        now
    }
}

/// Replays the recording of a scenario with its probes, and compares everything that was recorded.
/// Returns the report and the console's output.
pub(super) fn replay(dir: &Path, scenario: &Scenario) -> Result<(Report, Vec<u8>), Error> {
    let recording = Recording::open(dir)?;
    let bytes = recording.map_log()?;
    let log = recording.whole_log(&bytes)?;
    let (opened, disks) = OpenRecording::new(&recording, false)?;
    let console = dir.join("console");
    let stop = Arc::default();
    let backend = Backend::File(console.clone());
    let Serial { output, .. } = Serial::open(&backend, &stop, &Notes::default())?;
    let (mut machine, mut replayer) = opened.switch_on(disks, &log, output, &stop)?;
    Checkpoint::PowerOn.load(&mut replayer, &mut machine, None, true)?;
    machine.set_execution(scenario.replay_with);
    for probe in &scenario.probes {
        machine.insert_probe(*probe);
    }
    let limits = Limits {
        until: Icount::MAX,
        digest_every: recording.manifest.digest_interval,
    };
    let mut vcpu = Vcpu::default();
    let finish = loop {
        let period = vcpu.period(&mut replayer, &mut machine, &limits, None)?;
        match period.after {
            After::Again | After::Stopped(_) => {}
            After::Over(finish) => break finish,
            After::Wait(_) => return Err(Error::Internal("a replay waits for the outside")),
        }
    };
    let report = Report::of(&mut replayer, &mut machine, finish, None)?;
    if finish != Finish::LogCut {
        check_whole(&recording, opened.digests(), &bytes, Icount::ZERO, &report)?;
    }
    let console = fs::read(&console).map_err(Error::file(&console, "read"))?;
    Ok((report, console))
}
