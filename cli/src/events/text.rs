//! Events as text: the names of their arguments, which stand only here, and the lines for people.

use std::fmt;
use std::io::{self, Write};

use crate::events::buffer::{Buffer, LINE_ROOM, hex_digit};
use replay_format::{AsyncEvent, Event, InputEvent, Position, Record};

/// The name of an argument, as text and as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    /// The name alone.
    pub(crate) text: &'static str,
    /// `,"name":`, then zeros. A fixed length is fast to copy.
    pub(crate) json: [u8; NAME_ROOM],
}

/// Room for a name in JSON.
pub(crate) const NAME_ROOM: usize = 24;

impl Name {
    /// The name in both forms.
    pub(crate) const fn new(text: &'static str) -> Name {
        let mut json = [0; NAME_ROOM];
        let bytes = text.as_bytes();
        json[0] = b',';
        json[1] = b'"';
        let mut i = 0;
        while i < bytes.len() {
            json[i + 2] = bytes[i];
            i += 1;
        }
        json[i + 2] = b'"';
        json[i + 3] = b':';
        Name { text, json }
    }

    /// Length of the JSON in bytes.
    pub(crate) const fn json_len(&self) -> usize {
        self.text.len() + 4
    }
}

// The compiler evaluates these: a name that is too long does not compile.
const AXIS: Name = Name::new("axis");
const BUTTON: Name = Name::new("button");
const CHECKPOINT: Name = Name::new("checkpoint");
const COUNT: Name = Name::new("count");
const DEVICE: Name = Name::new("device");
const DOWN: Name = Name::new("down");
const ERROR: Name = Name::new("error");
const FLAGS: Name = Name::new("flags");
const ID: Name = Name::new("id");
const INPUT: Name = Name::new("input");
const NUMBER: Name = Name::new("number");
const OUTPUT_OFFSET: Name = Name::new("output_offset");
const QCODE: Name = Name::new("qcode");
const RESULT: Name = Name::new("result");
const SAMPLES: Name = Name::new("samples");
const SLOT: Name = Name::new("slot");
const TOUCH: Name = Name::new("touch");
const TRACKING_ID: Name = Name::new("tracking_id");
const VALUE: Name = Name::new("value");
const WRITE_POSITION: Name = Name::new("write_position");
/// The length of a payload, in bytes.
pub(crate) const LEN: Name = Name::new("len");
const DATA: Name = Name::new("data");

/// Takes the arguments of an event, one after another.
pub(crate) trait Fields {
    /// A number.
    fn number(&mut self, name: Name, value: u64) -> io::Result<()>;
    /// A number that can be negative.
    fn signed(&mut self, name: Name, value: i64) -> io::Result<()>;
    /// A word from a fixed set.
    fn word(&mut self, name: Name, value: &'static str) -> io::Result<()>;
    /// A boolean.
    fn flag(&mut self, name: Name, value: bool) -> io::Result<()>;
    /// The payload. An event has at most one.
    fn payload(&mut self, data: &[u8]) -> io::Result<()>;
}

/// Names the arguments of an event. The names are part of the ndjson schema, which `rr dump --help`
/// documents.
#[inline]
pub(crate) fn fields(event: &Event<'_>, to: &mut impl Fields) -> io::Result<()> {
    match *event {
        Event::Instruction { count } => to.number(COUNT, count.into()),
        Event::Async { checkpoint, event } => {
            if let Some(checkpoint) = checkpoint {
                to.word(CHECKPOINT, checkpoint.name())?;
            }
            async_fields(event, to)
        }
        // The event's place in the file has the name `offset` already.
        Event::CharWrite { result, offset } => {
            to.signed(RESULT, result.into())?;
            to.number(OUTPUT_OFFSET, offset.into())
        }
        Event::CharReadAll(data) => to.payload(data),
        Event::CharReadAllError(error) => to.signed(ERROR, error.into()),
        Event::AudioOut { samples } => to.number(SAMPLES, samples),
        Event::AudioIn {
            samples,
            write_position,
            frames,
        } => {
            to.number(SAMPLES, samples)?;
            if let Some(position) = write_position {
                to.number(WRITE_POSITION, position)?;
            }
            to.payload(frames)
        }
        Event::Random { result, data } => {
            to.signed(RESULT, result.into())?;
            to.payload(data)
        }
        Event::Clock { value, .. } => to.signed(VALUE, value),
        // These events have no arguments.
        Event::Interrupt
        | Event::Exception
        | Event::Shutdown(_)
        | Event::Checkpoint(_)
        | Event::End => Ok(()),
    }
}

fn async_fields(event: AsyncEvent<'_>, to: &mut impl Fields) -> io::Result<()> {
    match event {
        AsyncEvent::Bh { id } | AsyncEvent::BhOneshot { id } | AsyncEvent::Block { id } => {
            to.number(ID, id)
        }
        AsyncEvent::Input(input) => input_fields(input, to),
        AsyncEvent::InputSync => Ok(()),
        AsyncEvent::CharRead { device, data } => {
            to.number(DEVICE, device.into())?;
            to.payload(data)
        }
        AsyncEvent::Net {
            device,
            flags,
            data,
        } => {
            to.number(DEVICE, device.into())?;
            to.number(FLAGS, flags.into())?;
            to.payload(data)
        }
    }
}

fn input_fields(input: InputEvent, to: &mut impl Fields) -> io::Result<()> {
    match input {
        InputEvent::KeyNumber { value, down } => {
            to.word(INPUT, "key-number")?;
            to.number(NUMBER, value)?;
            to.flag(DOWN, down)
        }
        InputEvent::KeyQcode { qcode, down } => {
            to.word(INPUT, "key-qcode")?;
            to.number(QCODE, qcode.into())?;
            to.flag(DOWN, down)
        }
        InputEvent::Button { button, down } => {
            to.word(INPUT, "button")?;
            to.number(BUTTON, button.into())?;
            to.flag(DOWN, down)
        }
        InputEvent::Relative { axis, value } => {
            to.word(INPUT, "relative")?;
            to.number(AXIS, axis.into())?;
            to.signed(VALUE, value)
        }
        InputEvent::Absolute { axis, value } => {
            to.word(INPUT, "absolute")?;
            to.number(AXIS, axis.into())?;
            to.signed(VALUE, value)
        }
        InputEvent::MultiTouch {
            touch,
            slot,
            tracking_id,
            axis,
            value,
        } => {
            to.word(INPUT, "multi-touch")?;
            to.number(TOUCH, touch.into())?;
            to.signed(SLOT, slot)?;
            to.signed(TRACKING_ID, tracking_id)?;
            to.number(AXIS, axis.into())?;
            to.signed(VALUE, value)
        }
    }
}

/// Bytes of a payload that a line shows at most.
const PREVIEW: usize = 48;

/// Room for all arguments of an event as text; a byte of the preview can become four.
const ARGUMENTS_ROOM: usize = 512 + 4 * PREVIEW + LINE_ROOM;

/// The arguments as `name=value`, with a preview of the payload, for messages and for the lines of
/// a dump.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'e>(pub(crate) &'e Event<'e>);

impl fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Buffer::with_room(ARGUMENTS_ROOM);
        words(self.0, &mut text).map_err(|_| fmt::Error)?;
        // The text is pure ASCII.
        f.pad(&String::from_utf8_lossy(text.bytes()))
    }
}

