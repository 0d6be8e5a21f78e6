//! The files that a run appends to, behind an interface. So tests can put a full disk there, or one
//! that fails.

use crate::error::Error;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Creates a file for the log or the digests.
pub type Create<'c> = &'c dyn Fn(&Path) -> Result<Box<dyn LogFile>, Error>;

/// A file that grows at its end.
pub trait LogFile: Write + Send {
    /// Truncates the file to `len` bytes. Returns a handle that goes on from there.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn cut(&self, len: u64) -> io::Result<Box<dyn LogFile>>;

    /// Makes the written data durable.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn sync(&self) -> io::Result<()>;
}

impl LogFile for File {
    fn cut(&self, len: u64) -> io::Result<Box<dyn LogFile>> {
        let mut file = self.try_clone()?;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        Ok(Box::new(file))
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}
