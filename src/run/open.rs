//! A recording, opened to be replayed.

use crate::error::Error;
use crate::host::disk::Disk;
use crate::host::serial::{Backend, Input, Output, Serial};
use crate::notes::Notes;
use crate::recording::digests::Digests;
use crate::recording::snapshot::{Chain, FIRST, Store};
use crate::recording::{LOG, MANIFEST, Recording};
use crate::run::driver::Driver;
use crate::run::drives::Disks;
use crate::run::images::Images;
use crate::run::replay::Replayer;
use crate::run::snapshots::Keeper;
use crate::run::verify_images::Measuring;
use crate::session::control::Control;
use crate::session::launch::ReplayHow;
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

/// A recording that replays can start from, several at once: its images are mapped, and are those that were recorded.
pub(crate) struct Opened<'r> {
    recording: &'r Recording,
    digests: Digests,
    images: Images,
}

impl<'r> Opened<'r> {
    /// Opens what a recording was started from, and checks that it is that; `changed` allows other images. The disks are checked
    /// by [`Measuring`].
    ///
    /// # Errors
    /// Whatever keeps it from starting.
    pub(crate) fn new(recording: &'r Recording, changed: bool) -> Result<(Self, Vec<Disk>), Error> {
        let options = &recording.manifest.machine;
        options.check().map_err(|error| match error {
            Error::Option { option, reason } => {
                let manifest = recording.path(MANIFEST);
                Error::recording(&manifest, format!("{option}: {reason}"))
            }
            other => other,
        })?;
        let digests = recording.digests()?;
        let disks = Disks::replay(recording)?.open(None)?;
        let images = Images::of(recording, changed, &disks)?;
        let opened = Self {
            recording,
            digests,
            images,
        };
        Ok((opened, disks))
    }

    /// A replay at power-on.
    ///
    /// # Errors
    /// Whatever keeps it from starting.
    pub(crate) fn switch_on<'l>(
        &self,
        disks: Vec<Disk>,
        how: &ReplayHow,
        log: &'l Log<'l>,
        output: Output,
    ) -> Result<Ready<'l>, Error> {
        let recording = self.recording;
        let mut machine = self.images.machine(&recording.manifest.machine)?;
        let drives = Disks::replay(recording)?;
        let pool = drives.start(disks)?;
        let (path, digests) = (recording.path(LOG), self.digests.clone());
        let replayer = Replayer::new(path, log, digests, output, drives, pool);
        let keep_in = how.keep_in.as_deref().unwrap_or(recording.dir());
        let keeper = Keeper::new(
            Store::of(keep_in),
            &recording.drives(),
            how.plan.clone(),
            &mut machine,
        )?;
        Ok(Ready {
            machine,
            replayer,
            keeper,
            from: 0,
            measuring: None,
        })
    }
}

/// Opens a recording for one replay. The machine is at power-on.
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
    notes: &Notes,
) -> Result<(Option<Input>, Ready<'l>), Error> {
    let (opened, disks) = Opened::new(recording, how.changed_images)?;
    let measuring = match how.changed_images {
        false => Measuring::check(recording, &disks, stop, control, notes)?,
        true => None,
    };
    let Serial { input, output } = Serial::open(serial, stop, notes)?;
    let ready = Ready {
        measuring,
        ..opened.switch_on(disks, how, log, output)?
    };
    Ok((input, ready))
}

impl Ready<'_> {
    /// Brings machine and driver from power-on to the place at which the replay begins.
    ///
    /// # Errors
    /// A snapshot that cannot be loaded; a log that does not begin as one does.
    pub(crate) fn at_start(self, recording: &Recording, how: &ReplayHow) -> Result<Self, Error> {
        // A slice has no power-on.
        let slice = recording.manifest.slice.as_ref().map(|_| FIRST);
        let name = how.from.as_deref().or(slice);
        let store = Store::of(recording.dir());
        let chain = name.map(|name| store.open(name)).transpose()?;
        self.at(chain.as_ref(), how)
    }

    /// The same to a snapshot that is open; `None`: it is there.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn at(mut self, chain: Option<&Chain>, how: &ReplayHow) -> Result<Self, Error> {
        let Some(chain) = chain else {
            self.replayer.begin()?;
            return Ok(self);
        };
        self.from = chain.snapshot.icount;
        let loaded = chain.load_at_power_on(&mut self.machine)?;
        self.replayer.travel(Some((chain, loaded)))?;
        match &how.keep_in {
            None => {
                let name = Some(chain.snapshot.name.as_str());
                self.keeper.moved(name, &mut self.machine);
            }
            Some(_) => {
                let outside = self.replayer.outside(self.from)?;
                self.keeper.hold_all(chain, &outside)?;
            }
        }
        Ok(self)
    }
}
