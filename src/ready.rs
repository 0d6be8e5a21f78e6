//! A recording, opened to be replayed.

use crate::control::Control;
use crate::disks::Disks;
use crate::driver::Driver;
use crate::error::Error;
use crate::host::serial::{Backend, Input, Serial};
use crate::images::Images;
use crate::launch::ReplayHow;
use crate::measure::Measuring;
use crate::recording::{LOG, MANIFEST, Recording};
use crate::replay::Replayer;
use crate::snapshot::{FIRST, Keeper, Store};
use machine::Machine;
use replay_format::Log;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Reads the log of a recording that is to be replayed: it may be cut off, not damaged.
///
/// # Errors
/// Damage, and the log of another program.
pub(crate) fn whole_log<'b>(recording: &Recording, bytes: &'b [u8]) -> Result<Log<'b>, Error> {
    let log = recording.log(bytes)?;
    match log.error().filter(|error| !error.is_truncated()) {
        Some(error) => Err(Error::Log {
            path: recording.path(LOG),
            cause: error.clone(),
        }),
        None => Ok(log),
    }
}

/// A replay that has yet to begin: its machine, its driver, and what takes its snapshots.
pub(crate) struct Ready<'l> {
    pub(crate) machine: Machine,
    pub(crate) replayer: Replayer<'l>,
    pub(crate) keeper: Keeper,
    /// The instruction count at which it begins.
    pub(crate) from: u64,
    /// Disk images that are still being checked.
    pub(crate) measuring: Option<Measuring>,
}

/// Opens what a recording was started from, and checks that it is that. The machine is at power-on.
///
/// # Errors
/// Whatever keeps it from starting.
pub(crate) fn switched_on<'l>(
    recording: &Recording,
    how: &ReplayHow,
    log: &'l Log<'l>,
    serial: &Backend,
    stop: &Arc<AtomicBool>,
    control: &Arc<Control>,
) -> Result<(Option<Input>, Ready<'l>), Error> {
    let options = &recording.manifest.machine;
    options.check().map_err(|error| match error {
        Error::Option { option, reason } => {
            let manifest = recording.path(MANIFEST);
            Error::recording(&manifest, format!("{option}: {reason}"))
        }
        other => other,
    })?;
    let digests = recording.digests()?;
    let disks = Disks::replay(recording)?;
    let opened = disks.open(None)?;
    let images = Images::of(recording, how.changed_images, &opened)?;
    let mut machine = images.machine(options)?;
    let measuring = match how.changed_images {
        false => Measuring::check(recording, &opened, stop, control)?,
        true => None,
    };
    let Serial { input, output } = Serial::open(serial, stop)?;
    let pool = disks.start(opened)?;
    let path = recording.path(LOG);
    let mut replayer = Replayer::new(path, log, digests, output, disks, pool);
    replayer.stop = how.stop.as_ref().map(|stop| (stop.icount, stop.log.into()));
    let keep_in = how.keep_in.as_deref().unwrap_or(recording.dir());
    let keeper = Keeper::new(
        Store::of(keep_in),
        &recording.drives(),
        how.plan.clone(),
        &mut machine,
    )?;
    let ready = Ready {
        machine,
        replayer,
        keeper,
        from: 0,
        measuring,
    };
    Ok((input, ready))
}

impl Ready<'_> {
    /// Brings machine and driver from power-on to the place at which the replay begins.
    ///
    /// # Errors
    /// A snapshot that cannot be loaded; a log that does not begin as one does.
    pub(crate) fn at_start(
        mut self,
        recording: &Recording,
        how: &ReplayHow,
    ) -> Result<Self, Error> {
        // A slice has no power-on.
        let slice = recording.manifest.slice.as_ref().map(|_| FIRST);
        let Some(name) = how.from.as_deref().or(slice) else {
            self.replayer.begin()?;
            return Ok(self);
        };
        let chain = Store::of(recording.dir()).open(name)?;
        self.from = chain.snapshot.icount;
        let loaded = chain.load(&mut self.machine)?;
        self.replayer.travel(Some((&chain, loaded)))?;
        match &how.keep_in {
            None => self.keeper.moved(Some(name), &mut self.machine),
            Some(_) => {
                let outside = self.replayer.outside(self.from)?;
                self.keeper.hold_all(&chain, &outside)?;
            }
        }
        Ok(self)
    }
}
