//! The machine's inputs in a replay while it executes: the answers that the log holds.

use super::{CLOSED, Replayer};
use crate::error::Error;
use machine::Icount;
use machine::inputs::{BlockRequest, Halted, Inputs, Mark, Moment, Output};
use replay_format::{Clock, Event};

impl<'log> Replayer<'log> {
    fn halt(&mut self, error: Error) -> Halted {
        self.failure = Some(error);
        Halted
    }

    /// Takes the head if it is at `at` and is the `wanted` event; else stops the machine.
    fn take(
        &mut self,
        at: Moment,
        found: &str,
        wanted: impl FnOnce(&Event<'log>) -> bool,
    ) -> Result<Event<'log>, Halted> {
        match self.cursor.take(at, found, wanted) {
            Ok(Some(event)) => Ok(event),
            // The log was cut off inside this instruction.
            Ok(None) => Err(Halted),
            Err(error) => Err(self.halt(error)),
        }
    }
}

impl Replayer<'_> {
    fn write_serial(&mut self, at: Moment, data: &[u8]) -> Result<(), Halted> {
        let found = format!("serial output of {} bytes", data.len());
        let len = data.len() as u64;
        let wanted = |event: &Event<'_>| match event {
            Event::CharWrite { result, offset } => can_be(*result, *offset, len),
            _ => false,
        };
        let event = self.take(at, &found, wanted)?;
        let Event::CharWrite { offset, .. } = event else {
            return Err(Halted);
        };
        if let Some(taken) = data.get(..offset as usize).filter(|_| !self.muted) {
            // An error of the replay's own console is not part of the run.
            self.output.write(taken);
        }
        Ok(())
    }

    fn submit(&mut self, request: BlockRequest) -> Result<(), Halted> {
        let Some(disks) = &self.pool else {
            return Err(self.halt(CLOSED));
        };
        disks
            .submit(request)
            .map_err(|error| self.halt(error.into()))
    }

    fn interrupt(&mut self, at: Moment, cause: u64) -> Result<(), Halted> {
        let name = riscv_isa::cause::interrupt_name(cause).unwrap_or("unknown");
        let found = format!("interrupt {cause} ({name})");
        self.take(at, &found, |event| *event == Event::Interrupt)
            .map(drop)
    }

    fn exception(&mut self, at: Moment, cause: u64) -> Result<(), Halted> {
        // The text is made only for a divergence, because exceptions are frequent.
        if let Some(head) = self.cursor.head
            && (Icount::new(head.icount), head.event) == (at.icount, Event::Exception)
        {
            return self.cursor.advance().map_err(|error| self.halt(error));
        }
        let name = riscv_isa::cause::exception_name(cause).unwrap_or("unknown");
        self.take(at, &format!("exception {cause} ({name})"), |_| false)?;
        Err(Halted)
    }
}

impl Inputs for Replayer<'_> {
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted> {
        let is_host = |event: &Event<'_>| {
            matches!(
                event,
                Event::Clock {
                    clock: Clock::Host,
                    ..
                }
            )
        };
        match self.take(at, "a reading of the host clock", is_host)? {
            Event::Clock { value, .. } => Ok(value),
            _ => Err(Halted),
        }
    }

    fn output(&mut self, at: Moment, output: Output<'_>) -> Result<(), Halted> {
        match output {
            Output::Serial { data, .. } => self.write_serial(at, data),
            Output::Block(request) => self.submit(request),
            Output::Device(output) => {
                // What the host answered, if it did, is in the log.
                if let Some(observed) = &mut self.observed {
                    observed.sent(at, &output);
                }
                Ok(())
            }
        }
    }

    fn mark(&mut self, at: Moment, mark: Mark) -> Result<(), Halted> {
        match mark {
            Mark::Interrupt(cause) => self.interrupt(at, cause),
            Mark::Exception(cause) => self.exception(at, cause),
        }
    }
}

/// True if the host can have answered a write of `len` bytes with this result: it took some bytes,
/// or gave an errno.
fn can_be(result: i32, taken: u32, len: u64) -> bool {
    let consistent = match u32::try_from(result) {
        Ok(result) => result == taken,
        Err(_) => taken == 0,
    };
    consistent && u64::from(taken) <= len
}
