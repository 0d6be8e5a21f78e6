//! What can go wrong outside the guest. Every message names the thing and what to do.

use crate::divergence::Divergence;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be used.
    #[error("{}: cannot {doing}: {}{}", path.display(), plain(cause), advice(cause))]
    File {
        /// Its path.
        path: PathBuf,
        /// What was tried, as in "cannot ...".
        doing: &'static str,
        /// Why it failed. Part of the message, so not the `source()` too; likewise below.
        cause: io::Error,
    },
    /// A file of the host could not be mapped.
    #[error(transparent)]
    Map(#[from] crate::host::map::MapError),
    /// A directory is no recording, or is damaged.
    #[error("{}: {reason}", path.display())]
    Recording {
        /// The directory or the file in it.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The event log of a recording cannot be read.
    #[error("{}: {cause}", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// What is wrong in it.
        cause: replay_format::Error,
    },
    /// An image is not what was recorded.
    #[error("{}: {role} changed since the recording: {field} was {recorded}, is {found}; \
             restore it, or pass --allow-changed-images to replay regardless", path.display())]
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
    #[error("{option}: {reason}")]
    Option {
        /// The option, as the user typed it.
        option: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The host's serial backend could not be set up.
    #[error("--serial {backend}: {}{}", plain(cause), peer_advice(cause))]
    Serial {
        /// The backend, as the user typed it.
        backend: String,
        /// Why.
        cause: io::Error,
    },
    /// The monitor cannot listen there.
    #[error("--qmp {address}: {}{}", plain(cause), socket_advice(cause))]
    Monitor {
        /// The place, as the user typed it.
        address: String,
        /// Why.
        cause: io::Error,
    },
    /// An event could not be written to the log.
    #[error("{}: cannot write event: {cause}", path.display())]
    WriteEvent {
        /// The log.
        path: PathBuf,
        /// Why.
        cause: replay_format::WriteError,
    },
    /// A snapshot cannot have this name.
    #[error(transparent)]
    SnapshotName(#[from] crate::recording::snapshot::NameError),
    /// Something was asked that cannot be done here.
    #[error("{0}")]
    Refused(&'static str),
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
        move |cause| Self::File { path, doing, cause }
    }

    /// An [`Error::Recording`].
    pub fn recording(path: &Path, reason: impl Into<String>) -> Self {
        Self::Recording {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// The message without the "(os error N)" that helps nobody.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "; make room and record again"
        }
        io::ErrorKind::PermissionDenied => "; check its permissions",
        io::ErrorKind::NotFound => "; does its folder exist?",
        io::ErrorKind::NotADirectory => "; a part of the path is a file",
        io::ErrorKind::IsADirectory => "; name a file",
        io::ErrorKind::ReadOnlyFilesystem => "; choose a place that can be written",
        _ => "",
    }
}

/// What to do where a socket cannot listen.
fn socket_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: end it, or choose another place"
        }
        _ => advice(error),
    }
}

/// What to do where a socket cannot be opened.
fn peer_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "; start what listens there first, or wait for it with unix:PATH,server=on"
        }
        io::ErrorKind::AddrInUse => "; remove the socket if nobody uses it, or choose another path",
        _ => advice(error),
    }
}
