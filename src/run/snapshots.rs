//! Taking snapshots of a run.

use crate::error::{Error, RecordingFault};
use crate::host::disk::{Below, DriveOptions, Format};
use crate::recording::snapshot::pages::Packed;
use crate::recording::snapshot::{
    Chain, FIRST, FORMAT, Layer, PAGES, STATE, Saved, Snapshot, Store,
};
use crate::run::driver::Outside;
use machine::Machine;
use std::fs::File;

/// Pages from one look at whether the work is to be given up to the next.
const PATIENCE: usize = 256;

/// What snapshots a run makes without being asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// One at this instruction count, by this name.
    pub at: Option<(u64, String)>,
    /// One at every so many instructions, from 1.
    pub every: Option<u64>,
    /// Bytes that all of them may take on the disk: the oldest go, but for the first.
    pub budget: Option<u64>,
}

impl Plan {
    /// What a recording does if the user says nothing.
    pub fn recording() -> Self {
        Self {
            at: Some((0, FIRST.to_owned())),
            ..Self::default()
        }
    }
}

/// Takes the snapshots of a run. It knows since when what has changed.
#[derive(Debug)]
pub struct Snapshotter {
    /// The snapshots of the recording.
    pub store: Store,
    drives: Vec<Drive>,
    plan: Plan,
    /// The last snapshot that was taken or loaded.
    parent: Option<String>,
    /// Keeps others from deleting it.
    held: Option<File>,
    /// The hash of each page of RAM then.
    base: Vec<u128>,
    /// The same at power-on.
    power_on: Vec<u128>,
}

/// A drive that the guest may write to.
#[derive(Debug)]
struct Drive {
    number: u8,
    file: String,
    image: Below,
}

impl Snapshotter {
    /// For a machine at power-on, with these drives as the recording has them.
    ///
    /// # Errors
    /// A drive whose name cannot be kept.
    pub fn new(
        store: Store,
        drives: &[DriveOptions],
        plan: Plan,
        machine: &mut Machine,
    ) -> Result<Self, Error> {
        let power_on = machine.page_hashes().to_vec();
        let drives = drives.iter().enumerate();
        let drives = drives.filter(|(_, drive)| !drive.readonly);
        let drives = drives.map(|(place, drive)| {
            let name = drive.file.to_str();
            let name =
                name.ok_or_else(|| Error::recording(&drive.file, RecordingFault::DriveName))?;
            Ok(Drive {
                number: place as u8,
                file: format!("drive-{}.qcow2", drive.name(place)),
                image: Below {
                    name: name.to_owned(),
                    format: drive.format.unwrap_or(Format::Raw),
                },
            })
        });
        Ok(Self {
            store,
            drives: drives.collect::<Result<_, Error>>()?,
            plan,
            parent: None,
            held: None,
            base: power_on.clone(),
            power_on,
        })
    }

    /// Pages at power-on, by their hashes.
    pub(crate) fn power_on_hashes(&self) -> &[u128] {
        &self.power_on
    }

    /// The machine is now as it was at this snapshot (`None`: at power-on).
    pub fn moved(&mut self, to: Option<&str>, machine: &mut Machine) {
        self.base.clear();
        self.base.extend_from_slice(machine.page_hashes());
        self.parent = to.map(str::to_owned);
        self.hold();
    }

    /// The machine is now as it was at a snapshot of another recording: the next one here holds
    /// everything.
    ///
    /// # Errors
    /// If the layers of a disk cannot be read.
    pub fn hold_all(&mut self, chain: &Chain, outside: &Outside<'_>) -> Result<(), Error> {
        let Some(disks) = outside.disks else {
            return Ok(());
        };
        for drive in &self.drives {
            for layer in chain.layers(drive.number) {
                disks.forget(drive.number, &layer)?;
            }
        }
        Ok(())
    }

    /// The next snapshot lies on none: it holds all that differs from power-on.
    pub(crate) fn start_over(&mut self) {
        self.base.clone_from(&self.power_on);
        self.parent = None;
        self.hold();
    }

    fn hold(&mut self) {
        self.held = self
            .parent
            .as_deref()
            .and_then(|name| self.store.hold(name));
    }

    /// The instruction count at which the next snapshot is due, where `done` are executed: that, or
    /// a later one.
    pub fn due(&self, done: u64) -> Option<u64> {
        let at = self.plan.at.as_ref().map(|(at, _)| *at);
        let at = at.filter(|at| *at >= done);
        let every = self.plan.every.filter(|every| *every > 0);
        let every = every.and_then(|every| (done / every + 1).checked_mul(every));
        [at, every].into_iter().flatten().min()
    }

