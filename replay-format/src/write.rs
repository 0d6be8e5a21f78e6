//! Writes a log, one event at a time, to any sink.

use std::io::{self, Write};

use crate::error::{Position, WriteError};
use crate::event::{Event, encode};
use crate::header::{HEADER_LEN, Header};
use crate::version::Table;
use crate::wire::Encoder;

/// Writes a log. Each event goes to the sink in one `write_all`, so wrap a file in a
/// [`BufWriter`](io::BufWriter). [`flush`](Writer::flush) it regularly: a crash loses the events
/// since the last flush.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    table: &'static Table,
    at: Position,
    ended: bool,
    /// The bytes of the present event, and of the instructions before it.
    pending: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a log of version 7, [`Table::RR`], with its whole header.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn new(sink: W) -> io::Result<Writer<W>> {
        Writer::with_table(sink, Table::RR)
    }

    /// Begins a log of another version.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn with_table(mut sink: W, table: &'static Table) -> io::Result<Writer<W>> {
        // The header goes first. QEMU writes it last, and leaves zeros when it is killed.
        let header = Header {
            version_id: table.version().id(),
            reserved: [0; 8],
        };
        sink.write_all(&header.to_bytes())?;
        Ok(Writer {
            sink,
            table,
            at: Position {
                offset: HEADER_LEN as u64,
                index: 0,
                icount: 0,
            },
            ended: false,
            pending: Vec::new(),
        })
    }

    /// Goes on with a log whose whole events end at this place. The sink must append there.
    pub fn resume(sink: W, table: &'static Table, at: Position) -> Writer<W> {
        Writer {
            sink,
            table,
            at,
            ended: false,
            pending: Vec::new(),
        }
    }

    /// Writes the event at this icount. Before it come as many `EVENT_INSTRUCTION` as are needed:
    /// none if the log has that icount already, several for more than `u32::MAX` instructions.
    ///
    /// # Errors
    /// [`WriteError`]. Nothing is written then, except after an error of the sink.
    pub fn at(&mut self, icount: u64, event: &Event<'_>) -> Result<(), WriteError> {
        let Some(left) = icount.checked_sub(self.at.icount) else {
            return Err(WriteError::Backwards {
                written: self.at.icount,
                asked: icount,
            });
        };
        let after = self.check(icount, event)?;
        self.pending.clear();
        if left > u64::from(u32::MAX) {
            self.encode(event)?; // Only to know that nothing is written if it is at fault.
            self.skip(left - left % u64::from(u32::MAX))?;
        }
        // What is left fits: `skip` leaves a remainder of u32::MAX.
        match u32::try_from(icount - self.at.icount) {
            Ok(count) if count > 0 => {
                self.encode(&Event::Instruction { count })?;
                self.at.index += 1;
            }
            _ => {}
        }
        self.finish(after, event)
    }

    /// Writes this event alone.
    ///
    /// # Errors
    /// [`WriteError`]. Nothing is written then, except after an error of the sink.
    pub fn event(&mut self, event: &Event<'_>) -> Result<(), WriteError> {
        let after = self.check(self.at.icount, event)?;
        self.pending.clear();
        self.finish(after, event)
    }

    /// The table that the log is written with.
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// The number of instructions written so far.
    pub fn icount(&self) -> u64 {
        self.at.icount
    }

    /// The number of bytes written so far, the header included.
    pub fn bytes(&self) -> u64 {
        self.at.offset
    }

    /// The place after everything that is written.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Flushes the sink.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// The sink.
    pub fn get_ref(&self) -> &W {
        &self.sink
    }

    /// The sink, for changes. Bytes that the caller writes to it become part of the log.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.sink
    }

    /// Returns the sink, without flushing it.
    pub fn into_inner(self) -> W {
        self.sink
    }

    /// Checks that the event may come at this icount. Returns the icount after it.
    fn check(&self, icount: u64, event: &Event<'_>) -> Result<u64, WriteError> {
        match *event {
            _ if self.ended => Err(WriteError::AfterEnd { kind: event.kind() }),
            Event::Instruction { count } => {
                icount
                    .checked_add(count.into())
                    .ok_or(WriteError::IcountOverflow {
                        written: icount,
                        count,
                    })
            }
            _ => Ok(icount),
        }
    }

    /// Writes a multiple of `u32::MAX` instructions, whose events may be more than memory can hold.
    fn skip(&mut self, instructions: u64) -> Result<(), WriteError> {
        self.pending.clear();
        self.encode(&Event::Instruction { count: u32::MAX })?;
        for _ in 0..instructions / u64::from(u32::MAX) {
            self.sink.write_all(&self.pending)?;
            self.at.offset += self.pending.len() as u64;
            self.at.index += 1;
            self.at.icount += u64::from(u32::MAX);
        }
        self.pending.clear();
        Ok(())
    }

    fn finish(&mut self, after: u64, event: &Event<'_>) -> Result<(), WriteError> {
        self.encode(event)?;
        self.sink.write_all(&self.pending)?;
        self.at.offset += self.pending.len() as u64;
        self.at.index += 1;
        self.at.icount = after;
        self.ended = matches!(event, Event::End);
        Ok(())
    }

    fn encode(&mut self, event: &Event<'_>) -> Result<(), WriteError> {
        encode(event, self.table, &mut Encoder::new(&mut self.pending))
    }
}
