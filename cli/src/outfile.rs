//! Files that a command writes: whole, or not at all.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::output::{self, WriteFailed};

/// Where a command writes a file.
#[derive(Debug, clap::Args)]
pub(crate) struct Overwrite {
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// Checks early that the file may be written.
pub(crate) fn check(path: &Path, overwrite: bool) -> anyhow::Result<()> {
    if is_stdout(path) || overwrite || !path.is_file() {
        return Ok(());
    }
    bail!(
        "{}: already exists; choose another name, or pass --overwrite",
        path.display()
    )
}

/// Runs `write` on a new file, which is there under its name only once all of it is written. `-` is standard
/// output; a device or a pipe is written as it is.
pub(crate) fn write<T>(
    path: &Path,
    overwrite: bool,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if is_stdout(path) {
        return to_stdout(write);
    }
    check(path, overwrite)?;
    let trouble = |error: io::Error| {
        anyhow::Error::new(error).context(format!("{}: cannot be written", path.display()))
    };
    if path.exists() && !path.is_file() {
        let file = File::options().write(true).open(path).map_err(trouble)?;
        let mut out = BufWriter::new(file);
        let value = write(&mut out)?;
        out.flush().map_err(trouble)?;
        return Ok(value);
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    // As any new file: the umask takes from it.
    let builder = builder.permissions(Permissions::from_mode(0o666));
    let mut file = builder.tempfile_in(&folder).map_err(trouble)?;
    let mut out = BufWriter::with_capacity(1 << 17, file.as_file_mut());
    let value = write(&mut out)?;
    out.flush().map_err(trouble)?;
    drop(out);
    let put = match overwrite {
        true => file.persist(path),
        false => file.persist_noclobber(path),
    };
    put.map_err(|error| trouble(error.error))?;
    Ok(value)
}

fn to_stdout<T>(write: impl FnOnce(&mut dyn Write) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut out = output::stdout().map_err(WriteFailed)?;
    let result = write(&mut out).and_then(|value| {
        out.flush()?;
        Ok(value)
    });
    if result.is_err() {
        // Else dropping it would try again.
        let _ = out.into_parts();
    }
    result.map_err(|error| match error.downcast::<io::Error>() {
        Ok(error) => WriteFailed(error).into(),
        Err(error) => error,
    })
}

/// Whether the name stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}
