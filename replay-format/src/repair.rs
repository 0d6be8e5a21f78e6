//! Repair: saves the sound part of a log that was killed, cut or damaged, as a whole log.

use std::io::{self, Write};

use crate::error::{Error, Position};
use crate::event::{Event, encode};
use crate::header::{HEADER_LEN, Header};
use crate::read::Log;
use crate::version::{Table, Version};
use crate::wire::Encoder;

/// The part of a log that can be saved: its whole events, up to the first that is cut or nonsense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage<'a> {
    bytes: &'a [u8],
    table: &'static Table,
    header: Option<Header>,
    end: Position,
    loss: Option<Error>,
}

impl<'a> Salvage<'a> {
    /// Examines a log. A file that ends inside the header holds no events. Its version is the one
    /// that its first four bytes name. If they are missing or zero, it is rr's own version.
    ///
    /// # Errors
    /// As for [`Log::parse`], without [`Error::TruncatedHeader`].
    pub fn of(bytes: &'a [u8]) -> Result<Salvage<'a>, Error> {
        match Log::parse(bytes) {
            Ok(log) => Ok(Salvage::from(&log)),
            Err(loss @ Error::TruncatedHeader { .. }) => {
                let id = bytes.first_chunk().map(|id| u32::from_be_bytes(*id));
                let version = id.and_then(Version::from_id);
                let table = version.and_then(|version| Table::from_key(&version.to_string()));
                Ok(Salvage::nothing(bytes, table.unwrap_or(Table::RR), loss))
            }
            Err(error) => Err(error),
        }
    }

    /// Examines a log with this table, whatever its header says.
    ///
    /// # Errors
    /// [`Error::NotALog`] if the file is shorter than a header and does not begin like one.
    pub fn with_table(bytes: &'a [u8], table: &'static Table) -> Result<Salvage<'a>, Error> {
        match Log::with_table(bytes, table) {
            Ok(log) => Ok(Salvage::from(&log)),
            Err(loss @ Error::TruncatedHeader { .. }) => Ok(Salvage::nothing(bytes, table, loss)),
            Err(error) => Err(error),
        }
    }

    fn nothing(bytes: &'a [u8], table: &'static Table, loss: Error) -> Salvage<'a> {
        let end = Position {
            offset: HEADER_LEN as u64,
            index: 0,
            icount: 0,
        };
        Salvage {
            bytes,
            table,
            header: None,
            end,
            loss: Some(loss),
        }
    }

    /// The table that the log is read and written with.
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// The header of the file; `None` if the file ends inside it.
    pub fn header(&self) -> Option<Header> {
        self.header
    }

    /// The end of the events that are saved: bytes (the header included), events, instructions.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Why the log was not whole; `None` if only its header was wrong, or nothing was.
    pub fn loss(&self) -> Option<&Error> {
        self.loss.as_ref()
    }

    /// The number of bytes that are not saved.
    pub fn lost(&self) -> u64 {
        (self.bytes.len() as u64).saturating_sub(self.end.offset)
    }

    /// True if the log was whole already, with its header.
    pub fn was_whole(&self) -> bool {
        self.loss.is_none() && self.header == Some(whole_header(self.table))
    }

    /// Writes the whole log: a header with the version, the saved events, and `EVENT_END`. Returns
    /// its length in bytes.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn write(&self, mut sink: impl Write) -> io::Result<u64> {
        sink.write_all(&whole_header(self.table).to_bytes())?;
        let end = usize::try_from(self.end.offset).unwrap_or(usize::MAX);
        let events = self.bytes.get(HEADER_LEN..end).unwrap_or_default();
        sink.write_all(events)?;
        let last = if self.has_end() {
            Vec::new()
        } else {
            end_event(self.table)
        };
        sink.write_all(&last)?;
        sink.flush()?;
        Ok((HEADER_LEN + events.len() + last.len()) as u64)
    }

    /// True if the last saved event is `EVENT_END`.
    fn has_end(&self) -> bool {
        matches!(self.loss, None | Some(Error::AfterEnd { .. }))
    }
}

impl<'a> From<&Log<'a>> for Salvage<'a> {
    /// The part that can be saved of a log that was read already.
    fn from(log: &Log<'a>) -> Salvage<'a> {
        Salvage {
            bytes: log.bytes(),
            table: log.table(),
            header: Some(log.header()),
            end: log.end(),
            loss: log.error().cloned(),
        }
    }
}

/// The header of a log that was properly ended.
pub(crate) fn whole_header(table: &Table) -> Header {
    Header {
        version_id: table.version().id(),
        reserved: [0; 8],
    }
}

/// The bytes of `EVENT_END`.
pub(crate) fn end_event(table: &Table) -> Vec<u8> {
    let mut bytes = Vec::new();
    // This cannot fail: every table has the event, and it has no arguments.
    let _ = encode(&Event::End, table, &mut Encoder::new(&mut bytes));
    bytes
}
