//! What can be wrong with a log, and with what one wants to write into one.

use crate::event::Kind;
use crate::version::Version;

/// A place between two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Byte offset in the file, header included.
    pub offset: u64,
    /// How many events lie before it.
    pub index: u64,
    /// Instructions executed up to it.
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
    /// The first bytes are not those of a log.
    #[error("not a record/replay log: it begins with {}, and a log with 00 e0 20 and its \
        version", Hex(.first))]
    NotALog {
        /// The first bytes, four at most.
        first: Vec<u8>,
    },
    /// The file ends inside the header.
    #[error("truncated inside the header: {len} of 12 bytes; nothing was recorded yet")]
    TruncatedHeader {
        /// The length of the file.
        len: u64,
    },
    /// The header names a version that does not exist, or not yet.
    #[error("unknown version id {id:#010x}; known are {}", known_versions())]
    UnknownVersion {
        /// The version id of the header.
        id: u32,
    },
    /// The file ends before `EVENT_END`: inside an event, or between two.
    #[error("truncated at {at}: {}", truncation(.kind, .needed, .available))]
    Truncated {
        /// Where the whole events end.
        at: Position,
        /// The event that is cut; `None` if none is, or if its id is not there yet.
        kind: Option<Kind>,
        /// Bytes that it needs at least, its id included; for an array this is what the length
        /// field claims.
        needed: u64,
        /// Bytes that are left.
        available: u64,
    },
    /// No event has this id.
    #[error(
        "unknown event id {id} at {at}, read as {table}; the log is damaged, or of another version"
    )]
    UnknownEvent {
        /// The event.
        at: Position,
        /// Its id.
        id: u8,
        /// The [name](crate::Table::name) of the table.
        table: &'static str,
    },
    /// An argument that is a number from a small set is not in that set.
    #[error(
        "unknown {argument} {value} in the event at {at}; the log is damaged, or of another version"
    )]
    UnknownValue {
        /// The event.
        at: Position,
        /// Which argument.
        argument: Argument,
        /// Its value.
        value: u32,
    },
    /// There are bytes behind `EVENT_END`.
    #[error(
        "{trailing} bytes follow EVENT_END at {at}; cut the file there, or it is not of this \
         version"
    )]
    AfterEnd {
        /// Where they begin.
        at: Position,
        /// How many.
        trailing: u64,
    },
    /// The instructions add up to more than 64 bits hold.
    #[error("the instruction count overflows at {at}: {count} more instructions")]
    IcountOverflow {
        /// The event.
        at: Position,
        /// Its instructions.
        count: u32,
    },
    /// The position asked for is not in the events.
    #[error("offset {offset} is not among the events of this log, which are at 12 to {len}")]
    BadOffset {
        /// What was asked for.
        offset: u64,
        /// The length of the log.
        len: u64,
    },
}

impl Error {
    /// Whether the file merely ends too early: all events before that are good.
    pub const fn is_truncated(&self) -> bool {
        matches!(
            self,
            Error::Truncated { .. } | Error::TruncatedHeader { .. }
        )
    }

    /// Where in the events it is, if it is there.
    pub const fn position(&self) -> Option<Position> {
        match self {
            Error::Truncated { at, .. }
            | Error::UnknownEvent { at, .. }
            | Error::UnknownValue { at, .. }
            | Error::AfterEnd { at, .. }
            | Error::IcountOverflow { at, .. } => Some(*at),
            _ => None,
        }
    }
}

/// An argument that is a number from a small set.
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

/// Why an event was not written. Nothing of it is in the sink then, except after
/// [`WriteError::Io`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The sink failed. How much it took is unknown.
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
    /// This version needs a field that the event leaves out.
    #[error("{kind} needs its {field} in {table}")]
    Missing {
        /// The event.
        kind: Kind,
        /// The field of the event.
        field: &'static str,
        /// The [name](crate::Table::name) of the table.
        table: &'static str,
    },
    /// This version has no room for a field of the event.
    #[error("{kind} has no {field} in {table}; leave it out")]
    Surplus {
        /// The event.
        kind: Kind,
        /// The field of the event.
        field: &'static str,
        /// The [name](crate::Table::name) of the table.
        table: &'static str,
    },
    /// A number or a length is too large for its 32 bits.
    #[error("{kind}: {value} does not fit into 32 bits")]
    TooLarge {
        /// The event.
        kind: Kind,
        /// The value or length.
        value: u64,
    },
    /// There must be exactly 16 bytes of frames per audio sample.
    #[error("EVENT_AUDIO_IN: {samples} samples need 16 bytes each, and there are {bytes}")]
    Frames {
        /// The samples.
        samples: u64,
        /// The bytes.
        bytes: u64,
    },
    /// Time went backwards.
    #[error("the log is at icount {written}, later than {asked}; events must come in order")]
    Backwards {
        /// The icount of what is written.
        written: u64,
        /// The icount of the event.
        asked: u64,
    },
    /// The instructions add up to more than 64 bits hold.
    #[error("the instruction count {written} overflows with {count} more")]
    IcountOverflow {
        /// The icount of what is written.
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

/// What a decoder of arguments can find; the reader adds where.
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

fn truncation(kind: &Option<Kind>, needed: &u64, available: &u64) -> String {
    match kind {
        _ if *available == 0 => "the log ends without EVENT_END".to_owned(),
        Some(kind) => format!("{kind} needs {needed} bytes, and {available} are left"),
        None => format!("an event needs at least {needed} bytes, and {available} are left"),
    }
}
