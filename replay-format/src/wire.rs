//! The encoding of each type of argument: integers are big-endian, arrays have a u32 length.
//!
//! [`Reader`] and [`Encoder`] have one method for each [`Field`], with the same name. The table of
//! events uses these names.

use crate::error::{Argument, Fault, WriteError};
use crate::event::Kind;
use crate::values::{Checkpoint, InputEvent};
use crate::version::{Features, Lead, Table};

/// Bytes of one frame of [`Event::AudioIn`](crate::Event::AudioIn): u64 left, u64 right.
pub const FRAME_BYTES: usize = 16;

/// The types of arguments.
#[allow(
    non_camel_case_types,
    reason = "named as the methods that read and write them"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    u8,
    u32,
    i32,
    u64,
    i64,
    /// The bytes between the event id and the arguments of an asynchronous event.
    lead,
    /// A number of audio samples: 4 or 8 bytes.
    count,
    array,
    input,
    audio_in,
}

impl Field {
    /// The length in the log, in bytes; `None` if it varies.
    pub(crate) const fn width(self, features: &Features) -> Option<u8> {
        match self {
            Field::u8 => Some(1),
            Field::u32 | Field::i32 => Some(4),
            Field::u64 | Field::i64 => Some(8),
            Field::lead => Some(match features.lead {
                Lead::CheckpointAndKind => 2,
                Lead::Kind => 1,
                Lead::Nothing => 0,
            }),
            Field::count => Some(features.audio_count),
            Field::array | Field::input | Field::audio_in => None,
        }
    }
}

/// Reads the arguments of an event. Its bytes begin at the event id.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
}

macro_rules! read_integers {
    ($($int:ident)*) => {$(
        #[inline(always)]
        pub(crate) fn $int(&mut self, _table: &Table) -> Result<$int, Fault> {
            Ok($int::from_be_bytes(self.chunk()?))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A reader after the event id.
    #[inline(always)]
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, pos: 1 }
    }

    /// The number of bytes read, the event id included.
    #[inline(always)]
    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    read_integers! { u8 u32 i32 u64 i64 }

    #[inline(always)]
    pub(crate) fn lead(&mut self, table: &Table) -> Result<Option<Checkpoint>, Fault> {
        match table.features.lead {
            Lead::CheckpointAndKind => {
                let [id, _kind] = self.chunk()?;
                let checkpoint = Checkpoint::from_id(id);
                checkpoint
                    .ok_or(Fault::Unknown(Argument::Checkpoint, id.into()))
                    .map(Some)
            }
            Lead::Kind => self.chunk::<1>().map(|_| None),
            Lead::Nothing => Ok(None),
        }
    }

    #[inline(always)]
    pub(crate) fn count(&mut self, table: &Table) -> Result<u64, Fault> {
        match table.features.audio_count {
            8 => self.u64(table),
            _ => self.u32(table).map(u64::from),
        }
    }

    #[inline(always)]
    pub(crate) fn array(&mut self, table: &Table) -> Result<&'a [u8], Fault> {
        let len = self.u32(table)?;
        self.take(len.into())
    }

    pub(crate) fn input(&mut self, table: &Table) -> Result<InputEvent, Fault> {
        Ok(match self.u32(table)? {
            0 => match self.u32(table)? {
                0 => InputEvent::KeyNumber {
                    value: self.u64(table)?,
                    down: self.down(table)?,
                },
                1 => InputEvent::KeyQcode {
                    qcode: self.u32(table)?,
                    down: self.down(table)?,
                },
                other => return Err(Fault::Unknown(Argument::KeyKind, other)),
            },
            1 => InputEvent::Button {
                button: self.u32(table)?,
                down: self.down(table)?,
            },
            2 => InputEvent::Relative {
                axis: self.u32(table)?,
                value: self.i64(table)?,
            },
            3 => InputEvent::Absolute {
                axis: self.u32(table)?,
                value: self.i64(table)?,
            },
            4 => InputEvent::MultiTouch {
                touch: self.u32(table)?,
                slot: self.i64(table)?,
                tracking_id: self.i64(table)?,
                axis: self.u32(table)?,
                value: self.i64(table)?,
            },
            other => return Err(Fault::Unknown(Argument::InputType, other)),
        })
    }

    pub(crate) fn audio_in(
        &mut self,
        table: &Table,
    ) -> Result<(u64, Option<u64>, &'a [u8]), Fault> {
        let samples = self.count(table)?;
        let write_position = if table.features.write_position {
            Some(self.count(table)?)
        } else {
            None
        };
        let frames = self.take(samples.saturating_mul(FRAME_BYTES as u64))?;
        Ok((samples, write_position, frames))
    }

    fn down(&mut self, table: &Table) -> Result<bool, Fault> {
        match self.u8(table)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Fault::Unknown(Argument::Down, other.into())),
        }
    }

    #[inline(always)]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        match self
            .bytes
            .get(self.pos..)
            .and_then(|rest| rest.first_chunk::<N>())
        {
            Some(chunk) => {
                self.pos += N;
                Ok(*chunk)
            }
            None => Err(Fault::Short((self.pos + N) as u64)),
        }
    }

    /// Takes bytes. A length from the log is compared with the available bytes before it is used.
    #[inline(always)]
    fn take(&mut self, len: u64) -> Result<&'a [u8], Fault> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        match usize::try_from(len).ok().and_then(|len| rest.get(..len)) {
            Some(data) => {
                self.pos += data.len();
                Ok(data)
            }
            None => Err(Fault::Short((self.pos as u64).saturating_add(len))),
        }
    }
}

