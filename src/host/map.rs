//! Maps files into memory, read-only.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::host::OsError;
use memmap2::{Mmap, MmapOptions};

/// The bytes of a file, as long as it was when it was opened. Bytes that are appended later are not
/// in it.
///
/// If another process truncates the file, reading a page past the new end raises SIGBUS.
#[derive(Debug)]
pub struct MappedFile {
    /// `None` for an empty file: Linux refuses a mapping of no bytes.
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
    /// The file may not be read.
    #[error("{path}: permission denied; it must be readable for you")]
    Denied {
        /// The file as it was named.
        path: PathBuf,
    },
    /// The path is a directory.
    #[error("{path}: is a directory; name a file in it")]
    Directory {
        /// The directory as it was named.
        path: PathBuf,
    },
    /// The path is a pipe, a device or a socket, whose bytes do not stay.
    #[error("{path}: not a regular file; write it to one first, and name that")]
    NotRegular {
        /// The file as it was named.
        path: PathBuf,
    },
    /// Any other error of the host.
    #[error("{path}: cannot be read")]
    Io {
        /// The file as it was named.
        path: PathBuf,
        /// The host's error.
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
        // Before the file is opened: opening a pipe would wait for a writer.
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
        // The advice is a hint; without it, reading is only slower.
        let _ = map.advise(memmap2::Advice::Sequential);
        Ok(MappedFile { map: Some(map) })
    }

    /// The mapped bytes.
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
    // SAFETY: the mapping is private and read-only. Nothing is written through it, and it lives as
    // long as the slice that is lent from it. Other processes can still change the file. rr itself
    // only appends to a log, behind the `len` bytes mapped here. A process that overwrites these
    // bytes in place changes plain data: every value is valid, and the parser checks bounds at
    // every step. The result is a wrong event, which a replay finds by its digests. A process that
    // truncates the file makes the pages beyond the new end raise SIGBUS, which ends this process.
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
