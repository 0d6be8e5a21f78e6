//! Files mapped into memory, read-only.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::host::OsError;
use memmap2::{Mmap, MmapOptions};

/// The bytes of a file, as they were when it was opened; what is appended later is not in it.
///
/// A page that the file no longer has, because somebody cut it meanwhile, raises SIGBUS when it is read.
#[derive(Debug)]
pub struct MappedFile {
    /// `None` for an empty file: a mapping of no bytes is an error on Linux.
    map: Option<Mmap>,
}

/// Why a file cannot be mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// There is no such file.
    #[error("{path}: no such file; check the name")]
    Missing {
        /// The file as it was named.
        path: PathBuf,
    },
    /// It may not be read.
    #[error("{path}: permission denied; it must be readable for you")]
    Denied {
        /// The file as it was named.
        path: PathBuf,
    },
    /// It is a directory.
    #[error("{path}: is a directory; name a file in it")]
    Directory {
        /// The directory as it was named.
        path: PathBuf,
    },
    /// It is a pipe, a device, a socket: those have no bytes that stay.
    #[error("{path}: not a regular file; write it to one first, and name that")]
    NotRegular {
        /// The file as it was named.
        path: PathBuf,
    },
    /// Any other trouble.
    #[error("{path}: cannot be read")]
    Io {
        /// The file as it was named.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: OsError,
    },
}

impl MappedFile {
    /// Maps a regular file.
    ///
    /// # Errors
    /// [`MapError`], which names the path.
    pub fn open(path: &Path) -> Result<MappedFile, MapError> {
        let fail = |error| MapError::new(path, error);
        // Looked at before it is opened: opening a pipe would wait for a writer.
        let found = std::fs::metadata(path).map_err(fail)?;
        if found.is_dir() {
            let path = path.to_owned();
            return Err(MapError::Directory { path });
        }
        if !found.is_file() {
            let path = path.to_owned();
            return Err(MapError::NotRegular { path });
        }
        let file = File::open(path).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        if len == 0 {
            return Ok(MappedFile { map: None });
        }
        let len = usize::try_from(len)
            .map_err(|_| fail(io::Error::other("it is larger than the address space")))?;
        let map = map(&file, len).map_err(fail)?;
        #[cfg(unix)]
        // Only advice: that it fails costs time, no more.
        let _ = map.advise(memmap2::Advice::Sequential);
        Ok(MappedFile { map: Some(map) })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl MapError {
    fn new(path: &Path, cause: io::Error) -> MapError {
        let path = path.to_owned();
        match cause.kind() {
            io::ErrorKind::NotFound => MapError::Missing { path },
            io::ErrorKind::PermissionDenied => MapError::Denied { path },
            io::ErrorKind::IsADirectory => MapError::Directory { path },
            _ => MapError::Io {
                path,
                cause: cause.into(),
            },
        }
    }
}

#[allow(
    unsafe_code,
    reason = "the only way to map a file; ARCHITECTURE.md names this place"
)]
fn map(file: &File, len: usize) -> io::Result<Mmap> {
    // SAFETY: the mapping is private and read-only: nothing is written through it, and it lives as long
    // as the slice that is lent from it. Other processes can still change the file under it. rr itself
    // only ever appends to a log, behind the `len` bytes mapped here. Whoever overwrites it in place
    // changes bytes that are plain data without any invalid value, and that the parser reads with bounds
    // checks at every step: the outcome is a wrong event, which replay notices by its digests. Whoever
    // truncates it makes the pages beyond the new end raise SIGBUS, which ends this process.
    unsafe { MmapOptions::new().len(len).map_copy_read_only(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("rr-map-{}-{name}", std::process::id()))
    }

    #[test]
    fn maps_what_is_there() {
        let path = temporary("full");
        std::fs::write(&path, b"twelve bytes").unwrap();
        let map = MappedFile::open(&path).unwrap();
        assert_eq!(map.bytes(), b"twelve bytes");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(MappedFile::open(&path).unwrap().bytes(), b"");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_appended_later_is_not_in_it() {
        use std::io::Write;
        let path = temporary("grows");
        std::fs::write(&path, b"before").unwrap();
        let map = MappedFile::open(&path).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b" and after").unwrap();
        assert_eq!(map.bytes(), b"before");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn trouble_is_named() {
        let missing = MappedFile::open(&temporary("missing")).unwrap_err();
        assert!(matches!(missing, MapError::Missing { .. }), "{missing}");
        let directory = MappedFile::open(&std::env::temp_dir()).unwrap_err();
        assert!(
            matches!(directory, MapError::Directory { .. }),
            "{directory}"
        );
        let device = MappedFile::open(Path::new("/dev/null")).unwrap_err();
        assert!(matches!(device, MapError::NotRegular { .. }), "{device}");
        let inside_a_file = MappedFile::open(Path::new("/etc/passwd/x")).unwrap_err();
        assert!(inside_a_file.to_string().starts_with("/etc/passwd/x: "));
    }
}
