//! What can go wrong with a disk of the host. Every message names the file and what to do.

use crate::host::OsError;
use crate::host::map::MapError;
use std::io;
use std::path::{Path, PathBuf};

/// An error of a disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// There is no such file.
    #[error(
        "{}: no such file; check the name, or make an image with `qemu-img create`",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file may not be opened with the access that the run needs.
    #[error("{}: permission denied; it must be {need} for you", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// The access that is needed: `readable`, or `readable and writable`.
        need: &'static str,
    },
    /// The path is a directory.
    #[error("{}: is a directory; name an image in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The path is a pipe, a socket or a character device.
    #[error("{}: is no image: neither a regular file nor a block device; name one", path.display())]
    NotAnImage {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the image open in a way that excludes this one.
    #[error("{}: is in use by {other}; wait for its end, or work on a copy", path.display())]
    InUse {
        /// The image.
        path: PathBuf,
        /// Which process has it.
        other: &'static str,
    },
    /// The image's content is not what its format demands.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The image.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The image uses a feature that rr cannot read or write.
    #[error("{}: uses {feature}, which rr does not support; {advice}", path.display())]
    Unsupported {
        /// The image.
        path: PathBuf,
        /// The feature.
        feature: String,
        /// What the user can do.
        advice: &'static str,
    },
    /// The image that another one is based on cannot be used.
    #[error("backing file of {}", path.display())]
    Backing {
        /// The image that names it.
        path: PathBuf,
        /// The error of the other image.
        #[source]
        cause: Box<DiskError>,
    },
    /// A file beside the disks cannot be read.
    #[error(transparent)]
    File(#[from] MapError),
    /// Any other error of the host.
    #[error("{}: cannot {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operation that failed, as in "cannot ...".
        doing: &'static str,
        /// The host's error.
        #[source]
        cause: OsError,
    },
    /// A replay's overlay can be made neither beside the recording nor in the system's folder for
    /// temporary files.
    #[error(
        "cannot make the replay's overlay in {}, nor in {}",
        folder.display(), temporary.display()
    )]
    Scratch {
        /// The folder that was tried first.
        folder: PathBuf,
        /// The folder for temporary files.
        temporary: PathBuf,
        /// The host's error in the first folder.
        #[source]
        cause: OsError,
    },
    /// A request succeeded in the recording and fails in the replay, on the replay's own disk.
    #[error(
        "{}: the replay's own disk failed at operation {id}, which the recording's did not",
        path.display()
    )]
    Replay {
        /// The image.
        path: PathBuf,
        /// The operation.
        id: u64,
        /// The host's error.
        #[source]
        cause: OsError,
    },
    /// A request for a drive that the machine does not have.
    #[error(
        "internal error: operation {id} is for drive {drive}, and there is none; please report it"
    )]
    NoDrive {
        /// The drive.
        drive: u8,
        /// The operation.
        id: u64,
    },
    /// Two operations with one number, or a wait for an operation that was never submitted.
    #[error("internal error: operation {id} {what}; please report it")]
    Operation {
        /// The operation.
        id: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl DiskError {
    /// Turns the host's error on opening a file into a [`DiskError`].
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

    /// Turns the host's error on a file in use into a [`DiskError::Io`]. A file that is missing
    /// here is no mistake of the user.
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io {
            path,
            doing,
            cause: cause.into(),
        }
    }

    /// Makes a [`DiskError::Format`].
    pub(super) fn format(path: &Path, reason: impl Into<String>) -> Self {
        Self::Format {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
