//! What can go wrong with a disk of the host. Every message names the file and what to do.

use crate::host::OsError;
use std::io;
use std::path::{Path, PathBuf};

/// An error of a disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// There is no such file.
    #[error("{}: no such file; check the name, or make an image with `qemu-img create`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It may not be opened as it must be.
    #[error("{}: permission denied; it must be {need} for you", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// readable, or readable and writable.
        need: &'static str,
    },
    /// It is a directory.
    #[error("{}: is a directory; name an image in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// It is a pipe, a socket or a character device.
    #[error("{}: is no image: neither a regular file nor a block device; name one", path.display())]
    NotAnImage {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else has it open in a way that excludes this one.
    #[error("{}: is in use by {other}; wait for its end, or work on a copy", path.display())]
    InUse {
        /// The image.
        path: PathBuf,
        /// Who has it.
        other: &'static str,
    },
    /// Its content is not what its format demands.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The image.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// It uses something that rr cannot read or write.
    #[error("{}: uses {feature}, which rr does not support; {advice}", path.display())]
    Unsupported {
        /// The image.
        path: PathBuf,
        /// What it uses.
        feature: String,
        /// What to do.
        advice: &'static str,
    },
    /// The image that another one is based on cannot be used.
    #[error("backing file of {}", path.display())]
    Backing {
        /// The image that names it.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<DiskError>,
    },
    /// Any other trouble of the host.
    #[error("{}: cannot {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, as in "cannot ...".
        doing: &'static str,
        /// Why it failed.
        #[source]
        cause: OsError,
    },
    /// A request went right when it was recorded, and cannot be carried out in the replay.
    #[error(
        "{}: the replay's own disk failed at operation {id}, which the recording's did not",
        path.display()
    )]
    Replay {
        /// The image.
        path: PathBuf,
        /// The operation.
        id: u64,
        /// Why.
        #[source]
        cause: OsError,
    },
    /// A request for a drive that the machine has not.
    #[error(
        "internal error: operation {id} is for drive {drive}, and there is none; please report it"
    )]
    NoDrive {
        /// The drive.
        drive: u8,
        /// The operation.
        id: u64,
    },
    /// Two operations with one number, or a wait for one that was never asked for.
    #[error("internal error: operation {id} {what}; please report it")]
    Operation {
        /// The operation.
        id: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl DiskError {
    /// The error of a file, by what the system said.
    pub(super) fn of(
        path: &Path,
        doing: &'static str,
        write: bool,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| match cause.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::IsADirectory => Self::Directory { path },
            io::ErrorKind::PermissionDenied => Self::Denied {
                path,
                need: if write {
                    "readable and writable"
                } else {
                    "readable"
                },
            },
            _ => Self::Io {
                path,
                doing,
                cause: cause.into(),
            },
        }
    }

    /// The error of a file in use, where a missing one would be no user's mistake.
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io {
            path,
            doing,
            cause: cause.into(),
        }
    }

    /// An [`DiskError::Format`].
    pub(super) fn format(path: &Path, reason: impl Into<String>) -> Self {
        Self::Format {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
