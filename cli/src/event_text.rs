//! Events as text: the one place that names their arguments, and the lines that people read.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use replay_format::{AsyncEvent, Event, InputEvent, Position, Record};

/// Takes the arguments of an event, one after another.
pub(crate) trait Fields {
    /// A number.
    fn number(&mut self, name: &'static str, value: u64) -> io::Result<()>;
    /// A number that can be negative.
    fn signed(&mut self, name: &'static str, value: i64) -> io::Result<()>;
    /// One of a few words.
    fn word(&mut self, name: &'static str, value: &'static str) -> io::Result<()>;
    /// Yes or no.
    fn flag(&mut self, name: &'static str, value: bool) -> io::Result<()>;
    /// The payload. An event has one at most.
    fn payload(&mut self, data: &[u8]) -> io::Result<()>;
}

/// Names the arguments of an event. The names are part of the ndjson schema, which `rr dump --help`
/// documents.
#[inline]
pub(crate) fn fields(event: &Event<'_>, to: &mut impl Fields) -> io::Result<()> {
    match *event {
        Event::Instruction { count } => to.number("count", count.into()),
        Event::Async { checkpoint, event } => {
            if let Some(checkpoint) = checkpoint {
                to.word("checkpoint", checkpoint.name())?;
            }
            async_fields(event, to)
        }
        // `offset` is where the event is in the file.
        Event::CharWrite { result, offset } => {
            to.signed("result", result.into())?;
            to.number("output_offset", offset.into())
        }
        Event::CharReadAll(data) => to.payload(data),
        Event::CharReadAllError(error) => to.signed("error", error.into()),
        Event::AudioOut { samples } => to.number("samples", samples),
        Event::AudioIn {
            samples,
            write_position,
            frames,
        } => {
            to.number("samples", samples)?;
            if let Some(position) = write_position {
                to.number("write_position", position)?;
            }
            to.payload(frames)
        }
        Event::Random { result, data } => {
            to.signed("result", result.into())?;
            to.payload(data)
        }
        Event::Clock { value, .. } => to.signed("value", value),
        // Their names say it all.
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
            to.number("id", id)
        }
        AsyncEvent::Input(input) => input_fields(input, to),
        AsyncEvent::InputSync => Ok(()),
        AsyncEvent::CharRead { device, data } => {
            to.number("device", device.into())?;
            to.payload(data)
        }
        AsyncEvent::Net {
            device,
            flags,
            data,
        } => {
            to.number("device", device.into())?;
            to.number("flags", flags.into())?;
            to.payload(data)
        }
    }
}

fn input_fields(input: InputEvent, to: &mut impl Fields) -> io::Result<()> {
    match input {
        InputEvent::KeyNumber { value, down } => {
            to.word("input", "key-number")?;
            to.number("number", value)?;
            to.flag("down", down)
        }
        InputEvent::KeyQcode { qcode, down } => {
            to.word("input", "key-qcode")?;
            to.number("qcode", qcode.into())?;
            to.flag("down", down)
        }
        InputEvent::Button { button, down } => {
            to.word("input", "button")?;
            to.number("button", button.into())?;
            to.flag("down", down)
        }
        InputEvent::Relative { axis, value } => {
            to.word("input", "relative")?;
            to.number("axis", axis.into())?;
            to.signed("value", value)
        }
        InputEvent::Absolute { axis, value } => {
            to.word("input", "absolute")?;
            to.number("axis", axis.into())?;
            to.signed("value", value)
        }
        InputEvent::MultiTouch {
            touch,
            slot,
            tracking_id,
            axis,
            value,
        } => {
            to.word("input", "multi-touch")?;
            to.number("touch", touch.into())?;
            to.signed("slot", slot)?;
            to.signed("tracking_id", tracking_id)?;
            to.number("axis", axis.into())?;
            to.signed("value", value)
        }
    }
}

/// Bytes of a payload that a line shows.
const PREVIEW: usize = 48;

/// The arguments as `name=value`, with a preview of the payload. For messages, and for the lines of a
/// dump.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'e>(pub(crate) &'e Event<'e>);

impl fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Words { f, first: true };
        fields(self.0, &mut words).map_err(|_| fmt::Error)
    }
}

struct Words<'f, 'b> {
    f: &'f mut fmt::Formatter<'b>,
    first: bool,
}

impl Words<'_, '_> {
    fn put(&mut self, name: &str, value: impl fmt::Display) -> io::Result<()> {
        let gap = if self.first { "" } else { " " };
        self.first = false;
        write!(self.f, "{gap}{name}={value}").map_err(io::Error::other)
    }
}

impl Fields for Words<'_, '_> {
    fn number(&mut self, name: &'static str, value: u64) -> io::Result<()> {
        self.put(name, value)
    }

    fn signed(&mut self, name: &'static str, value: i64) -> io::Result<()> {
        self.put(name, value)
    }

    fn word(&mut self, name: &'static str, value: &'static str) -> io::Result<()> {
        self.put(name, value)
    }

    fn flag(&mut self, name: &'static str, value: bool) -> io::Result<()> {
        self.put(name, value)
    }

    fn payload(&mut self, data: &[u8]) -> io::Result<()> {
        self.put("len", data.len())?;
        self.put("data", Preview(data))
    }
}

/// The first bytes in quotes, as they would be in a Rust byte string.
struct Preview<'d>(&'d [u8]);

impl fmt::Display for Preview<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..PREVIEW).unwrap_or(self.0);
        let more = if shown.len() < self.0.len() {
            "..."
        } else {
            ""
        };
        write!(f, "\"{}\"{more}", shown.escape_ascii())
    }
}

/// Widths that keep the columns of a log's lines straight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Widths {
    index: usize,
    offset: usize,
    icount: usize,
    name: usize,
}

impl Widths {
    /// Wide enough for everything up to this position, and names of up to `name` characters.
    pub(crate) fn up_to(end: Position, name: usize) -> Widths {
        let digits = |number: u64| number.to_string().len();
        Widths {
            index: digits(end.index.saturating_sub(1)),
            offset: format!("{:x}", end.offset).len() + 2,
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
    /// Kept to be filled again.
    line: String,
}

impl<W: Write> Lines<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W, widths: Widths) -> Lines<W> {
        Lines {
            out,
            widths,
            line: String::new(),
        }
    }

    /// Writes one event.
    pub(crate) fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        let Widths {
            index,
            offset,
            icount,
            name,
        } = self.widths;
        self.line.clear();
        write!(
            self.line,
            "{:>index$}  {:#0offset$x}  {:>icount$}  {:<name$}  {}",
            record.index,
            record.offset,
            record.icount,
            record.event.kind(),
            Arguments(&record.event),
        )
        .map_err(io::Error::other)?;
        let len = self.line.trim_end().len();
        self.line.truncate(len);
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())
    }
}
