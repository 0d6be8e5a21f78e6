//! The errors of the engine.
//!
//! An error's text says what is wrong. Its cause is its `source()`, and the text does not repeat
//! it; [`chain`] joins both. The front end says what the user can do, in its own words.

mod fault;
mod option;
mod refusal;

pub use fault::{Damage, NameError, RecordingFault, Unsealed};
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
        /// Path of the file.
        path: PathBuf,
        /// The operation that failed, as in "cannot ...".
        doing: &'static str,
        /// The host's error.
        #[source]
        cause: OsError,
    },
    /// The host refused something other than a file: a thread, signals, waiting.
    #[error("cannot {doing}")]
    Host {
        /// The operation that failed, as in "cannot ...".
        doing: &'static str,
        /// The host's error.
        #[source]
        cause: OsError,
    },
    /// A file could not be mapped.
    #[error(transparent)]
    Map(#[from] crate::host::map::MapError),
    /// A directory is no recording, or is damaged.
    #[error("{}", path.display())]
    Recording {
        /// The directory or the file in it.
        path: PathBuf,
        /// The fault.
        #[source]
        fault: RecordingFault,
    },
    /// The event log of a recording cannot be read.
    #[error("{}", path.display())]
    Log {
        /// Path of the log.
        path: PathBuf,
        /// The error in it.
        #[source]
        cause: replay_format::Error,
    },
    /// An image is not the recorded one.
    #[error(
        "{}: {role} changed since the recording: {field} was {recorded}, is {found}",
        path.display()
    )]
    Image {
        /// Path of the image.
        path: PathBuf,
        /// Its role: kernel, bios, initrd, a drive.
        role: String,
        /// The fact that differs: size or BLAKE3.
        field: &'static str,
        /// The recorded value.
        recorded: String,
        /// The present value.
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
    /// The monitor's socket could not be opened.
    #[error("monitor at {address}")]
    Monitor {
        /// The address, as the user typed it.
        address: String,
        /// The host's error.
        #[source]
        cause: OsError,
    },
    /// An event could not be written to the log.
    #[error("{}: cannot write event", path.display())]
    WriteEvent {
        /// Path of the log.
        path: PathBuf,
        /// The error of the writer.
        #[source]
        cause: replay_format::WriteError,
    },
    /// The host has too little memory.
    #[error(transparent)]
    Memory(#[from] machine::ram::OutOfMemory),
    /// A text cannot be the name of a snapshot.
    #[error(transparent)]
    SnapshotName(#[from] NameError),
    /// The run cannot do what was requested.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The work was cancelled.
    #[error("it was cancelled")]
    Cancelled,
    /// The replay diverged from the recording.
    #[error(transparent)]
    Diverged(#[from] Box<Divergence>),
    /// A fault of the engine itself.
    #[error("internal error: {0}; please report it")]
    Internal(&'static str),
}

impl Error {
    /// Makes an [`Error::File`] of the host's error, for `map_err`.
    pub fn file(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File {
            path,
            doing,
            cause: cause.into(),
        }
    }

    /// Makes an [`Error::Host`] of the host's error, for `map_err`.
    pub fn host(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Host {
            doing,
            cause: cause.into(),
        }
    }

    /// Makes an [`Error::Recording`].
    pub fn recording(path: &Path, fault: impl Into<RecordingFault>) -> Self {
        Self::Recording {
            path: path.to_owned(),
            fault: fault.into(),
        }
    }
}

/// The texts of an error and of its causes, joined with ": ".
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let texts = successors(Some(error), |error| error.source()).map(ToString::to_string);
    texts.collect::<Vec<_>>().join(": ")
}
