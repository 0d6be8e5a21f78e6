//! Writes replies as text: pure ASCII, in QEMU's style.

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// QEMU's separators `", "` and `": "`, and `\uXXXX` for all characters beyond ASCII.
struct Style;

impl Formatter for Style {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        for char in fragment.chars() {
            if (' '..='~').contains(&char) {
                out.write_all(&[char as u8])?;
                continue;
            }
            for unit in char.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04X}")?;
            }
        }
        Ok(())
    }
}

/// Writes a value as one line, with CRLF at its end.
pub fn line(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    // This cannot fail: all keys are strings, and writing to memory does not fail.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, Style));
    out.extend(b"\r\n");
    out
}
