//! Events as ndjson: one JSON object per line. The schema is in `rr dump --help`.
//!
//! Written by hand, since a log has many millions of events: no value is built, numbers go straight into
//! the buffer. Memory is flat: a payload is written in pieces.

use std::io::{self, Write};

use replay_format::{Kind, Record};

use crate::event_text::{Fields, fields};

/// Written out when so much has gathered.
const GATHERED: usize = 64 * 1024;
/// Bytes of a payload that are escaped at a time.
const PIECE: usize = 16 * 1024;

/// Writes events as ndjson.
#[derive(Debug)]
pub(crate) struct Ndjson<W> {
    out: W,
    buffer: Vec<u8>,
    /// `,"event":"NAME"`, by [`Kind::index`].
    names: Vec<String>,
}

impl<W: Write> Ndjson<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W) -> Ndjson<W> {
        let name = |kind: &Kind| format!(",\"event\":\"{kind}\"");
        Ndjson {
            out,
            buffer: Vec::with_capacity(2 * GATHERED),
            names: Kind::ALL.iter().map(name).collect(),
        }
    }

    /// Writes one event.
    #[inline]
    pub(crate) fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.text("{\"index\":");
        self.integer(record.index);
        self.text(",\"offset\":");
        self.integer(record.offset);
        self.text(",\"icount\":");
        self.integer(record.icount);
        if let Some(name) = self.names.get(record.event.kind().index()) {
            self.buffer.extend_from_slice(name.as_bytes());
        }
        fields(&record.event, self)?;
        self.text("}\n");
        self.spill()
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn integer(&mut self, value: impl itoa::Integer) {
        self.text(itoa::Buffer::new().format(value));
    }

    #[inline]
    fn name(&mut self, name: &'static str) {
        self.text(",\"");
        self.text(name);
        self.text("\":");
    }

    #[inline]
    fn spill(&mut self) -> io::Result<()> {
        if self.buffer.len() >= GATHERED {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl<W: Write> Fields for Ndjson<W> {
    #[inline]
    fn number(&mut self, name: &'static str, value: u64) -> io::Result<()> {
        self.name(name);
        self.integer(value);
        Ok(())
    }

    #[inline]
    fn signed(&mut self, name: &'static str, value: i64) -> io::Result<()> {
        self.name(name);
        self.integer(value);
        Ok(())
    }

    fn word(&mut self, name: &'static str, value: &'static str) -> io::Result<()> {
        self.name(name);
        self.text("\"");
        self.text(value);
        self.text("\"");
        Ok(())
    }

    fn flag(&mut self, name: &'static str, value: bool) -> io::Result<()> {
        self.name(name);
        self.text(if value { "true" } else { "false" });
        Ok(())
    }

    fn payload(&mut self, data: &[u8]) -> io::Result<()> {
        self.number("len", data.len() as u64)?;
        if let Ok(text) = std::str::from_utf8(data) {
            self.text(",\"text\":\"");
            // Every byte that must be escaped is a character of its own, so pieces need no care.
            for piece in text.as_bytes().chunks(PIECE) {
                escape(piece, &mut self.buffer);
                self.spill()?;
            }
            self.text("\"");
        }
        self.text(",\"hex\":\"");
        for piece in data.chunks(PIECE) {
            hex(piece, &mut self.buffer);
            self.spill()?;
        }
        self.text("\"");
        Ok(())
    }
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

fn hex(data: &[u8], out: &mut Vec<u8>) {
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    out.extend(
        data.iter()
            .flat_map(|&byte| [digit(byte >> 4), digit(byte)]),
    );
}

/// As RFC 8259, section 7 has it.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                hex(&[byte], out);
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replay_format::{AsyncEvent, Event};

    fn line(event: Event<'_>) -> serde_json::Value {
        let record = Record {
            index: u64::MAX,
            offset: 12,
            len: 1,
            icount: 0,
            event,
        };
        let mut out = Vec::new();
        let mut ndjson = Ndjson::new(&mut out);
        ndjson.write(&record).unwrap();
        ndjson.finish().unwrap();
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn payloads_of_any_bytes() {
        let every: Vec<u8> = (0..=255).collect();
        let ascii: Vec<u8> = (0..=127).collect();
        let large = "ä\"\n".repeat(40_000);
        for data in [
            &every[..],
            &ascii,
            b"",
            "a\"b\\c\u{2028}ü\u{1f600}".as_bytes(),
            large.as_bytes(),
        ] {
            let value = line(Event::CharReadAll(data));
            let text = std::str::from_utf8(data).ok();
            assert_eq!(value["text"].as_str(), text);
            let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(value["hex"].as_str(), Some(&hex[..]));
            assert_eq!(value["len"], data.len());
        }
    }

    #[test]
    fn extreme_numbers() {
        let clock = replay_format::Clock::Host;
        let value = line(Event::Clock {
            clock,
            value: i64::MIN,
        });
        assert_eq!(value["value"], i64::MIN);
        assert_eq!(value["index"], u64::MAX);
        let event = AsyncEvent::Block { id: u64::MAX };
        let value = line(Event::Async {
            checkpoint: None,
            event,
        });
        assert_eq!(value["id"], u64::MAX);
        assert!(value.get("checkpoint").is_none());
    }
}
