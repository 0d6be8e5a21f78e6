//! Output files: written whole, or not at all.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use rr::host::part::{Part, folder_of};
use rr::recording::{create, own};

use crate::output::{self, WriteFailed};

/// The option to replace an existing file.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Overwrite {
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// A file that is being written. It gets its name only when it is [kept](OutFile::keep); otherwise
/// it is removed.
#[derive(Debug)]
pub(crate) struct OutFile {
    name: PathBuf,
    overwrite: bool,
    place: Place,
    /// The lock of the recording that the file belongs to.
    _lock: Option<File>,
}

#[derive(Debug)]
enum Place {
    /// `-`
    Stdout,
    /// A device or a pipe: written directly.
    Device,
    New(Part),
}

impl OutFile {
    /// Begins a file with this name; `-` is standard output. It may not be a file that belongs to a
    /// recording.
    pub(crate) fn create(name: &Path, overwrite: Overwrite) -> anyhow::Result<OutFile> {
        if own::is_part(name) {
            let name = name.display();
            bail!("{name}: belongs to a recording, which would be damaged; choose another name");
        }
        Self::create_log(name, overwrite)
    }

    /// As [`OutFile::create`], for a log, which may also be that of a recording.
    pub(crate) fn create_log(name: &Path, overwrite: Overwrite) -> anyhow::Result<OutFile> {
        let overwrite = overwrite.overwrite;
        let lock = match own::is_part(name) {
            true => Some(create::share(folder_of(name))?),
            false => None,
        };
        let place = if is_stdout(name) {
            Place::Stdout
        } else if name.exists() && !name.is_file() && !name.is_dir() {
            Place::Device
        } else if name.is_dir() {
            bail!("{}: is a directory; name a file in it", name.display());
        } else if name.exists() && !overwrite {
            let name = name.display();
            bail!("{name}: already exists; choose another name, or pass --overwrite");
        } else {
            let folder = folder_of(name);
            create::tidy(folder, &output::notes());
            let part = Part::file(name).map_err(|error| {
                // The error names the user's file, and not the temporary one.
                let reason = match error.kind() {
                    ErrorKind::NotFound => format!("there is no directory {}", folder.display()),
                    kind => kind.to_string(),
                };
                anyhow!("{}: cannot be written: {reason}", name.display())
            });
            Place::New(part?)
        };
        let name = name.to_owned();
        Ok(OutFile {
            name,
            overwrite,
            place,
            _lock: lock,
        })
    }

    /// Path of the file that is written; `None`: standard output.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Stdout => None,
            Place::Device => Some(&self.name),
            Place::New(part) => Some(part.path()),
        }
    }

    /// The user's name of it, for messages.
    pub(crate) fn name(&self) -> String {
        match self.place {
            Place::Stdout => "standard output".to_owned(),
            _ => self.name.display().to_string(),
        }
    }

    /// A writer to the file.
    pub(crate) fn writer(&self) -> anyhow::Result<BufWriter<File>> {
        let file = match &self.place {
            Place::Stdout => return Ok(output::stdout().map_err(WriteFailed)?),
            Place::Device => File::options().write(true).open(&self.name),
            Place::New(part) => part.as_file().try_clone(),
        };
        let file = file.map_err(|error| self.trouble(error))?;
        Ok(BufWriter::with_capacity(1 << 17, file))
    }

    /// Runs `write` on a buffered writer, and flushes it.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> anyhow::Result<T> {
        let mut out = self.writer()?;
        let result = write(&mut out).and_then(|value| out.flush().map(|()| value));
        if result.is_err() {
            // Otherwise the drop would try to write again.
            let _ = out.into_parts();
        }
        result.map_err(|error| self.trouble(error))
    }

    /// The error of a write, with the file's name.
    pub(crate) fn trouble(&self, error: io::Error) -> anyhow::Error {
        match self.place {
            Place::Stdout => WriteFailed(error).into(),
            _ => anyhow::Error::new(error).context(format!("{}: cannot be written", self.name())),
        }
    }

    /// Gives the file its name, once it is written.
    pub(crate) fn keep(self) -> anyhow::Result<()> {
        let name = self.name;
        let put = match self.place {
            Place::New(part) if self.overwrite => part.replace(true),
            Place::New(part) => part.publish(true),
            _ => return Ok(()),
        };
        put.map(drop)
            .with_context(|| format!("{}: cannot be written", name.display()))
    }
}

/// True if the path stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}
