//! Output: data goes to standard output, everything else to standard error.

pub(crate) mod help;
pub(crate) mod outcome;
pub(crate) mod outfile;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod table_reason;
pub(crate) mod words;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rr::notes::{Note, Notes};

/// Size of the buffer, in bytes. Commands that write more collect larger pieces, which bypass it.
const BUFFER: usize = 32 * 1024;

/// The size that is asked for a pipe, in bytes.
#[cfg(target_os = "linux")]
const PIPE: usize = 256 * 1024;

static QUIET: AtomicBool = AtomicBool::new(false);

/// Standard output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct WriteFailed(pub(crate) io::Error);

/// Sets `--quiet`. It is called once.
pub(crate) fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// True if only errors may be shown.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Runs `write` on buffered standard output, and flushes it.
pub(crate) fn write<T>(
    write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> Result<T, WriteFailed> {
    let mut out = stdout().map_err(WriteFailed)?;
    let result = write(&mut out).and_then(|value| out.flush().map(|()| value));
    if result.is_err() {
        // Otherwise the drop would try to write again.
        let _ = out.into_parts();
    }
    result.map_err(WriteFailed)
}

/// Standard output. `io::stdout()` would search all output for line ends.
pub(crate) fn stdout() -> io::Result<BufWriter<File>> {
    let stdout = io::stdout().lock().as_fd().try_clone_to_owned()?;
    // The default pipe is so small that writer and reader of a long dump mostly wait for each
    // other. This fails for files, which need no pipe.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE);
    Ok(BufWriter::with_capacity(BUFFER, File::from(stdout)))
}

/// True if standard output may be coloured: a terminal with colours, whose user wants them.
pub(crate) fn is_colourful() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !set("NO_COLOR") && !dumb
}

/// True if the reader of standard output has gone. Other closed pipes are ordinary errors.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<WriteFailed>(),
        Some(WriteFailed(io)) if io.kind() == io::ErrorKind::BrokenPipe
    )
}

/// Prints a note for the user; not with `--quiet`.
pub(crate) fn note(text: &str) {
    if !is_quiet() {
        complain(&format!("note: {text}"));
    }
}

/// Prints the engine's messages.
pub(crate) fn notes() -> Notes {
    Notes::new(|said| match said {
        Note::Remark(text) => note(text),
        Note::Call(text) => complain(text),
        Note::Damaged(error) => note(&format!("{}; replayed from before it", words::of(error))),
    })
}

/// Writes a line to standard error, without control characters: a text can come from a stranger's
/// file. If that fails, nothing else can be done.
pub(crate) fn complain(text: &str) {
    let lines: Vec<String> = text.split('\n').map(report::escaped).collect();
    let _ = writeln!(io::stderr().lock(), "rr: {}", lines.join("\n"));
}
