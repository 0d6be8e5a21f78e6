//! The disk to which a simulated recording writes its log and its digests. It can become full, the
//! recording can be killed, and the system can crash: then the disk forgets what was not synced.

use super::chance::Chance;
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
    /// The system crashes at this byte. The second number is the seed of what the disk forgets.
    Crash(u64, u64),
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
    /// The files, in the order in which they were created.
    files: Vec<Synced>,
}

/// What a crash of the system leaves of a file.
#[derive(Debug)]
struct Synced {
    file: File,
    len: u64,
    /// Bytes that outlive a crash.
    durable: u64,
    /// Bytes that outlive it after the next request to sync soon: a sync takes its time.
    soon: u64,
}

/// The disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Storage(Arc<Mutex<State>>);

impl Storage {
    /// Creates a file on it.
    pub(super) fn create(&self, path: &Path) -> Result<Box<dyn LogFile>, Error> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(Error::file(path, "create"))?;
        let again = file.try_clone().map_err(Error::file(path, "create"))?;
        let mut state = self.0.lock();
        let number = state.files.len();
        state.files.push(Synced {
            file: again,
            len: 0,
            durable: 0,
            soon: 0,
        });
        drop(state);
        let storage = self.clone();
        Ok(Box::new(OnStorage {
            file,
            number,
            storage,
        }))
    }

    /// Sets the trouble that happens from now on.
    pub(super) fn arm(&self, trouble: Trouble) {
        let mut state = self.0.lock();
        // The files were synced when the recording got its name.
        state.files.iter_mut().for_each(Synced::sync);
        (state.room, state.kills) = match trouble {
            Trouble::Full(bytes) => (Some(state.written + bytes), false),
            Trouble::KilledAtByte(bytes) | Trouble::Crash(bytes, _) => {
                (Some(state.written + bytes), true)
            }
            Trouble::KilledAtPeriod(_) => (None, false),
        };
    }

    /// Kills the recording: buffered bytes are lost.
    pub(super) fn kill(&self) {
        self.0.lock().dead = true;
    }

    /// Forgets what a crash of the system loses: of each file, some of the bytes behind those that
    /// were synced. It may keep its length; then it ends in zeroes.
    ///
    /// # Errors
    /// The host's error.
    pub(super) fn crash(&self, seed: u64) -> io::Result<()> {
        let mut chance = Chance::new(seed);
        for file in &self.0.lock().files {
            let unsynced = file.len - file.durable;
            let kept = file.durable + chance.below(unsynced + 1);
            let zeroes = match chance.one_in(2) {
                true => chance.below(file.len - kept + 1),
                false => 0,
            };
            file.file.set_len(kept)?;
            file.file.set_len(kept + zeroes)?;
        }
        Ok(())
    }

    /// Bytes of the first file, the digests, and of the second one, the log, that were synced.
    pub(super) fn durable(&self) -> Vec<u64> {
        let state = self.0.lock();
        state.files.iter().map(|file| file.durable).collect()
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

impl Synced {
    fn sync(&mut self) {
        (self.durable, self.soon) = (self.len, self.len);
    }

    fn sync_soon(&mut self) {
        (self.durable, self.soon) = (self.soon, self.len);
    }
}

/// A file on the disk.
struct OnStorage {
    file: File,
    /// Its place among the files.
    number: usize,
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
        state.files[self.number].len += fits as u64;
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
        self.storage.0.lock().files[self.number].sync_soon();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        match self.storage.is_dead() {
            true => Err(io::Error::other("the recording was killed")),
            false => {
                self.storage.0.lock().files[self.number].sync();
                Ok(())
            }
        }
    }
}