    /// Takes the snapshot that is due by itself, unless there is one for this instruction count.
    /// One that the user named is taken in any case.
    ///
    /// # Errors
    /// As for [`Snapshotter::take`].
    pub fn take_due(&mut self, machine: &mut Machine, outside: Outside<'_>) -> Result<(), Error> {
        let icount = machine.icount();
        if let Some((_, name)) = self.plan.at.take_if(|(at, _)| *at <= icount) {
            return self.take(&name, machine, outside, &|| false).map(|_| ());
        }
        let name = format!("at-{icount}");
        if self.store.has(&name) {
            return Ok(());
        }
        self.take(&name, machine, outside, &|| false)?;
        if let Some(budget) = self.plan.budget {
            self.held = None;
            let thinned = self.store.thin(budget);
            self.hold();
            thinned?;
        }
        Ok(())
    }

    /// Takes a snapshot; `give_up` is asked now and then.
    ///
    /// # Errors
    /// What keeps it from being written; then nothing of it is there. [`Error::Cancelled`].
    pub fn take(
        &mut self,
        name: &str,
        machine: &mut Machine,
        outside: Outside<'_>,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Snapshot, Error> {
        let draft = self.store.draft(name)?;
        let (state, digest) = machine.save_with_digest();
        let hashes = machine.known_page_hashes().to_vec();
        let mut packed = Packed::default();
        let changed = hashes.iter().zip(&self.base).enumerate();
        let changed = changed.filter(|(_, (now, before))| now != before);
        for (done, (page, (hash, _))) in changed.enumerate() {
            if done % PATIENCE == 0 && give_up() {
                return Err(Error::Cancelled);
            }
            let page = page as u32;
            packed.add(page, *hash, machine.page(page).unwrap_or_default());
        }
        packed.write(&draft.path(PAGES))?;
        let Outside {
            log,
            disks,
            pending,
            failed,
        } = outside;
        let layers = match disks {
            Some(_) => self.drives.iter().map(|drive| self.layer(drive)).collect(),
            None => Vec::new(),
        };
        if let Some(disks) = disks {
            for layer in &layers {
                disks.save(layer.drive, &draft.path(&layer.file), &layer.below)?;
            }
        }
        let saved = Saved {
            machine: state,
            pending,
            failed,
        };
        saved.write(&draft.path(STATE))?;
        if give_up() {
            return Err(Error::Cancelled);
        }
        let snapshot = draft.commit(Snapshot {
            format: FORMAT,
            state_format: machine::state::FORMAT,
            name: name.to_owned(),
            parent: self.parent.clone(),
            icount: machine.icount(),
            virtual_time: machine.now(),
            log,
            digest: format!("{digest:032x}"),
            pinned: false,
            files: Vec::new(),
            drives: layers,
        })?;
        if let Some(disks) = disks {
            disks.saved();
        }
        self.base = hashes;
        self.parent = Some(name.to_owned());
        self.hold();
        Ok(snapshot)
    }

    /// The layer of a drive in a snapshot that is taken now.
    fn layer(&self, drive: &Drive) -> Layer {
        let below = match &self.parent {
            Some(parent) => Below {
                name: format!("../{parent}/{}", drive.file),
                format: Format::Qcow2,
            },
            None => drive.image.clone(),
        };
        Layer {
            drive: drive.number,
            file: drive.file.clone(),
            below,
        }
    }

    /// Deletes a snapshot. Is it the one that the run has gone on from, what it held counts as
    /// changed since its parent.
    ///
    /// # Errors
    /// As for [`Store::delete`].
    pub fn delete(&mut self, name: &str, outside: Outside<'_>) -> Result<(), Error> {
        let own = self.parent.as_deref() == Some(name);
        let before = if own {
            Some(self.before(name, &outside)?)
        } else {
            None
        };
        self.held = None;
        let deleted = self.store.delete(name);
        if let (Ok(()), Some((parent, base))) = (&deleted, before) {
            (self.parent, self.base) = (parent, base);
        }
        self.hold();
        deleted
    }

    /// The parent of the snapshot that this run lies on, and the hashes of its pages. The disks
    /// count what the snapshot held as changed.
    fn before(
        &self,
        name: &str,
        outside: &Outside<'_>,
    ) -> Result<(Option<String>, Vec<u128>), Error> {
        let chain = self.store.open(name)?;
        let base = chain.without_last(&self.base)?;
        if let Some(disks) = outside.disks {
            for drive in &self.drives {
                if let Some(layer) = chain.layers(drive.number).last() {
                    disks.forget(drive.number, layer)?;
                }
            }
        }
        Ok((chain.snapshot.parent.clone(), base))
    }
}
