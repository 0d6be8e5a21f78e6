//! The files that a run appends to: one interface, so that tests can put a disk there that is full,
//! or that goes away.

use crate::error::Error;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Creates such a file.
pub type Create<'c> = &'c dyn Fn(&Path) -> Result<Box<dyn LogFile>, Error>;

/// A file that grows at its end.
pub trait LogFile: Write + Send {
    /// Cuts the file off at this length; gives a handle that goes on from there.
    ///
    /// # Errors
    /// Those of the file.
    fn cut(&self, len: u64) -> io::Result<Box<dyn LogFile>>;

    /// Makes everything durable.
    ///
    /// # Errors
    /// Those of the file.
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
