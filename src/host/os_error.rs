//! An operating system's error, as the cause of another error.

use std::error::Error;
use std::fmt;
use std::io;

/// An error of the operating system. Its text leaves out "(os error N)", which helps no reader.
#[derive(Debug)]
pub struct OsError(io::Error);

impl OsError {
    /// The kind of the error.
    pub fn kind(&self) -> io::ErrorKind {
        self.0.kind()
    }
}

impl From<io::Error> for OsError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let end = text.find(" (os error").unwrap_or(text.len());
        f.write_str(&text[..end])
    }
}

impl Error for OsError {}

#[cfg(test)]
mod tests {
    use super::OsError;
    use std::io;

    #[test]
    fn without_the_number() {
        let text = |error: io::Error| OsError::from(error).to_string();
        let missing = io::Error::from_raw_os_error(2);
        assert_eq!(text(missing), "No such file or directory");
        assert_eq!(text(io::Error::other("full")), "full");
    }
}
