//! A divergence: the place where a replay differs from its recording, and how it differs.

use machine::inputs::{Moment, NoDevice};
use machine::{Digest, Machine};
use replay_format::{AsyncEvent, Event};
use std::fmt;

/// The place where a replay differs from its recording, and how it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The machine's place: instruction count, hart and pc.
    pub at: Moment,
    /// Index of the event in the log that does not fit; `None` for a digest.
    pub event: Option<u64>,
    /// The event's byte offset in the log.
    pub offset: Option<u64>,
    /// The recorded event or digest, as text.
    pub expected: String,
    /// What the machine did instead, as text.
    pub found: String,
    /// The disassembled instruction at the pc; `None` if it cannot be read.
    pub instruction: Option<String>,
}

impl Divergence {
    /// The divergence of a state whose digest differs from the recorded one.
    pub(crate) fn of_state(at: Moment, expected: String, found: Digest) -> Box<Self> {
        Box::new(Self {
            at,
            event: None,
            offset: None,
            expected: format!("state digest {expected}"),
            found: found.to_string(),
            instruction: None,
        })
    }

    /// The divergence of an input for a device that this machine does not have.
    pub(crate) fn of_device(at: Moment, absent: NoDevice) -> Box<Self> {
        let NoDevice(device) = absent;
        Box::new(Self {
            at,
            event: None,
            offset: None,
            expected: format!("{device}, for which something arrives"),
            found: "a machine without it".to_owned(),
            instruction: None,
        })
    }

    /// Adds the machine's present instruction.
    pub(crate) fn with_instruction(mut self: Box<Self>, machine: &Machine) -> Box<Self> {
        let pc = self.at.pc;
        let raw = machine.instruction(self.at.hart, pc);
        self.instruction = raw.map(|raw| riscv_isa::disassemble(raw, pc.get()));
        self
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moment { icount, hart, pc } = self.at;
        write!(
            f,
            "the replay diverged at icount {icount}, hart {hart}, pc {pc:#x}"
        )?;
        if let Some(text) = &self.instruction {
            write!(f, " ({text})")?;
        }
        write!(f, ": expected {}", self.expected)?;
        if let (Some(event), Some(offset)) = (self.event, self.offset) {
            write!(f, " (event {event}, offset {offset:#x})")?;
        }
        write!(f, ", found {}", self.found)
    }
}

impl std::error::Error for Divergence {}

/// An event in words, for messages.
pub fn describe(event: &Event<'_>) -> String {
    let name = event.kind().name();
    match event {
        Event::Clock { value, .. } => format!("{name} {value}"),
        Event::CharWrite { result, offset } => format!("{name} of {offset} bytes, result {result}"),
        Event::Async {
            event: AsyncEvent::CharRead { device, data },
            ..
        } => {
            format!("{name} of {} bytes on port {device}", data.len())
        }
        _ => name.to_owned(),
    }
}
