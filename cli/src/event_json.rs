//! Events as ndjson: one JSON object per line. The schema is in `rr dump --help`.
//!
//! Written by hand, since a log has many millions of events: no value is built, numbers go straight into
//! the buffer. Memory is flat: a payload is written in pieces.

use std::io::{self, Write};

use replay_format::{Kind, Record};

use crate::event_text::{Fields, HEX_DIGITS, LEN, Name, fields};

/// Written out when so much has gathered.
const GATHERED: usize = 64 * 1024;
/// More than an event can come to between two looks at how much has gathered: a piece of payload, in
/// which each byte can become six, and everything else.
const SLACK: usize = 6 * PIECE + 1024;
/// Bytes of a payload that are escaped at a time.
const PIECE: usize = 4 * 1024;

/// Room for what all lines begin with: the three numbers and their names.
const START_ROOM: usize = 96;
/// Room for the name of a kind.
const KIND_ROOM: usize = 64;
const INDEX: &[u8] = b"{\"index\":";
const OFFSET: &[u8] = b",\"offset\":";
const ICOUNT: &[u8] = b",\"icount\":";
const TEXT: Name = Name::new("text");
const HEX: Name = Name::new("hex");

/// Writes events as ndjson.
#[derive(Debug)]
pub(crate) struct Ndjson<W> {
    out: W,
    buffer: Buffer,
    start: Start,
    /// `,"event":"NAME"` and its length, by [`Kind::index`].
    kinds: Vec<([u8; KIND_ROOM], usize)>,
}

impl<W: Write> Ndjson<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W) -> Ndjson<W> {
        let kind = |kind: &Kind| padded(format!(",\"event\":\"{kind}\"").as_bytes());
        Ndjson {
            out,
            buffer: Buffer::new(),
            start: Start::new(),
            kinds: Kind::ALL.iter().map(kind).collect(),
        }
    }

    /// Writes one event.
    #[inline]
    pub(crate) fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.start.set(record);
        self.buffer.put(&self.start.text, self.start.len);
        if let Some((name, len)) = self.kinds.get(record.event.kind().index()) {
            self.buffer.put(name, *len);
        }
        fields(&record.event, self)?;
        self.buffer.put(b"}\n", 2);
        self.spill()
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.buffer.write_to(&mut self.out)
    }

    #[inline]
    fn spill(&mut self) -> io::Result<()> {
        if self.buffer.len >= GATHERED {
            self.buffer.write_to(&mut self.out)?;
        }
        Ok(())
    }

    #[inline]
    fn named(&mut self, name: Name, value: impl itoa::Integer) -> io::Result<()> {
        self.buffer.put(&name.json, name.json_len());
        self.buffer.integer(value);
        Ok(())
    }

    fn quoted(&mut self, name: Name, text: &str) {
        self.buffer.put(&name.json, name.json_len());
        self.buffer.put(b"\"", 1);
        self.buffer.slice(text.as_bytes());
    }
}

impl<W: Write> Fields for Ndjson<W> {
    #[inline]
    fn number(&mut self, name: Name, value: u64) -> io::Result<()> {
        self.named(name, value)
    }

    #[inline]
    fn signed(&mut self, name: Name, value: i64) -> io::Result<()> {
        self.named(name, value)
    }

    fn word(&mut self, name: Name, value: &'static str) -> io::Result<()> {
        self.quoted(name, value);
        self.buffer.put(b"\"", 1);
        Ok(())
    }

    fn flag(&mut self, name: Name, value: bool) -> io::Result<()> {
        self.buffer.put(&name.json, name.json_len());
        self.buffer.slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn payload(&mut self, data: &[u8]) -> io::Result<()> {
        self.number(LEN, data.len() as u64)?;
        if let Ok(text) = std::str::from_utf8(data) {
            self.quoted(TEXT, "");
            // Every byte that must be escaped is a character of its own, so pieces need no care.
            for piece in text.as_bytes().chunks(PIECE) {
                piece.iter().for_each(|&byte| self.buffer.escaped(byte));
                self.spill()?;
            }
            self.buffer.put(b"\"", 1);
        }
        self.quoted(HEX, "");
        for piece in data.chunks(PIECE) {
            piece.iter().for_each(|&byte| self.buffer.hex(byte));
            self.spill()?;
        }
        self.buffer.put(b"\"", 1);
        Ok(())
    }
}

/// What a line begins with. It changes little from one event to the next, and only that is written anew.
#[derive(Debug)]
struct Start {
    text: [u8; START_ROOM],
    /// Bytes of it in use.
    len: usize,
    index: u64,
    offset: u64,
    icount: u64,
    /// Behind the last digit of the index, and of the offset.
    index_end: usize,
    offset_end: usize,
}

/// Numbers that differ below this differ in their last four digits only.
const LOW: u64 = 10_000;

impl Start {
    fn new() -> Start {
        Start {
            text: [0; START_ROOM],
            len: 0,
            index: 0,
            offset: 0,
            icount: 0,
            index_end: 0,
            offset_end: 0,
        }
    }

