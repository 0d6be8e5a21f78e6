//! Maps files into memory, read-only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::host::OsError;
use memmap2::{Mmap, MmapOptions};
use rustix::fs::{OFlags, SeekFrom, seek};
use rustix::stdio::stderr;
use signal_hook::consts::SIGBUS;

/// A file of at most this many bytes is read, and not mapped.
const READ: u64 = 64 << 10;
/// A file with holes of at most this many bytes is read, and not mapped. A hole that is read
/// through a mapping takes a page of a tmpfs, and raises SIGBUS if that is full.
const READ_WITH_HOLES: u64 = 64 << 20;
/// The most bytes of holes in a file. Reading them takes time, and they hold nothing.
const MOST_HOLES: u64 = 1 << 30;
/// Bytes of a block of [`MetadataExt::blocks`].
const BLOCK: u64 = 512;

/// The bytes of a file, as long as it was when it was opened. Bytes that are appended later are not
/// in it.
///
/// If another process truncates a large file, reading a page past the new end raises SIGBUS. That
/// ends the process with a message and status 2.
#[derive(Debug)]
pub struct MappedFile {
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Read(Vec<u8>),
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
    /// The file is larger than any file of its kind.
    #[error("{path}: is larger than {limit} bytes, as no such file is; restore it from a copy")]
    TooLarge {
        /// The file as it was named.
        path: PathBuf,
        /// The largest size of such a file, in bytes.
        limit: u64,
    },
    /// The file has more holes than any file that rr reads.
    #[error(
        "{path}: holds almost nothing but zeroes, as no such file does; restore it from a copy"
    )]
    Holes {
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
        let (file, len) = open_regular(path)?;
        let on_disk = file
            .metadata()
            .map_err(fail)?
            .blocks()
            .saturating_mul(BLOCK);
        let len = usize::try_from(len)
            .map_err(|_| fail(io::Error::other("it is larger than the address space")))?;
        let has_holes = on_disk < len as u64;
        if has_holes && holes_beyond(&file, len as u64, MOST_HOLES).map_err(fail)? {
            let path = path.to_owned();
            return Err(MapError::Holes { path });
        }
        if len as u64 <= READ || has_holes && len as u64 <= READ_WITH_HOLES {
            let bytes = Bytes::Read(read(&file, len).map_err(fail)?);
            return Ok(MappedFile { bytes });
        }
        explain_bus_errors();
        let map = map(&file, len).map_err(fail)?;
        #[cfg(unix)]
        // The advice is a hint; without it, reading is only slower.
        let _ = map.advise(memmap2::Advice::Sequential);
        let bytes = Bytes::Mapped(map);
        Ok(MappedFile { bytes })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::Read(bytes) => bytes,
        }
    }
}

/// Opens a regular file, or a link to one. Returns its length in bytes, too.
///
/// # Errors
/// [`MapError`], which names the path.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64), MapError> {
    let fail = |error| MapError::new(path, error);
    let check = |found: std::fs::Metadata| match () {
        () if found.is_dir() => Err(MapError::Directory {
            path: path.to_owned(),
        }),
        () if !found.is_file() => Err(MapError::NotRegular {
            path: path.to_owned(),
        }),
        () => Ok(found.len()),
    };
    // Before the file is opened: opening a device can have effects.
    check(std::fs::metadata(path).map_err(fail)?)?;
    // Another file may have the name by now. Opening a pipe would wait for a writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(flags).open(path);
    let file = file.map_err(fail)?;
    let len = check(file.metadata().map_err(fail)?)?;
    Ok((file, len))
}

/// True if the file has more than `most` bytes of holes.
fn holes_beyond(file: &File, len: u64, most: u64) -> io::Result<bool> {
    let (mut at, mut holes) = (0, 0);
    while at < len && holes <= most {
        let hole = match seek(file, SeekFrom::Hole(at)) {
            Ok(hole) => hole.min(len),
            // A file system that knows no holes.
            Err(_) => return Ok(false),
        };
        at = match seek(file, SeekFrom::Data(hole)) {
            Ok(data) => data.min(len),
            Err(_) => len,
        };
        holes += at - hole;
    }
    seek(file, SeekFrom::Start(0))?;
    Ok(holes > most)
}

fn read(file: &File, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reserved = bytes.try_reserve_exact(len);
    reserved.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl MapError {
    pub(crate) fn new(path: &Path, cause: io::Error) -> MapError {
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

/// From now on SIGBUS ends the process with a message and status 2.
#[allow(
    unsafe_code,
    reason = "the only way to handle a signal; ARCHITECTURE.md names this place"
)]
fn explain_bus_errors() {
    const WORDS: &[u8] = b"rr: a file that is being read was cut short by another program, or its \
        file system failed; try again\n";
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: the action only makes the system calls write and _exit, which a signal handler
        // may make.
        let registered = unsafe {
            signal_hook::low_level::register(SIGBUS, || {
                // If this fails, the status still tells.
                let _ = rustix::io::write(stderr(), WORDS);
                signal_hook::low_level::exit(2);
            })
        };
        // Without the handler, the signal ends the process.
        drop(registered);
    });
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
