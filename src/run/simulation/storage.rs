//! The disk to which a simulated recording writes its log and its digests. It can become full, and
//! the recording can be killed.

use crate::error::Error;
use crate::recording::log_file::LogFile;
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// What happens to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The disk is full after this many bytes.
    Full(u64),
    /// The recording is killed at this byte.
    KilledAtByte(u64),
    /// The recording is killed before this period.
    KilledAtPeriod(u64),
}

/// State that all files of a recording share.
#[derive(Debug, Default)]
struct State {
    /// Bytes written.
    written: u64,
    /// The largest number of bytes; `None`: without limit.
    room: Option<u64>,
    /// True if no byte is written any more.
    dead: bool,
    /// True if the recording is killed when the limit is reached.
    kills: bool,
}

/// The disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Storage(Arc<Mutex<State>>);

impl Storage {
    /// Creates a file on it.
    pub(super) fn create(&self, path: &Path) -> Result<Box<dyn LogFile>, Error> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(Error::file(path, "create"))?;
        let storage = self.clone();
        Ok(Box::new(OnStorage { file, storage }))
    }

    /// Sets the trouble that happens from now on.
    pub(super) fn arm(&self, trouble: Trouble) {
        let mut state = self.0.lock();
        (state.room, state.kills) = match trouble {
            Trouble::Full(bytes) => (Some(state.written + bytes), false),
            Trouble::KilledAtByte(bytes) => (Some(state.written + bytes), true),
            Trouble::KilledAtPeriod(_) => (None, false),
        };
    }

    /// Kills the recording: buffered bytes are lost.
    pub(super) fn kill(&self) {
        self.0.lock().dead = true;
    }

    /// True if the recording was killed.
    pub(super) fn is_dead(&self) -> bool {
        self.0.lock().dead
    }

    /// Bytes in all files.
    pub(super) fn written(&self) -> u64 {
        self.0.lock().written
    }
}

/// A file on the disk.
struct OnStorage {
    file: File,
    storage: Storage,
}

impl Write for OnStorage {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.storage.0.lock();
        if state.dead {
            return Err(io::Error::other("the recording was killed"));
        }
        let room = state.room.map(|room| room.saturating_sub(state.written));
        let fits = room.map_or(bytes.len(), |room| bytes.len().min(room as usize));
        if fits == 0 && !bytes.is_empty() {
            state.dead = state.kills;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(&bytes[..fits])?;
        state.written += fits as u64;
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile for OnStorage {
    fn cut(&self, _len: u64) -> io::Result<Box<dyn LogFile>> {
        Err(io::Error::other("no simulation goes back"))
    }

    fn sync_soon(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        match self.storage.is_dead() {
            true => Err(io::Error::other("the recording was killed")),
            false => Ok(()),
        }
    }
}
