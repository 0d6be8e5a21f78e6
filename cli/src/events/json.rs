//! Prints events as ndjson: one JSON object per line. The schema is in `rr dump --help`.
//!
//! The JSON is written by hand, because a log has many millions of events: no value is built, and
//! numbers go straight into the buffer. A payload is written in pieces, so the memory does not grow
//! with it.

use std::io::{self, Write};

use replay_format::{Event, Kind, Record};

use crate::events::buffer::{Buffer, EIGHT, FOUR, Line, four_digits};
use crate::events::text::{Fields, LEN, Name, fields};

/// Bytes of a payload that are escaped at a time. An escaped byte has up to six bytes.
const PIECE: usize = 4 * 1024;
/// Room for the start of a line, up to the icount: two numbers and three names.
const START_ROOM: usize = 72;
/// Room for the name of a kind.
const KIND_ROOM: usize = 64;

const TEXT: Name = Name::new("text");
const HEX: Name = Name::new("hex");

/// Writes events as ndjson.
#[derive(Debug)]
pub(crate) struct Ndjson<W> {
    out: W,
    buffer: Buffer,
    start: Start,
    icount: IcountText,
    /// The text after the icount, by [`Kind::index`].
    kinds: [Rest; Kind::COUNT],
}

/// `,"event":"NAME"` and its length. For an event without arguments it includes the end of the
/// line; for `EVENT_INSTRUCTION`, which is every second event, the name of its argument.
#[derive(Debug, Clone, Copy)]
struct Rest {
    text: [u8; KIND_ROOM],
    len: u8,
}

impl Rest {
    fn of(kind: Kind) -> Rest {
        let (text, len) = padded(&match kind {
            Kind::Instruction => format!(",\"event\":\"{kind}\",\"count\":"),
            _ if is_bare(kind) => format!(",\"event\":\"{kind}\"}}\n"),
            _ => format!(",\"event\":\"{kind}\""),
        });
        Rest { text, len }
    }
}

/// True if events of this kind have no arguments in any version.
#[inline(always)]
fn is_bare(kind: Kind) -> bool {
    matches!(kind, Kind::Interrupt | Kind::Exception | Kind::End) || {
        let name = kind.name().as_bytes();
        name.starts_with(b"EVENT_CHECKPOINT") || name.starts_with(b"EVENT_SHUTDOWN")
    }
}

impl<W: Write> Ndjson<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W) -> Ndjson<W> {
        let mut kinds = [Rest::of(Kind::End); Kind::COUNT];
        for &kind in Kind::ALL {
            kinds[kind.index()] = Rest::of(kind);
        }
        Ndjson {
            out,
            buffer: Buffer::new(),
            start: Start::of(0, 0),
            icount: IcountText::of(0),
            kinds,
        }
    }

    /// Collects the output, up to this many bytes.
    pub(crate) fn gathering(room: usize, out: W) -> Ndjson<W> {
        Ndjson {
            buffer: Buffer::with_room(room),
            ..Ndjson::new(out)
        }
    }

    /// Writes the collected output to `out`.
    pub(crate) fn hand_over(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.buffer.write_to(out)
    }

    /// Writes one event.
    #[inline]
    pub(crate) fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        let Rest { text, len } = &self.kinds[record.event.kind().index()];
        self.buffer.line(|line| {
            self.start.put(record, line);
            self.icount.put(record.icount, line);
            line.put(text, *len);
            if let Event::Instruction { count } = record.event {
                line.decimal(count.into());
                line.put(b"}\n", 2);
            }
        });
        match record.event {
            Event::Instruction { .. }
            | Event::Interrupt
            | Event::Exception
            | Event::Checkpoint(_)
            | Event::Shutdown(_)
            | Event::End => {}
            ref event => {
                fields(event, self)?;
                self.buffer.put(b"}\n", 2);
            }
        }
        self.spill()
    }

    /// Writes out the rest of the buffer.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.buffer.write_to(&mut self.out)
    }

    #[inline]
    fn spill(&mut self) -> io::Result<()> {
        self.buffer.spill(&mut self.out)
    }

    #[inline(always)]
    fn name(&mut self, name: Name) {
        self.buffer.put(&name.json, name.json_len());
    }

    fn quoted(&mut self, name: Name, text: &str) {
        self.name(name);
        self.buffer.put(b"\"", 1);
        self.buffer.slice(text.as_bytes());
    }

    /// Escapes a byte (RFC 8259, section 7).
    #[inline]
    fn escaped(&mut self, byte: u8) {
        match byte {
            b'"' => self.buffer.put(b"\\\"", 2),
            b'\\' => self.buffer.put(b"\\\\", 2),
            b'\n' => self.buffer.put(b"\\n", 2),
            b'\r' => self.buffer.put(b"\\r", 2),
            b'\t' => self.buffer.put(b"\\t", 2),
            0..0x20 => {
                self.buffer.put(b"\\u00", 4);
                self.buffer.hex(byte);
            }
            _ => self.buffer.put(&[byte], 1),
        }
    }
}

