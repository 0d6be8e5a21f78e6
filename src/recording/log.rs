//! The log of a recording on disk, and the digests and the pace that are written with it.

use crate::error::Error;
use crate::host::map::MappedFile;
use crate::notes::Notes;
use crate::recording::digests::DigestWriter;
use crate::recording::log_file::LogFile;
use crate::recording::pace::PaceWriter;
use crate::recording::seal::{End, LogSum, seal};
use crate::recording::snapshot::LogPlace;
use machine::{Digest, Icount};
use replay_format::{Checkpoint, Event, WriteError, Writer};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time between two flushes: a killed recording loses at most this much.
pub(crate) const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// The operation for error messages, as on a full disk.
const WRITE: &str = "write the log any further (what is there replays)";

/// Writes the log, the digests and the pace of a recording.
pub struct LogSink {
    path: PathBuf,
    writer: Writer<BufWriter<Summed>>,
    digests: DigestWriter,
    pace: PaceWriter,
    /// Icount and digest of the state at the end of the run. It is written after the whole log.
    last: Option<(Icount, Digest)>,
}

/// The file of the log, and the checksum of what was written to it.
struct Summed {
    file: Box<dyn LogFile>,
    sum: LogSum,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes)?;
        self.sum.add(bytes.get(..len).unwrap_or_default());
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl LogSink {
    /// Begins a log in an empty file, and writes its header at once.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(
        path: PathBuf,
        file: Box<dyn LogFile>,
        digests: DigestWriter,
        pace: PaceWriter,
    ) -> Result<Self, Error> {
        let sum = LogSum::default();
        let file = Summed { file, sum };
        let writer = Writer::new(BufWriter::with_capacity(1 << 16, file))
            .map_err(Error::file(&path, "write the log"))?;
        let mut sink = Self {
            path,
            writer,
            digests,
            pace,
            last: None,
        };
        sink.event(Icount::ZERO, &Event::Checkpoint(Checkpoint::Init))?;
        sink.event(Icount::ZERO, &Event::Checkpoint(Checkpoint::Reset))?;
        sink.hand_over()?;
        Ok(sink)
    }

    pub(crate) fn event(&mut self, icount: Icount, event: &Event<'_>) -> Result<(), Error> {
        let written = self.writer.at(icount.get(), event);
        written.map_err(|cause| self.cannot_write(cause))
    }

    fn cannot_write(&self, cause: WriteError) -> Error {
        match cause {
            WriteError::Io(cause) => Error::file(&self.path, WRITE)(cause),
            cause => Error::WriteEvent {
                path: self.path.clone(),
                cause,
            },
        }
    }

    /// Cuts the log at the place of a snapshot, to go on from there.
    pub(crate) fn rewind(&mut self, to: LogPlace, icount: Icount) -> Result<(), Error> {
        self.writer
            .flush()
            .map_err(Error::file(&self.path, WRITE))?;
        let file = &self.writer.get_ref().get_ref().file;
        let file = file
            .cut(to.offset)
            .map_err(Error::file(&self.path, "rewind the log"))?;
        let sum = LogSum::of(&MappedFile::open(&self.path)?);
        let sink = BufWriter::with_capacity(1 << 16, Summed { file, sum });
        self.writer = Writer::resume(sink, self.writer.table(), to.into());
        self.last = None;
        self.digests.rewind(icount)?;
        self.pace.rewind(icount)
    }

    /// Writes the log to disk up to `icount`.
    pub(crate) fn flush(&mut self, icount: Icount) -> Result<(), Error> {
        loop {
            let left = icount.since(Icount::new(self.writer.icount()));
            if left == 0 {
                break;
            }
            let count = u32::try_from(left).unwrap_or(u32::MAX);
            let written = self.writer.event(&Event::Instruction { count });
            written.map_err(|cause| self.cannot_write(cause))?;
        }
        self.hand_over()?;
        let file = &self.writer.get_ref().get_ref().file;
        file.sync_soon().map_err(Error::file(&self.path, WRITE))?;
        self.digests.sync_soon()?;
        self.pace.note(icount)?;
        self.pace.flush()
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        self.writer
            .flush()
            .map_err(Error::file(&self.path, WRITE))?;
        self.digests.flush()
    }

    /// Path of the log.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The place after everything that is written.
    pub(crate) fn place(&self) -> LogPlace {
        self.writer.position().into()
    }

    /// Adds the digest of the state at an icount. `last`: the one at the end of the run.
    pub(crate) fn digest(
        &mut self,
        icount: Icount,
        digest: Digest,
        last: bool,
    ) -> Result<(), Error> {
        if last {
            self.last = Some((icount, digest));
            return Ok(());
        }
        self.digests.add(icount, digest)?;
        self.pace.note(icount)
    }

    /// Ends the log, and makes all files durable.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        let icount = Icount::new(self.writer.icount());
        self.event(icount, &Event::End)?;
        self.hand_over()?;
        self.pace.finish(icount)?;
        let Summed { file, sum } = self.writer.get_ref().get_ref();
        file.sync()
            .map_err(Error::file(&self.path, "write the log to disk"))?;
        if let Some((icount, digest)) = self.last {
            self.digests.add_last(icount, digest)?;
        }
        let (size, hash) = sum.get();
        self.digests.add_log_hash(size, &hash)?;
        self.digests.finish()
    }

    /// Seals the recording, after all its files are closed.
    pub(crate) fn seal(&self, notes: &Notes) -> Result<(), Error> {
        let (Some(dir), Some((icount, state))) = (self.path.parent(), self.last) else {
            return Ok(());
        };
        let events = self.writer.position().index;
        let end = End {
            icount,
            events,
            state,
            vouched: None,
        };
        let Summed { file, sum } = self.writer.get_ref().get_ref();
        seal(dir, &end, sum, file.is_durable(), notes)
    }
}
