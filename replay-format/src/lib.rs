//! Reads and writes the event log of QEMU's record/replay, in every version from 5 to 13.
//!
//! A log is a header and a sequence of events. It holds every input that a machine gets from
//! outside, and the number of instructions between the events. FORMAT.md beside this crate
//! describes every byte. This crate knows neither a machine nor a host.
//! So an instruction count is a bare number here; `rr` makes the machine's `Icount` of it.
//!
//! ```
//! use replay_format::{Checkpoint, Completeness, Event, Log, Writer};
//!
//! let mut writer = Writer::new(Vec::new())?;
//! writer.at(0, &Event::Checkpoint(Checkpoint::Init))?;
//! writer.at(1_000, &Event::Interrupt)?; // Writes EVENT_INSTRUCTION 1000 first.
//! writer.at(1_000, &Event::End)?;
//! let bytes = writer.into_inner();
//!
//! let log = Log::parse(&bytes)?;
//! assert_eq!(log.table().name(), "version 7, QEMU 2.10 to 2.12");
//! assert_eq!(log.completeness(), Completeness::Complete);
//! assert_eq!(log.summary().instructions(), 1_000);
//! for record in log.events() {
//!     let record = record?;
//!     println!("{} {}", record.icount, record.event.kind());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod choose;
pub mod diff;
mod error;
mod event;
mod header;
mod index;
mod read;
mod repair;
mod seek;
mod slice;
mod summary;
mod values;
mod version;
mod wire;
mod write;
mod zeroes;

pub use error::{Argument, Error, Position, WriteError};
pub use event::{AsyncEvent, Event, Kind};
pub use header::{HEADER_LEN, Header};
pub use index::Index;
pub use read::{Completeness, Events, Log, Record};
pub use repair::Salvage;
pub use seek::Seek;
pub use slice::Slice;
pub use summary::Summary;
pub use values::{Checkpoint, Clock, InputEvent, ShutdownCause};
pub use version::{Table, Version};
pub use wire::FRAME_BYTES;
pub use write::Writer;
