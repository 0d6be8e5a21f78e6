//! Errors in the words of the command line: options by their names, and advice.
//!
//! The engine says what is wrong, and serves other programs too. So advice, and all names of
//! options and subcommands, stand here.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::iter::successors;

use rr::error::{Error, OptionFault, RecordingFault};
use rr::host::disk::DiskError;
use rr::host::net::NetError;
use rr::host::serial::SerialError;
use rr::recording::LOG;

/// The text of the error and its causes, joined with ": ", and advice.
pub(crate) fn of(error: &(dyn StdError + 'static)) -> String {
    let chain = successors(Some(error), |&error| error.source());
    let texts: Vec<String> = chain.clone().map(text).collect();
    let advice = chain.filter_map(advice).last();
    texts.join(": ") + advice.unwrap_or_default()
}

/// The text of an error without its causes.
fn text(error: &(dyn StdError + 'static)) -> String {
    if let Some(RecordingFault::Option(fault)) = error.downcast_ref() {
        return option(fault).to_owned();
    }
    match error.downcast_ref() {
        Some(Error::Option(fault)) => option(fault).to_owned(),
        Some(Error::Serial(SerialError::Backend { backend, .. })) => format!("--serial {backend}"),
        Some(Error::Monitor { address, .. }) => format!("--qmp {address}"),
        _ => error.to_string(),
    }
}

/// The option of a setting that is not valid.
fn option(fault: &OptionFault) -> &'static str {
    match fault {
        OptionFault::MemoryTooSmall { .. } | OptionFault::MemoryTooLarge { .. } => "-m",
        OptionFault::Shift { .. } => "--icount",
        OptionFault::Harts { .. } => "--smp",
        OptionFault::Devices { .. } | OptionFault::DriveNames(_) => "--drive",
        OptionFault::NothingToRun => "--kernel",
        _ => fault.setting(),
    }
}

/// The advice for an error, as the end of a sentence.
fn advice(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<Error>() {
        return of_engine(error);
    }
    if let Some(fault) = error.downcast_ref::<RecordingFault>() {
        return of_recording(fault);
    }
    if let Some(OptionFault::NothingToRun) = error.downcast_ref() {
        return Some(" with --bios");
    }
    error.downcast_ref::<DiskError>().and_then(of_disk)
}

fn of_engine(error: &Error) -> Option<&'static str> {
    match error {
        Error::File { cause, .. } => of_file(cause.kind()),
        Error::Serial(SerialError::Backend { cause, .. }) => of_serial(cause.kind()),
        Error::Serial(SerialError::Output { cause, .. }) => of_file(cause.kind()),
        Error::Monitor { cause, .. } => of_monitor(cause.kind()),
        Error::Image { .. } => {
            Some("; restore it, or pass --allow-changed-images to replay regardless")
        }
        Error::Disk(error) => of_disk(error),
        Error::Memory(_) => Some("; end other programs, or raise the limit (ulimit -v)"),
        Error::Net(NetError::Forward { .. }) => {
            Some("; name another port or address, or end what listens there")
        }
        _ => None,
    }
}

fn of_recording(fault: &RecordingFault) -> Option<&'static str> {
    match fault {
        RecordingFault::Exists => Some(", or pass --overwrite"),
        RecordingFault::Unsealed(file) if file.name == LOG => {
            Some("; restore it from a copy, or save what is whole of it with `rr repair`")
        }
        RecordingFault::Unsealed(_) => Some("; restore it from a copy"),
        RecordingFault::Json(_) => Some("; restore it from a copy"),
        RecordingFault::NoSnapshot { known, .. } if known.is_empty() => {
            Some("; rr snapshot save makes one")
        }
        RecordingFault::SnapshotFormats { .. } => {
            Some(": make it anew with `rr snapshot save`, or use the rr that made it")
        }
        RecordingFault::SnapshotMembers(_) => {
            Some("; make it anew (rr snapshot delete, then save), or use the rr that made it")
        }
        RecordingFault::Snapshot(_) => {
            Some("; delete this snapshot (rr snapshot delete), or restore it from a copy")
        }
        _ => None,
    }
}

fn of_disk(error: &DiskError) -> Option<&'static str> {
    match error {
        DiskError::Replay { .. } | DiskError::Scratch { .. } => {
            Some("; make room, or set TMPDIR to a folder that has some")
        }
        _ => None,
    }
}

fn of_file(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Some("; make room and record again")
        }
        ErrorKind::PermissionDenied => Some("; check its permissions"),
        ErrorKind::NotFound => Some("; does its folder exist?"),
        ErrorKind::NotADirectory => Some("; a part of the path is a file"),
        ErrorKind::IsADirectory => Some("; name a file"),
        ErrorKind::ReadOnlyFilesystem => Some("; choose a place that can be written"),
        _ => None,
    }
}

/// The advice for a monitor's address that cannot be used.
fn of_monitor(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::AddrInUse => {
            Some("; another program listens there: end it, or choose another place")
        }
        _ => of_file(kind),
    }
}

/// The advice for a serial backend that cannot be opened.
fn of_serial(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Some("; start what listens there first, or wait for it with unix:PATH,server=on")
        }
        ErrorKind::AddrInUse => {
            Some("; remove the socket if nobody uses it, or choose another path")
        }
        _ => of_file(kind),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error as IoError, ErrorKind};
    use std::path::Path;

    use rr::error::{Error, OptionFault, chain};

    #[test]
    fn options_by_their_names() {
        let error = Error::from(OptionFault::Harts { found: 9, most: 8 });
        assert_eq!(chain(&error), "harts: 9 harts; expected 1 to 8");
        assert_eq!(super::of(&error), "--smp: 9 harts; expected 1 to 8");
        let error = Error::from(OptionFault::NothingToRun);
        let expected = "--kernel: nothing to run; name a kernel, or firmware with --bios";
        assert_eq!(super::of(&error), expected);
    }

    #[test]
    fn advice_behind_the_causes() {
        let full = IoError::from(ErrorKind::StorageFull);
        let error = Error::file(Path::new("a/b"), "write the log")(full);
        let expected = "a/b: cannot write the log: no storage space; make room and record again";
        assert_eq!(super::of(&error), expected);
        let error = anyhow::Error::new(error).context("x");
        assert_eq!(super::of(error.as_ref()), format!("x: {expected}"));
    }
}
