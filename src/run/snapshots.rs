//! Takes the snapshots of a run.

use crate::error::{Error, RecordingFault};
use crate::host::disk::{Below, DriveOptions, Format};
use crate::recording::snapshot::pages::Packed;
use crate::recording::snapshot::{
    Chain, FIRST, FORMAT, Layer, PAGES, STATE, Saved, Snapshot, Store,
};
use crate::run::driver::Outside;
use machine::{Icount, Machine};
use std::fs::File;

/// The number of pages between two looks at the cancel flag.
const PATIENCE: usize = 256;

/// When a run takes snapshots by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Take one at this instruction count, with this name.
    pub at: Option<(Icount, String)>,
    /// Take one every so many instructions, from 1.
    pub every: Option<u64>,
    /// Bytes that all snapshots may take on the disk. The oldest are deleted, but not the first.
    pub budget: Option<u64>,
}

impl Plan {
    /// The plan of a recording if the user gives none.
    pub fn recording() -> Self {
        Self {
            at: Some((Icount::ZERO, FIRST.to_owned())),
            ..Self::default()
        }
    }
}

/// Takes the snapshots of a run, and knows the snapshot that their changes are counted from.
#[derive(Debug)]
pub struct Snapshotter {
    /// The snapshots of the recording.
    pub store: Store,
    drives: Vec<Drive>,
    plan: Plan,
    /// Name of the last snapshot that was taken or loaded.
    parent: Option<String>,
    /// Marks that snapshot as needed, so that other processes do not delete it.
    held: Option<File>,
    /// The hash of each page of RAM at that snapshot.
    base: Vec<u128>,
    /// The hash of each page of RAM at power-on.
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
    /// For a machine at power-on, with the drives of the recording.
    ///
    /// # Errors
    /// If a drive's name cannot be part of a file name.
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

    /// The hash of each page of RAM at power-on.
    pub(crate) fn power_on_hashes(&self) -> &[u128] {
        &self.power_on
    }

    /// Notes that the machine is now in the state of this snapshot; `None`: at power-on.
    pub fn moved(&mut self, to: Option<&str>, machine: &mut Machine) {
        self.base.clear();
        self.base.extend_from_slice(machine.page_hashes());
        self.parent = to.map(str::to_owned);
        self.hold();
    }

    /// Notes that the machine is now in the state of another recording's snapshot. The next
    /// snapshot here has no parent.
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

    /// Makes the next snapshot one without a parent, which holds everything that differs from
    /// power-on.
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

    /// The instruction count at which the next snapshot is due, when `done` instructions are
    /// executed. It is `done` or larger.
    pub fn due(&self, done: Icount) -> Option<Icount> {
        let at = self.plan.at.as_ref().map(|(at, _)| *at);
        let at = at.filter(|at| *at >= done);
        let every = self.plan.every.filter(|every| *every > 0);
        let every = every.and_then(|every| (done.get() / every + 1).checked_mul(every));
        let every = every.map(Icount::new);
        [at, every].into_iter().flatten().min()
    }

    /// Takes the snapshot that is due, unless there is one for this instruction count. A snapshot
    /// that the user named is always taken.
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

    /// Takes a snapshot. `give_up` is called from time to time; if it returns true, the work stops.
    ///
    /// # Errors
    /// If it cannot be written; then no part of it stays. [`Error::Cancelled`].
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
            digest: digest.to_string(),
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

    /// The layer of a drive, for a snapshot that is taken now.
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

    /// Deletes a snapshot. If it is the parent of the next snapshot, what it held counts as changed
    /// since its own parent.
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

    /// The parent of the last snapshot, and the hashes of its pages. The disks then count what the
    /// last snapshot held as changed.
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