#[inline]
fn words(event: &Event<'_>, to: &mut Buffer) -> io::Result<()> {
    fields(event, &mut Words { to, gap: "" })
}

struct Words<'b> {
    to: &'b mut Buffer,
    /// The text before the next argument.
    gap: &'static str,
}

impl Words<'_> {
    #[inline]
    fn name(&mut self, name: Name) {
        self.to.slice(self.gap.as_bytes());
        self.to.slice(name.text.as_bytes());
        self.to.put(b"=", 1);
        self.gap = " ";
    }
}

impl Fields for Words<'_> {
    #[inline]
    fn number(&mut self, name: Name, value: u64) -> io::Result<()> {
        self.name(name);
        self.to.decimal(value);
        Ok(())
    }

    #[inline]
    fn signed(&mut self, name: Name, value: i64) -> io::Result<()> {
        self.name(name);
        self.to.signed(value);
        Ok(())
    }

    fn word(&mut self, name: Name, value: &'static str) -> io::Result<()> {
        self.name(name);
        self.to.slice(value.as_bytes());
        Ok(())
    }

    fn flag(&mut self, name: Name, value: bool) -> io::Result<()> {
        self.word(name, if value { "true" } else { "false" })
    }

    /// Adds the first bytes in quotes, as a Rust byte string.
    fn payload(&mut self, data: &[u8]) -> io::Result<()> {
        self.number(LEN, data.len() as u64)?;
        let shown = data.get(..PREVIEW).unwrap_or(data);
        self.name(DATA);
        self.to.put(b"\"", 1);
        shown
            .escape_ascii()
            .for_each(|byte| self.to.put(&[byte], 1));
        let end = if shown.len() < data.len() {
            "\"..."
        } else {
            "\""
        };
        self.to.slice(end.as_bytes());
        Ok(())
    }
}

/// Widths by which the columns of all lines are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Widths {
    index: usize,
    offset: usize,
    icount: usize,
    name: usize,
}

impl Widths {
    /// Wide enough for numbers up to this position, and names of up to `name` characters.
    pub(crate) fn up_to(end: Position, name: usize) -> Widths {
        let digits = |number: u64| number.to_string().len();
        Widths {
            index: digits(end.index.saturating_sub(1)),
            offset: format!("{:x}", end.offset).len(),
            icount: digits(end.icount),
            name,
        }
    }
}

/// Writes events as lines: index, offset, icount, name, arguments.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    out: W,
    widths: Widths,
    buffer: Buffer,
}

impl<W: Write> Lines<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W, widths: Widths) -> Lines<W> {
        Lines {
            out,
            widths,
            buffer: Buffer::new(),
        }
    }

    /// Writes one event.
    pub(crate) fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        let widths = self.widths;
        self.right(record.index, widths.index);
        self.buffer.put(b"  0x", 4);
        for place in (0..widths.offset as u32).rev() {
            let nibble = record.offset.checked_shr(4 * place).unwrap_or(0);
            self.buffer.put(&[hex_digit(nibble as u8)], 1);
        }
        self.buffer.put(b"  ", 2);
        self.right(record.icount, widths.icount);
        self.buffer.put(b"  ", 2);
        let name = record.event.kind().name();
        self.buffer.slice(name.as_bytes());
        let bare = self.buffer.len();
        self.buffer
            .spaces(widths.name.saturating_sub(name.len()) + 2);
        let begin = self.buffer.len();
        words(&record.event, &mut self.buffer)?;
        if self.buffer.len() == begin {
            self.buffer.truncate(bare);
        }
        self.buffer.put(b"\n", 1);
        self.buffer.spill(&mut self.out)
    }

    /// Writes out the rest of the buffer.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.buffer.write_to(&mut self.out)
    }

    #[inline]
    fn right(&mut self, number: u64, width: usize) {
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        self.buffer.spaces(width.saturating_sub(digits));
        self.buffer.decimal(number);
    }
}
