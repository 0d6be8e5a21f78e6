//! Colours of differences.

use std::io::{self, Write};

/// Colours of `diff --color`: lines of the first alone, of the second alone, positions, file names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// Prints a line in a colour; none if it is empty.
    pub(crate) fn line(self, colour: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        match self.0 && !colour.is_empty() {
            true => writeln!(out, "\x1b[{colour}m{text}\x1b[0m"),
            false => writeln!(out, "{text}"),
        }
    }
}

pub(crate) const BOLD: &str = "1";
pub(crate) const RED: &str = "31";
pub(crate) const GREEN: &str = "32";
pub(crate) const CYAN: &str = "36";