impl<W: Write> Fields for Ndjson<W> {
    #[inline]
    fn number(&mut self, name: Name, value: u64) -> io::Result<()> {
        self.name(name);
        self.buffer.decimal(value);
        Ok(())
    }

    #[inline]
    fn signed(&mut self, name: Name, value: i64) -> io::Result<()> {
        self.name(name);
        self.buffer.signed(value);
        Ok(())
    }

    fn word(&mut self, name: Name, value: &'static str) -> io::Result<()> {
        self.quoted(name, value);
        self.buffer.put(b"\"", 1);
        Ok(())
    }

    fn flag(&mut self, name: Name, value: bool) -> io::Result<()> {
        self.name(name);
        self.buffer.slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn payload(&mut self, data: &[u8]) -> io::Result<()> {
        self.number(LEN, data.len() as u64)?;
        if let Ok(text) = std::str::from_utf8(data) {
            self.quoted(TEXT, "");
            // Only ASCII bytes are escaped, so a piece may end inside a character.
            for piece in text.as_bytes().chunks(PIECE) {
                piece.iter().for_each(|&byte| self.escaped(byte));
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

/// One event as a JSON value, with the members of a line of ndjson.
pub(crate) fn value(record: &Record<'_>) -> io::Result<serde_json::Value> {
    let mut line = Vec::new();
    let mut ndjson = Ndjson::new(&mut line);
    ndjson.write(record)?;
    ndjson.finish()?;
    Ok(serde_json::from_slice(&line)?)
}

/// The start of a line. Neighbouring lines differ only in the last digits of the index and the
/// offset: the rest is copied, and these digits are overwritten.
#[derive(Debug)]
struct Start {
    /// `{"index":N,"offset":N,"icount":`
    text: [u8; START_ROOM],
    len: u8,
    /// Index and offset without their last four digits. Numbers below [`FOUR`] can have fewer
    /// digits, so they are not copied.
    index: u64,
    offset: u64,
    /// Where the last four digits of the index and of the offset begin.
    index_low: u8,
    offset_low: u8,
}

/// A number so large that no other is less than [`FOUR`] above it.
const FAR: u64 = u64::MAX - FOUR;

impl Start {
    fn of(index: u64, offset: u64) -> Start {
        let to_index = format!("{{\"index\":{index}");
        let to_offset = format!("{to_index},\"offset\":{offset}");
        let (text, len) = padded(&format!("{to_offset},\"icount\":"));
        let high = |number: u64| match number < FOUR {
            true => FAR,
            false => number - number % FOUR,
        };
        Start {
            text,
            len,
            index: high(index),
            offset: high(offset),
            index_low: to_index.len().saturating_sub(4) as u8,
            offset_low: to_offset.len().saturating_sub(4) as u8,
        }
    }

    #[inline(always)]
    fn put(&mut self, record: &Record<'_>, line: &mut Line<'_>) {
        let index = record.index.wrapping_sub(self.index);
        let offset = record.offset.wrapping_sub(self.offset);
        if index >= FOUR || offset >= FOUR {
            *self = Start::of(record.index, record.offset);
            line.put(&self.text, self.len);
            return;
        }
        line.put(&self.text, self.len);
        line.write(self.index_low, &four_digits(index));
        line.write(self.offset_low, &four_digits(offset));
    }
}

/// The icount. Neighbouring lines differ only in its last eight digits.
#[derive(Debug)]
struct IcountText {
    /// The digits before these.
    text: [u8; 16],
    len: u8,
    high: u64,
}

impl IcountText {
    fn of(icount: u64) -> IcountText {
        let digits = match icount / EIGHT {
            0 => String::new(),
            high => high.to_string(),
        };
        let (text, len) = padded(&digits);
        IcountText {
            text,
            len,
            high: icount - icount % EIGHT,
        }
    }

    #[inline(always)]
    fn put(&mut self, icount: u64, line: &mut Line<'_>) {
        if icount < EIGHT {
            return line.decimal(icount);
        }
        let mut low = icount.wrapping_sub(self.high);
        if low >= EIGHT {
            *self = IcountText::of(icount);
            low = icount % EIGHT;
        }
        line.put(&self.text, self.len);
        line.eight_digits(low);
    }
}

/// The text, padded to a room that it fits into, and its length.
fn padded<const N: usize>(text: &str) -> ([u8; N], u8) {
    let mut room = [0; N];
    room.iter_mut()
        .zip(text.as_bytes())
        .for_each(|(to, &from)| *to = from);
    (room, text.len().min(N) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use replay_format::AsyncEvent;

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
