//! Reads small files whole: those of a recording, and the user's.
//!
//! A recording may come from a stranger. So whatever lies under a file's name, reading it never
//! waits and never fills memory.

use crate::host::map::{MapError, open_regular};
use std::io::Read;
use std::path::Path;

/// The largest file that describes something: JSON, and results of other commands. In bytes.
pub const DESCRIPTION: u64 = 64 << 20;

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// [`MapError`], which names the path.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, MapError> {
    let fail = |error| MapError::new(path, error);
    let (file, len) = open_regular(path)?;
    let too_large = || MapError::TooLarge {
        path: path.to_owned(),
        limit,
    };
    if len > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let room = usize::try_from(len).unwrap_or(usize::MAX);
    let reserved = bytes.try_reserve_exact(room.saturating_add(1));
    reserved.map_err(|_| fail(std::io::ErrorKind::OutOfMemory.into()))?;
    // One byte more shows that the file has grown over its limit meanwhile.
    let mut file = file.take(limit.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn only_files_within_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let error = read(&path, 4).unwrap_err();
        assert!(
            matches!(error, MapError::TooLarge { limit: 4, .. }),
            "{error}"
        );
        // The length is looked at first: nothing of this is read.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read(&path, DESCRIPTION).unwrap_err();
        assert!(matches!(error, MapError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn nothing_else_than_regular_files_is_opened() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from(0o600), 0).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [&fifo, &link] {
            let error = read(path, 10).unwrap_err();
            assert!(matches!(error, MapError::NotRegular { .. }), "{error}");
        }
        let error = read(folder.path(), 10).unwrap_err();
        assert!(matches!(error, MapError::Directory { .. }), "{error}");
        let missing = folder.path().join("missing");
        assert!(matches!(read(&missing, 10), Err(MapError::Missing { .. })));
    }
}
