//! Runs a timeline forward or backward to the next stop of a probe.

use super::{Ending, Nearest, Timeline};
use crate::error::Error;
use crate::recording::place::Place;
use machine::{Icount, Stop};

/// The direction of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards the end of the recording, as gdb's `continue`.
    Forward,
    /// Towards its start, as gdb's `reverse-continue`.
    Backward,
}

/// Why a run has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// A probe of the machine has stopped it. Backward, the place is the one where forward it would
    /// stop.
    Stop(Stop),
    /// It has reached the limit, or, forward, a place after it.
    Limit,
    /// It has reached the start of the recording.
    Start,
    /// The run has ended.
    End(Ending),
}

impl Timeline<'_> {
    /// Runs until a probe of the machine stops it, at most to `limit`. A breakpoint at the present
    /// place is passed, as in gdb and rr.
    ///
    /// Forward, the cost is that of the probes. Backward, it executes from the checkpoint before
    /// the present place, and notes the last stop. If there is none, it does the same from the
    /// checkpoint before that, and so on. Then it goes to the stop that it found.
    ///
    /// # Errors
    /// If the replay diverges, or a checkpoint is damaged. [`Error::Cancelled`]: then the timeline
    /// is at a place in between.
    pub fn run(&mut self, direction: Direction, limit: Option<Place>) -> Result<Halt, Error> {
        match direction {
            Direction::Forward => self.run_forward(limit),
            Direction::Backward => self.run_backward(limit.unwrap_or(Place::at(Icount::ZERO))),
        }
    }

    fn run_forward(&mut self, limit: Option<Place>) -> Result<Halt, Error> {
        self.machine.pass_breakpoints();
        let limit = limit.unwrap_or(Place::at(self.slice_end.unwrap_or(Icount::MAX)));
        match self.run_to_stop(limit)? {
            Some(stop) => Ok(Halt::Stop(stop)),
            None => Ok(self.ended.clone().map_or(Halt::Limit, Halt::End)),
        }
    }

    /// Executes up to the next stop. `None`: it has reached the place, or the end of the run, and
    /// all stops there were told before.
    pub(super) fn run_to_stop(&mut self, limit: Place) -> Result<Option<Stop>, Error> {
        let before = self.icount();
        let found = loop {
            // Before anything else happens here: it is about what has happened already.
            if let Some(stop) = self.machine.take_stop() {
                break Ok(Some(stop));
            }
            if self.ended.is_some() || self.place() >= limit {
                break Ok(None);
            }
            match self.period(limit) {
                Ok(None) => {}
                found => break found,
            }
        };
        self.effort.replayed += self.icount().since(before);
        found
    }

    fn run_backward(&mut self, limit: Place) -> Result<Halt, Error> {
        let present = self.place();
        let mut behind = present;
        while behind > limit {
            let checkpoint = self.nearest(behind, Nearest::InFront)?;
            if checkpoint.is_none() && self.is_slice {
                break;
            }
            self.start_from(checkpoint.clone())?;
            let from = self.place();
            if from >= behind {
                break;
            }
            let (mut stops, mut last) = (0u64, None);
            while let Some(stop) = self.run_to_stop(behind)? {
                stops += 1;
                if (limit..present).contains(&self.place()) {
                    last = Some((stops, stop));
                }
            }
            if let Some((stops, stop)) = last {
                self.start_from(checkpoint)?;
                for _ in 0..stops {
                    self.run_to_stop(behind)?;
                }
                return Ok(Halt::Stop(stop));
            }
            behind = from;
        }
        let halt = if behind > limit {
            Halt::Start
        } else {
            Halt::Limit
        };
        self.goto(behind.max(limit).min(present))?;
        Ok(halt)
    }
}
