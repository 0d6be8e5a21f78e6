//! A divergence: where a replay left its recording, and what is known about it.

use machine::Machine;
use machine::inputs::{Moment, NoDevice};
use replay_format::{AsyncEvent, Event};
use std::fmt;

/// Where and how a replay left its recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// Where the machine is.
    pub at: Moment,
    /// Index of the event in the log that does not fit; `None` for a digest.
    pub event: Option<u64>,
    /// Its byte offset in the log.
    pub offset: Option<u64>,
    /// What the recording says.
    pub expected: String,
    /// What happened instead.
    pub found: String,
    /// The instruction at the program counter, disassembled, where it can be read.
    pub instruction: Option<String>,
}

impl Divergence {
    /// The divergence of a state whose digest is not the recorded one.
    pub(crate) fn of_state(at: Moment, expected: String, found: u128) -> Box<Self> {
        Box::new(Self {
            at,
            event: None,
            offset: None,
            expected: format!("state digest {expected}"),
            found: format!("{found:032x}"),
            instruction: None,
        })
    }

    /// Of something that arrives for a device that this machine does not have.
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

    /// Adds the instruction that the machine is at.
    pub(crate) fn with_instruction(mut self: Box<Self>, machine: &Machine) -> Box<Self> {
        let pc = self.at.pc;
        let raw = machine.instruction(self.at.hart, pc);
        self.instruction = raw.map(|raw| riscv_isa::disassemble(raw, pc));
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
