//! Errors of reading and of writing a log.

use crate::event::Kind;
use crate::version::Version;

/// A place between two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Byte offset in the file, header included.
    pub offset: u64,
    /// The number of events before it.
    pub index: u64,
    /// Instructions executed before it.
    pub icount: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "offset {}, event {}, icount {}",
            self.offset, self.index, self.icount
        )
    }
}

/// Why a log, or the rest of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not begin like a log.
    #[error("not a record/replay log: it begins with {}, and a log with 00 e0 20 and its \
        version", Hex(.first))]
    NotALog {
        /// The first bytes, at most four.
        first: Vec<u8>,
    },
    /// The file ends inside the header.
    #[error("truncated inside the header: {len} of 12 bytes; nothing was recorded yet")]
    TruncatedHeader {
        /// The length of the file in bytes.
        len: u64,
    },
    /// The header names an unknown version.
    #[error("unknown version id {id:#010x}; known are {}", known_versions())]
    UnknownVersion {
        /// The version id of the header.
        id: u32,
    },
    /// The file ends before `EVENT_END`: inside an event, or between two.
    #[error("truncated at {at}: {}", truncation(.kind, .needed, .available))]
    Truncated {
        /// The place after the last whole event.
        at: Position,
        /// The kind of the event that is cut; `None` if no event is cut, or its id is missing.
        kind: Option<Kind>,
        /// The least number of bytes of the cut event, its id included. For an array this is what
        /// the length field claims.
        needed: u64,
        /// The number of bytes that are left.
        available: u64,
    },
    /// There are zeroes that are no events: a crash of the system lengthens a file, and loses what
    /// was written there. An event that reaches into them is not whole.
    #[error(
        "truncated at {at}: {zeroes} bytes of zeroes {}, as a crash of the system leaves them",
        place_of_zeroes(.behind)
    )]
    Zeroes {
        /// The place after the last whole event.
        at: Position,
        /// The number of zeroes.
        zeroes: u64,
        /// The number of bytes behind them; 0 at the end of the file.
        behind: u64,
    },
    /// No event has this id.
    #[error(
        "unknown event id {id} at {at}, read as {table}; the log is damaged, or of another version"
    )]
    UnknownEvent {
        /// The place of the event.
        at: Position,
        /// Its id.
        id: u8,
        /// The [name](crate::Table::name) of the table.
        table: &'static str,
    },
    /// An argument has a value outside of its set of numbers.
    #[error(
        "unknown {argument} {value} in the event at {at}; the log is damaged, or of another version"
    )]
    UnknownValue {
        /// The place of the event.
        at: Position,
        /// The argument.
        argument: Argument,
        /// Its value.
        value: u32,
    },
    /// There are bytes after `EVENT_END`.
    #[error(
        "{trailing} bytes follow EVENT_END at {at}; cut the file there, or it is not of this \
         version"
    )]
    AfterEnd {
        /// The place where they begin.
        at: Position,
        /// The number of bytes.
        trailing: u64,
    },
    /// The sum of the instructions is larger than 64 bits hold.
    #[error("the instruction count overflows at {at}: {count} more instructions")]
    IcountOverflow {
        /// The place of the event.
        at: Position,
        /// Its instructions.
        count: u32,
    },
    /// The position is not among the events of the log.
    #[error("offset {offset} is not among the events of this log, which are at 12 to {len}")]
    BadOffset {
        /// The byte offset of the position.
        offset: u64,
        /// The length of the log in bytes.
        len: u64,
    },
}

impl Error {
    /// True if the file only ends too early. Then all events before its end are good.
    pub const fn is_truncated(&self) -> bool {
        matches!(
            self,
            Error::Truncated { .. } | Error::Zeroes { .. } | Error::TruncatedHeader { .. }
        )
    }

    /// The place of the error in the events, if it has one.
    pub const fn position(&self) -> Option<Position> {
        match self {
            Error::Truncated { at, .. }
            | Error::Zeroes { at, .. }
            | Error::UnknownEvent { at, .. }
            | Error::UnknownValue { at, .. }
            | Error::AfterEnd { at, .. }
            | Error::IcountOverflow { at, .. } => Some(*at),
            _ => None,
        }
    }
}