/// Appends arguments to a buffer.
#[derive(Debug)]
pub(crate) struct Encoder<'b> {
    out: &'b mut Vec<u8>,
}

macro_rules! write_integers {
    ($($int:ident)*) => {$(
        #[inline(always)]
        pub(crate) fn $int(
            &mut self,
            _table: &Table,
            _kind: Kind,
            value: $int,
        ) -> Result<(), WriteError> {
            self.out.extend_from_slice(&value.to_be_bytes());
            Ok(())
        }
    )*};
}

impl<'b> Encoder<'b> {
    pub(crate) fn new(out: &'b mut Vec<u8>) -> Encoder<'b> {
        Encoder { out }
    }

    /// Writes the event id. [`lead`](Encoder::lead) writes the bytes after it, up to version 11.
    #[inline(always)]
    pub(crate) fn id(&mut self, table: &Table, kind: Kind) -> Result<(), WriteError> {
        match table.id(kind) {
            Some((id, _)) => self.out.push(id),
            None => {
                return Err(WriteError::NotInTable {
                    kind,
                    table: table.name(),
                });
            }
        }
        Ok(())
    }

    write_integers! { u8 u32 i32 u64 i64 }

    pub(crate) fn lead(
        &mut self,
        table: &Table,
        kind: Kind,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), WriteError> {
        let field = "checkpoint";
        match (table.features.lead, checkpoint) {
            (Lead::CheckpointAndKind, Some(checkpoint)) => self.out.push(checkpoint.id()),
            (Lead::CheckpointAndKind, None) => {
                return Err(WriteError::Missing {
                    kind,
                    field,
                    table: table.name(),
                });
            }
            (_, Some(_)) => {
                return Err(WriteError::Surplus {
                    kind,
                    field,
                    table: table.name(),
                });
            }
            (_, None) => {}
        }
        if let Some((_, Some(id))) = table.id(kind) {
            self.out.push(id);
        }
        Ok(())
    }

    pub(crate) fn count(
        &mut self,
        table: &Table,
        kind: Kind,
        value: u64,
    ) -> Result<(), WriteError> {
        match table.features.audio_count {
            8 => self.u64(table, kind, value),
            _ => self.u32(table, kind, fit(kind, value)?),
        }
    }

    pub(crate) fn array(
        &mut self,
        table: &Table,
        kind: Kind,
        data: &[u8],
    ) -> Result<(), WriteError> {
        self.u32(table, kind, fit(kind, data.len() as u64)?)?;
        self.out.extend_from_slice(data);
        Ok(())
    }

    pub(crate) fn input(
        &mut self,
        table: &Table,
        kind: Kind,
        input: InputEvent,
    ) -> Result<(), WriteError> {
        let mut word = |value| self.u32(table, kind, value);
        match input {
            InputEvent::KeyNumber { value, down } => {
                word(0)?;
                word(0)?;
                self.u64(table, kind, value)?;
                self.u8(table, kind, down.into())
            }
            InputEvent::KeyQcode { qcode, down } => {
                word(0)?;
                word(1)?;
                word(qcode)?;
                self.u8(table, kind, down.into())
            }
            InputEvent::Button { button, down } => {
                word(1)?;
                word(button)?;
                self.u8(table, kind, down.into())
            }
            InputEvent::Relative { axis, value } => {
                word(2)?;
                word(axis)?;
                self.i64(table, kind, value)
            }
            InputEvent::Absolute { axis, value } => {
                word(3)?;
                word(axis)?;
                self.i64(table, kind, value)
            }
            InputEvent::MultiTouch {
                touch,
                slot,
                tracking_id,
                axis,
                value,
            } => {
                word(4)?;
                word(touch)?;
                self.i64(table, kind, slot)?;
                self.i64(table, kind, tracking_id)?;
                self.u32(table, kind, axis)?;
                self.i64(table, kind, value)
            }
        }
    }

    pub(crate) fn audio_in(
        &mut self,
        table: &Table,
        kind: Kind,
        (samples, write_position, frames): (u64, Option<u64>, &[u8]),
    ) -> Result<(), WriteError> {
        let bytes = frames.len() as u64;
        if samples.checked_mul(FRAME_BYTES as u64) != Some(bytes) {
            return Err(WriteError::Frames { samples, bytes });
        }
        self.count(table, kind, samples)?;
        let field = "write position";
        match (table.features.write_position, write_position) {
            (true, Some(position)) => self.count(table, kind, position)?,
            (true, None) => {
                return Err(WriteError::Missing {
                    kind,
                    field,
                    table: table.name(),
                });
            }
            (false, Some(_)) => {
                return Err(WriteError::Surplus {
                    kind,
                    field,
                    table: table.name(),
                });
            }
            (false, None) => {}
        }
        self.out.extend_from_slice(frames);
        Ok(())
    }
}

fn fit(kind: Kind, value: u64) -> Result<u32, WriteError> {
    u32::try_from(value).map_err(|_| WriteError::TooLarge { kind, value })
}
