//! Signals that ask the program to end: they become a readable descriptor.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// From now on SIGINT, SIGTERM and SIGHUP make the returned stream readable, rather than end the
/// process: a recording is closed properly.
///
/// # Errors
/// Those of the host.
pub fn catch() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        pipe::register(signal, write.try_clone()?)?;
    }
    // A file that may not grow further gives an error to whoever writes, rather than a death.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(read)
}