/// An argument whose value is a number from a small set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Argument {
    /// The checkpoint of an asynchronous event, 0 to 8.
    Checkpoint,
    /// The kind of an asynchronous event.
    AsyncKind,
    /// The type of an input event, 0 to 4.
    InputType,
    /// The kind of a key, 0 or 1.
    KeyKind,
    /// Whether a key or button is down, 0 or 1.
    Down,
}

impl std::fmt::Display for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Argument::Checkpoint => "checkpoint id",
            Argument::AsyncKind => "async event kind",
            Argument::InputType => "input event type",
            Argument::KeyKind => "key kind",
            Argument::Down => "pressed state",
        })
    }
}

/// Why an event was not written. The sink has got no part of it then, except after
/// [`WriteError::Io`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The sink failed. The number of bytes that it took is unknown.
    #[error("cannot write the log: {0}")]
    Io(#[from] std::io::Error),
    /// This version does not have the event.
    #[error("{table} has no {kind}")]
    NotInTable {
        /// The event.
        kind: Kind,
        /// The [name](crate::Table::name) of the table.
        table: &'static str,
    },
    /// This version needs a field that the event does not have.
    #[error("{kind} needs its {field} in {table}")]
    Missing {
        /// The event.
        kind: Kind,
        /// The field of the event.
        field: &'static str,
        /// The [name](crate::Table::name) of the table.
        table: &'static str,
    },
    /// This version has no place for a field of the event.
    #[error("{kind} has no {field} in {table}; leave it out")]
    Surplus {
        /// The event.
        kind: Kind,
        /// The field of the event.
        field: &'static str,
        /// The [name](crate::Table::name) of the table.
        table: &'static str,
    },
    /// A number or a length is larger than 32 bits hold.
    #[error("{kind}: {value} does not fit into 32 bits")]
    TooLarge {
        /// The event.
        kind: Kind,
        /// The number or length.
        value: u64,
    },
    /// The length of audio frames is not 16 bytes per sample.
    #[error("EVENT_AUDIO_IN: {samples} samples need 16 bytes each, and there are {bytes}")]
    Frames {
        /// The number of samples.
        samples: u64,
        /// The length of the frames in bytes.
        bytes: u64,
    },
    /// The event's icount is smaller than that of the log.
    #[error("the log is at icount {written}, later than {asked}; events must come in order")]
    Backwards {
        /// The icount of the log so far.
        written: u64,
        /// The icount of the event.
        asked: u64,
    },
    /// The sum of the instructions is larger than 64 bits hold.
    #[error("the instruction count {written} overflows with {count} more")]
    IcountOverflow {
        /// The icount of the log so far.
        written: u64,
        /// The instructions of the event.
        count: u32,
    },
    /// `EVENT_END` is written already.
    #[error("{kind} after EVENT_END")]
    AfterEnd {
        /// The event.
        kind: Kind,
    },
}

/// A fault that a decoder of arguments finds. The reader adds the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The event needs this many bytes, its id included.
    Short(u64),
    Unknown(Argument, u32),
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if i > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

fn known_versions() -> String {
    let ids: Vec<_> = Version::ALL
        .iter()
        .map(|v| format!("{v} ({:#010x})", v.id()))
        .collect();
    ids.join(", ")
}

fn place_of_zeroes(behind: &u64) -> String {
    match behind {
        0 => "at the end".to_owned(),
        behind => format!("with {behind} other bytes behind them"),
    }
}

fn truncation(kind: &Option<Kind>, needed: &u64, available: &u64) -> String {
    match kind {
        _ if *available == 0 => "the log ends without EVENT_END".to_owned(),
        Some(kind) => format!("{kind} needs {needed} bytes, and {available} are left"),
        None => format!("an event needs at least {needed} bytes, and {available} are left"),
    }
}
