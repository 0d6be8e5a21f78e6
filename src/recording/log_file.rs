//! The files that a run appends to, behind an interface. So tests can put a full disk there, or one
//! that fails.

use crate::error::Error;
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// The time between two syncs while a recording runs. A crash of the system loses at most this
/// much, the time between two flushes, and the time that a sync takes.
pub const SYNC_EVERY: Duration = Duration::from_secs(2);

/// Creates a file for the log or the digests.
pub type Create<'c> = &'c dyn Fn(&Path) -> Result<Box<dyn LogFile>, Error>;

/// A file that grows at its end.
pub trait LogFile: Write + Send {
    /// Truncates the file to `len` bytes. Returns a handle that goes on from there.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn cut(&self, len: u64) -> io::Result<Box<dyn LogFile>>;

    /// Asks for the written data to be made durable soon. It never waits. An error is that of a
    /// later call of this or of [`LogFile::sync`].
    ///
    /// # Errors
    /// If an earlier sync has failed.
    fn sync_soon(&self) -> io::Result<()>;

    /// Makes the written data durable.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn sync(&self) -> io::Result<()>;

    /// False if a sync does nothing, because the recording is to be thrown away.
    fn is_durable(&self) -> bool {
        true
    }
}

/// A file on the host's disk.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    /// Asks the thread that syncs. It starts when it is first needed.
    syncer: OnceLock<SyncSender<()>>,
    /// The first error of that thread.
    failed: Arc<Mutex<Option<io::Error>>>,
    durable: bool,
}

impl DiskFile {
    /// A file that was created for this. `durable`: it is synced when that is asked for.
    pub fn new(file: File, durable: bool) -> Self {
        Self {
            file,
            syncer: OnceLock::new(),
            failed: Arc::default(),
            durable,
        }
    }

    fn check(&self) -> io::Result<()> {
        self.failed.lock().take().map_or(Ok(()), Err)
    }
}

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl LogFile for DiskFile {
    fn cut(&self, len: u64) -> io::Result<Box<dyn LogFile>> {
        let mut file = self.file.try_clone()?;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        Ok(Box::new(Self::new(file, self.durable)))
    }

    fn sync_soon(&self) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        self.check()?;
        let syncer = match self.syncer.get() {
            Some(syncer) => syncer,
            None => {
                let (asks, asked) = sync_channel(1);
                let (file, failed) = (self.file.try_clone()?, Arc::clone(&self.failed));
                let work = move || sync_from_time_to_time(&file, &asked, &failed);
                thread::Builder::new().name("sync".to_owned()).spawn(work)?;
                self.syncer.get_or_init(|| asks)
            }
        };
        // If it is full, a sync is due in any case.
        let _ = syncer.try_send(());
        Ok(())
    }

    fn is_durable(&self) -> bool {
        self.durable
    }

    fn sync(&self) -> io::Result<()> {
        self.check()?;
        match self.durable {
            true => self.file.sync_all(),
            false => Ok(()),
        }
    }
}

/// Syncs when it was asked to, until the other side is dropped or a sync fails. Nobody waits for
/// the thread: it ends within a pause, or with the process.
fn sync_from_time_to_time(file: &File, asked: &Receiver<()>, failed: &Mutex<Option<io::Error>>) {
    while asked.recv().is_ok() {
        thread::sleep(SYNC_EVERY);
        if let Err(error) = file.sync_data() {
            *failed.lock() = Some(error);
            return;
        }
    }
}