    #[inline]
    fn set(&mut self, record: &Record<'_>) {
        // Below `LOW` a number can have fewer than four digits.
        let near = |old: u64, new: u64| old / LOW == new / LOW && old >= LOW;
        if near(self.index, record.index) && near(self.offset, record.offset) {
            low_digits(&mut self.text, self.index_end, record.index % LOW);
            low_digits(&mut self.text, self.offset_end, record.offset % LOW);
            if self.icount != record.icount {
                self.len = self.icount_at(self.offset_end, record.icount);
            }
        } else {
            self.renew(record);
        }
        self.index = record.index;
        self.offset = record.offset;
        self.icount = record.icount;
    }

    #[cold]
    fn renew(&mut self, record: &Record<'_>) {
        let at = self.append(0, INDEX);
        self.index_end = self.append(at, itoa::Buffer::new().format(record.index).as_bytes());
        let at = self.append(self.index_end, OFFSET);
        self.offset_end = self.append(at, itoa::Buffer::new().format(record.offset).as_bytes());
        self.len = self.icount_at(self.offset_end, record.icount);
    }

    #[inline]
    fn icount_at(&mut self, at: usize, icount: u64) -> usize {
        let at = self.append(at, ICOUNT);
        self.append(at, itoa::Buffer::new().format(icount).as_bytes())
    }

    #[inline]
    fn append(&mut self, at: usize, part: &[u8]) -> usize {
        let end = at + part.len();
        if let Some(to) = self.text.get_mut(at..end) {
            to.copy_from_slice(part);
        }
        end
    }
}

/// Writes four digits that end at `end`.
#[inline]
fn low_digits(text: &mut [u8; START_ROOM], end: usize, low: u64) {
    let digit = |unit: u64| b'0' + (low / unit % 10) as u8;
    let digits = [digit(1000), digit(100), digit(10), digit(1)];
    if let Some(to) = end
        .checked_sub(4)
        .and_then(|begin| text.get_mut(begin..end))
    {
        to.copy_from_slice(&digits);
    }
}

/// Bytes on their way out. What is put in has a fixed length of which only a part counts: copying without
/// looking at the length is much quicker for such short pieces.
#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    len: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer {
            bytes: vec![0; GATHERED + SLACK],
            len: 0,
        }
    }

    /// Adds the first `len` bytes. There is room: `SLACK` sees to that.
    #[inline(always)]
    fn put<const N: usize>(&mut self, piece: &[u8; N], len: usize) {
        let rest = self.bytes.get_mut(self.len..);
        if let Some(to) = rest.and_then(<[u8]>::first_chunk_mut::<N>) {
            *to = *piece;
            self.len += len.min(N);
        }
    }

    #[inline]
    fn slice(&mut self, piece: &[u8]) {
        let end = self.len + piece.len();
        if let Some(to) = self.bytes.get_mut(self.len..end) {
            to.copy_from_slice(piece);
            self.len = end;
        }
    }

    #[inline]
    fn integer(&mut self, value: impl itoa::Integer) {
        self.slice(itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline]
    fn hex(&mut self, byte: u8) {
        let digit = |nibble: u8| HEX_DIGITS[usize::from(nibble & 15)];
        self.put(&[digit(byte >> 4), digit(byte)], 2);
    }

    /// As RFC 8259, section 7 has it.
    #[inline]
    fn escaped(&mut self, byte: u8) {
        match byte {
            b'"' => self.put(b"\\\"", 2),
            b'\\' => self.put(b"\\\\", 2),
            b'\n' => self.put(b"\\n", 2),
            b'\r' => self.put(b"\\r", 2),
            b'\t' => self.put(b"\\t", 2),
            0..0x20 => {
                self.put(b"\\u00", 4);
                self.hex(byte);
            }
            _ => self.put(&[byte], 1),
        }
    }

    fn write_to(&mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.bytes.get(..self.len).unwrap_or_default())?;
        self.len = 0;
        Ok(())
    }
}

fn padded<const N: usize>(text: &[u8]) -> ([u8; N], usize) {
    let mut room = [0; N];
    room.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    (room, text.len().min(N))
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
