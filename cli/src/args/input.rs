//! The argument REC|LOG: a recording's directory, or a bare log.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use replay_format::{Header, Log, Table};
use rr::host::map::{MapError, MappedFile};
use rr::host::small;
use rr::recording::{LARGEST_MANIFEST, Recording};

/// The event log in a recording's directory.
const LOG: &str = "replay.bin";
/// The description of the machine in a recording's directory.
const MACHINE: &str = "machine.json";

/// An open log, and the files beside it.
#[derive(Debug)]
pub(crate) struct Input {
    /// Path of the log.
    pub(crate) path: PathBuf,
    /// The recording's directory; `None` for a bare log.
    directory: Option<PathBuf>,
    bytes: MappedFile,
}

impl Input {
    /// Opens the path that the user named. Only the log must exist.
    pub(crate) fn open(named: &Path) -> anyhow::Result<Input> {
        let directory = named.is_dir().then(|| named.to_owned());
        let path = match &directory {
            Some(directory) => directory.join(LOG),
            None => named.to_owned(),
        };
        if directory.is_some() && !path.exists() {
            bail!(
                "{}: is a directory, but no recording: {LOG} is missing",
                named.display()
            );
        }
        let bytes = MappedFile::open(&path)?;
        Ok(Input {
            path,
            directory,
            bytes,
        })
    }

    /// Reads the log. A recording's log is read with rr's own table of events, however short it is.
    pub(crate) fn log(&self) -> anyhow::Result<Log<'_>> {
        let header = Header::parse(&self.bytes).with_context(|| self.name())?;
        let ours = header.version_id == Table::RR.version().id();
        let log = match self.directory {
            Some(_) if ours => Log::with_table(&self.bytes, Table::RR),
            _ => Log::parse(&self.bytes),
        };
        log.with_context(|| self.name())
    }

    /// The bytes of the log.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The recording that the log is part of; `None` for a bare log.
    pub(crate) fn recording(&self) -> anyhow::Result<Option<Recording>> {
        let open = |directory: &PathBuf| Recording::open(directory);
        Ok(self.directory.as_ref().map(open).transpose()?)
    }

    /// The path that the user named.
    pub(crate) fn title(&self) -> String {
        self.directory
            .as_ref()
            .unwrap_or(&self.path)
            .display()
            .to_string()
    }

    /// The directory of the recording that the log is part of; `None` for a bare log.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// True if it is the log of a recording.
    pub(crate) fn is_recording(&self) -> bool {
        self.directory.is_some()
    }

    /// Path of the log, for messages.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The content of a recording's machine.json. `None` for a bare log.
    pub(crate) fn machine(&self) -> anyhow::Result<Option<serde_json::Value>> {
        let Some(directory) = &self.directory else {
            return Ok(None);
        };
        let path = directory.join(MACHINE);
        let text = match small::read(&path, LARGEST_MANIFEST) {
            Err(MapError::Missing { .. }) => bail!(
                "{}: {MACHINE} is missing, so the recording cannot be replayed; its log can be \
                 read",
                directory.display()
            ),
            text => text?,
        };
        serde_json::from_slice(&text)
            .map(Some)
            .with_context(|| path.display().to_string())
    }
}
