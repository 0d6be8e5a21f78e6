//! Positions along a recording: how people write a place, and where it is in the log.

use machine::Icount;
use std::fmt;
use std::str::FromStr;

use replay_format::{Log, Record};

/// A place in a recording as people write it; "POS" on the command line, in gdb and in QMP.
///
/// | written | means |
/// |---|---|
/// | `12345`, `1_000`, `1.5M` | that many instructions after the start; k, M, G are decimal |
/// | `50%`, `12.5%` | that share of the instructions |
/// | `event#17` | the event with this index, counted from 0 |
/// | `start`, `end` | the first place, and the last |
/// | `@name` | where the snapshot of this name was taken |
///
/// ```
/// use machine::Icount;
/// use rr::recording::position::Position;
///
/// assert_eq!("1.5M".parse(), Ok(Position::Icount(Icount::new(1_500_000))));
/// assert_eq!("event#17".parse(), Ok(Position::Event(17)));
/// assert!("yesterday".parse::<Position>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Position {
    /// Before the first event, at icount 0.
    Start,
    /// After the last event.
    End,
    /// Instructions since reset.
    Icount(Icount),
    /// A share of all instructions, in millionths of a percent: 0 to [`Position::ALL`].
    Share(u32),
    /// The event with this index, from 0.
    Event(u64),
    /// The snapshot with this name.
    Snapshot(String),
}

/// Why a text is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no position: {problem}; write an instruction count (12345, 1.5M), a share (50%), \
     event#17, start, end, or @snapshot"
)]
pub struct ParseError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Why a recording does not have a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The icount is larger than the recording's last.
    #[error("{asked} is past the end, which is at icount {end}")]
    PastEnd {
        /// The position that was asked for.
        asked: Position,
        /// Instructions in the log.
        end: Icount,
    },
    /// No event has this index.
    #[error("event#{asked} is past the end: there are {events} events, counted from 0")]
    NoEvent {
        /// The index that was asked for.
        asked: u64,
        /// Events in the log.
        events: u64,
    },
    /// No snapshot has this name.
    #[error("@{name}: {}", no_snapshot(.known))]
    NoSnapshot {
        /// The name that was asked for.
        name: String,
        /// The names of the known snapshots.
        known: Vec<String>,
    },
}

fn no_snapshot(known: &[String]) -> String {
    if known.is_empty() {
        "no snapshots in this recording yet".to_owned()
    } else {
        format!("no snapshot of this name; there are: {}", known.join(", "))
    }
}

/// A position in one recording, by one coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// At this instruction count.
    Icount(Icount),
    /// At the event with this index.
    Event(u64),
}

/// A position in one recording, by all coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resolved {
    /// Instructions since reset. For an event this is the count after it, as `rr dump` prints it.
    pub icount: Icount,
    /// The place in the log after all events that are before the position.
    pub log: replay_format::Position,
}

/// Finds the instruction count of a snapshot. The error lists the names of the known snapshots.
pub type FindSnapshot<'f> = &'f dyn Fn(&str) -> Result<Icount, Vec<String>>;

/// The [`FindSnapshot`] of a recording without snapshots, or of a bare log.
///
/// # Errors
/// Always, with no known names.
pub fn no_snapshots(_name: &str) -> Result<Icount, Vec<String>> {
    Err(Vec::new())
}

impl Target {
    /// True if the event is before this target. An `EVENT_INSTRUCTION` that reaches the icount or
    /// passes it is not.
    #[inline]
    pub fn is_after(self, record: &Record<'_>) -> bool {
        match self {
            Target::Icount(icount) => Icount::new(record.icount) < icount,
            Target::Event(index) => record.index < index,
        }
    }

    /// True if the event is after this target. The event itself, and all events at the icount, are
    /// not.
    #[inline]
    pub fn is_before(self, record: &Record<'_>) -> bool {
        match self {
            Target::Icount(icount) => Icount::new(record.icount) > icount,
            Target::Event(index) => record.index > index,
        }
    }
}

impl Position {
    /// 100 %, in millionths of a percent.
    pub const ALL: u32 = 100 * PERCENT;

    /// Finds the position in the whole events of a log. This is cheap: it reads no event.
    ///
    /// # Errors
    /// [`ResolveError`] if the log has no such place.
    pub fn target(
        &self,
        log: &Log<'_>,
        snapshots: FindSnapshot<'_>,
    ) -> Result<Target, ResolveError> {
        let end = log.end();
        let last = Icount::new(end.icount);
        let icount = match *self {
            Position::Start => Icount::ZERO,
            Position::End => last,
            Position::Icount(icount) => icount,
            Position::Share(share) => Icount::new(share_of(end.icount, share)),
            Position::Event(asked) if asked < end.index => return Ok(Target::Event(asked)),
            Position::Event(asked) => {
                let events = end.index;
                return Err(ResolveError::NoEvent { asked, events });
            }
            Position::Snapshot(ref name) => snapshots(name).map_err(|known| {
                let name = name.clone();
                ResolveError::NoSnapshot { name, known }
            })?,
        };
        if icount > last {
            return Err(ResolveError::PastEnd {
                asked: self.clone(),
                end: last,
            });
        }
        Ok(Target::Icount(icount))
    }

