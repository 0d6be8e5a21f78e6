//! What can go wrong outside the guest.
//!
//! An error says in its text what is wrong, and has its cause as `source()`, which the text does
//! not repeat: [`chain`] joins them. What to do about it is said by the front end, in its own
//! words.

mod fault;
mod option;
mod refusal;

pub use fault::{Damage, NameError, RecordingFault};
pub use option::OptionFault;
pub use refusal::Refusal;

use crate::divergence::Divergence;
use crate::host::OsError;
use std::io;
use std::iter::successors;
use std::path::{Path, PathBuf};

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be used.
    #[error("{}: cannot {doing}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What was tried, as in "cannot ...".
        doing: &'static str,
        /// Why it failed.
        #[source]
        cause: OsError,
    },
    /// The host refused something that is no file: a thread, signals, waiting.
    #[error("cannot {doing}")]
    Host {
        /// What was tried, as in "cannot ...".
        doing: &'static str,
        /// Why it failed.
        #[source]
        cause: OsError,
    },
    /// A file of the host could not be mapped.
    #[error(transparent)]
    Map(#[from] crate::host::map::MapError),
    /// A directory is no recording, or is damaged.
    #[error("{}", path.display())]
    Recording {
        /// The directory or the file in it.
        path: PathBuf,
        /// What is wrong.
        #[source]
        fault: RecordingFault,
    },
    /// The event log of a recording cannot be read.
    #[error("{}", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// What is wrong in it.
        #[source]
        cause: replay_format::Error,
    },
    /// An image is not what was recorded.
    #[error(
        "{}: {role} changed since the recording: {field} was {recorded}, is {found}",
        path.display()
    )]
    Image {
        /// The image.
        path: PathBuf,
        /// What it is for: kernel, bios, initrd, a drive.
        role: String,
        /// Size or BLAKE3.
        field: &'static str,
        /// What was recorded.
        recorded: String,
        /// What is there now.
        found: String,
    },
    /// A disk cannot be used.
    #[error(transparent)]
    Disk(#[from] crate::host::disk::DiskError),
    /// A network cannot be used.
    #[error(transparent)]
    Net(#[from] crate::host::net::NetError),
    /// The guest cannot be loaded.
    #[error(transparent)]
    Boot(#[from] machine::boot::BootError),
    /// An option has a value that cannot be used.
    #[error("{}", .0.setting())]
    Option(#[from] OptionFault),
    /// The host's serial backend could not be opened.
    #[error(transparent)]
    Serial(#[from] crate::host::serial::SerialError),
    /// The monitor cannot listen there.
    #[error("monitor at {address}")]
    Monitor {
        /// The place, as the user typed it.
        address: String,
        /// Why.
        #[source]
        cause: OsError,
    },
    /// An event could not be written to the log.
    #[error("{}: cannot write event", path.display())]
    WriteEvent {
        /// The log.
        path: PathBuf,
        /// Why.
        #[source]
        cause: replay_format::WriteError,
    },
    /// A snapshot cannot have this name.
    #[error(transparent)]
    SnapshotName(#[from] NameError),
    /// Something was asked that cannot be done here.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Work was given up because somebody wanted that.
    #[error("it was cancelled")]
    Cancelled,
    /// The replay left the recording.
    #[error(transparent)]
    Diverged(#[from] Box<Divergence>),
    /// The engine itself is at fault.
    #[error("internal error: {0}; please report it")]
    Internal(&'static str),
}

impl Error {
    /// An [`Error::File`], for use with `map_err`.
    pub fn file(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File {
            path,
            doing,
            cause: cause.into(),
        }
    }

    /// An [`Error::Host`], for use with `map_err`.
    pub fn host(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Host {
            doing,
            cause: cause.into(),
        }
    }

    /// An [`Error::Recording`].
    pub fn recording(path: &Path, fault: impl Into<RecordingFault>) -> Self {
        Self::Recording {
            path: path.to_owned(),
            fault: fault.into(),
        }
    }
}

/// The text of an error and of its causes, joined with ": ".
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let texts = successors(Some(error), |error| error.source()).map(ToString::to_string);
    texts.collect::<Vec<_>>().join(": ")
}
