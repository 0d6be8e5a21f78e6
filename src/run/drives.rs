//! The disks of a run: opened at its start, and opened again when the run goes to a snapshot.

use crate::error::Error;
use crate::host::disk::{Disk, DiskPool, DriveOptions, IoErrors, Writes};
use crate::recording::Recording;
use crate::recording::snapshot::Chain;
use crate::run::mailbox::{Mailbox, Message};
use machine::inputs::Arrival;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the disks of a run are opened.
#[derive(Clone)]
pub struct Drives {
    drives: Vec<DriveOptions>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// Overlays go to this recording, if there is one. Results go to the mailbox.
    Record(Option<PathBuf>, Arc<Mailbox>),
    /// The guest's writes are dropped at the end. The recorded failures happen again.
    Replay(PathBuf, IoErrors),
}

impl Drives {
    /// The disks of a run, which is recorded in `dir` if that is given.
    pub(crate) fn record(
        drives: &[DriveOptions],
        dir: Option<&Path>,
        mailbox: &Arc<Mailbox>,
    ) -> Self {
        Self {
            drives: drives.to_vec(),
            kind: Kind::Record(dir.map(Path::to_owned), Arc::clone(mailbox)),
        }
    }

    /// The disks of a replay.
    pub(crate) fn replay(recording: &Recording) -> Result<Self, Error> {
        recording.check_optional(IoErrors::FILE)?;
        let errors = IoErrors::load(&recording.path(IoErrors::FILE))?;
        Ok(Self {
            drives: recording.drives(),
            kind: Kind::Replay(recording.dir().to_owned(), errors),
        })
    }

    /// Notes that the recording has another directory now.
    pub(crate) fn moved(&mut self, to: Option<&Path>) {
        if let Kind::Record(dir, _) = &mut self.kind {
            *dir = to.map(Path::to_owned);
        }
    }

    /// The disks' options.
    pub(crate) fn options(&self) -> &[DriveOptions] {
        &self.drives
    }

    /// Opens the disks as they were at a snapshot; `None`: at power-on.
    pub(crate) fn open(&self, at: Option<&Chain>) -> Result<Vec<Disk>, Error> {
        let open = |(place, drive): (usize, &DriveOptions)| {
            let number = u8::try_from(place).ok();
            let layers = at.zip(number).map(|(chain, drive)| chain.layers(drive));
            let layers = layers.unwrap_or_default();
            let overlay = match &self.kind {
                Kind::Record(Some(dir), _) => dir.join(drive.overlay_name(place)),
                Kind::Record(None, _) => return Disk::open_at(drive, &layers, Writes::Image),
                Kind::Replay(dir, _) => {
                    return Disk::open_at(drive, &layers, Writes::Scratch(dir));
                }
            };
            if at.is_some() {
                // A read-only drive has no overlay.
                let _ = std::fs::remove_file(&overlay);
            }
            Disk::open_at(drive, &layers, Writes::Overlay(&overlay))
        };
        let disks = self.drives.iter().enumerate().map(open);
        Ok(disks.collect::<Result<_, _>>()?)
    }

    /// Starts the disks' threads.
    pub(crate) fn start(&self, disks: Vec<Disk>) -> Result<DiskPool, Error> {
        Ok(match &self.kind {
            Kind::Replay(_, errors) => DiskPool::replay(disks, errors.clone())?,
            Kind::Record(_, mailbox) => {
                let mailbox = Arc::clone(mailbox);
                let done = move |drive, id, result| {
                    mailbox.post(Message::Arrival(Arrival::Block { drive, id, result }));
                };
                DiskPool::record(disks, Box::new(done))?
            }
        })
    }
}