    /// Finds the position in all coordinates. This reads the log up to it.
    ///
    /// # Errors
    /// [`ResolveError`] if the log has no such place.
    pub fn resolve(
        &self,
        log: &Log<'_>,
        snapshots: FindSnapshot<'_>,
    ) -> Result<Resolved, ResolveError> {
        let target = self.target(log, snapshots)?;
        let mut events = log.events();
        let mut place = log.start();
        loop {
            match events.next() {
                Some(Ok(record)) if target.is_after(&record) => place = events.position(),
                found => {
                    let icount = match (target, found) {
                        (Target::Icount(icount), _) => icount,
                        (Target::Event(_), Some(Ok(record))) => Icount::new(record.icount),
                        // Not reached: the event exists, and all events before it were read.
                        (Target::Event(_), _) => Icount::new(place.icount),
                    };
                    return Ok(Resolved { icount, log: place });
                }
            }
        }
    }
}

/// That share of `whole`, rounded down, without overflow.
fn share_of(whole: u64, share: u32) -> u64 {
    let part = u128::from(whole) * u128::from(share) / u128::from(Position::ALL);
    u64::try_from(part).unwrap_or(whole)
}

/// One percent, in the unit of [`Position::Share`].
const PERCENT: u32 = 1_000_000;

impl FromStr for Position {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Position, ParseError> {
        parse(text).map_err(|problem| ParseError {
            text: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Position, &'static str> {
    match text {
        "" => return Err("it is empty"),
        "start" => return Ok(Position::Start),
        "end" => return Ok(Position::End),
        _ => {}
    }
    if let Some(name) = text.strip_prefix('@') {
        return match name {
            "" => Err("a snapshot's name must follow the @"),
            _ => Ok(Position::Snapshot(name.to_owned())),
        };
    }
    if let Some(index) = text.strip_prefix("event#") {
        return scaled(index, 1).map(Position::Event);
    }
    if let Some(percent) = text.strip_suffix('%') {
        let share = scaled(percent, PERCENT.into())?;
        return match u32::try_from(share) {
            Ok(share) if share <= Position::ALL => Ok(Position::Share(share)),
            _ => Err("a share is at most 100%"),
        };
    }
    let unit = match text.bytes().last() {
        Some(b'k' | b'K') => 1_000,
        Some(b'm' | b'M') => 1_000_000,
        Some(b'g' | b'G') => 1_000_000_000,
        _ => 1,
    };
    let number = if unit == 1 {
        text
    } else {
        text.get(..text.len() - 1).unwrap_or_default()
    };
    let icount = scaled(number, unit)?;
    Ok(Position::Icount(Icount::new(icount)))
}

/// Parses a decimal number with underscores, and a fraction if the unit has room for it. Returns it
/// times the unit.
fn scaled(text: &str, unit: u64) -> Result<u64, &'static str> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err("digits must follow the point"),
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    let too_large = "it is more than 64 bits hold";
    let mut value = digits(whole)?.checked_mul(unit).ok_or(too_large)?;
    let mut place = unit;
    for byte in fraction.bytes() {
        let digit = match byte {
            b'0'..=b'9' => u64::from(byte - b'0'),
            _ => return Err("its fraction is not all digits"),
        };
        if place < 10 && digit != 0 {
            return Err("its fraction is finer than its unit");
        }
        place /= 10;
        value = value.checked_add(digit * place).ok_or(too_large)?;
    }
    Ok(value)
}

fn digits(text: &str) -> Result<u64, &'static str> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("a number must begin with a digit");
    }
    let mut value = 0u64;
    for byte in text.bytes() {
        let digit = match byte {
            b'_' => continue,
            b'0'..=b'9' => byte - b'0',
            _ => return Err("a number has digits and underscores only"),
        };
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(digit.into()))
            .ok_or("it is more than 64 bits hold")?;
    }
    Ok(value)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Start => f.write_str("start"),
            Position::End => f.write_str("end"),
            Position::Icount(icount) => write!(f, "{icount}"),
            Position::Share(share) => {
                let (whole, fraction) = (share / PERCENT, share % PERCENT);
                let fraction = format!("{fraction:06}");
                match fraction.trim_end_matches('0') {
                    "" => write!(f, "{whole}%"),
                    fraction => write!(f, "{whole}.{fraction}%"),
                }
            }
            Position::Event(index) => write!(f, "event#{index}"),
            Position::Snapshot(name) => write!(f, "@{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
