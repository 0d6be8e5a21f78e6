//! Running to what a probe stops at, forward and backward.

use super::{Ending, Nearest, Timeline};
use crate::error::Error;
use crate::recording::place::Place;
use machine::Stop;

/// Which way a timeline runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards the end of the recording: `continue`.
    Forward,
    /// Towards its start: `reverse-continue`.
    Backward,
}

/// Why a timeline does not run any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// A probe of its machine stopped it. Backward it is where forward it would be.
    Stop(Stop),
    /// It is at the place that it was to run to, or, forward, behind it.
    Limit,
    /// It is where the recording begins.
    Start,
    /// The run is over.
    End(Ending),
}

impl Timeline<'_> {
    /// Runs until a probe of the machine stops it, at most to `limit`. A breakpoint at the present
    /// place is passed, as in gdb and rr.
    ///
    /// Forward it costs what the probes cost. Backward it executes from the checkpoint before the
    /// present, and notes the last stop; where there is none, from the one before, and so on; then it
    /// goes to the stop.
    ///
    /// # Errors
    /// A divergence; a damaged checkpoint; [`Error::Cancelled`]: then it is at some place in between.
    pub fn run(&mut self, direction: Direction, limit: Option<Place>) -> Result<Halt, Error> {
        match direction {
            Direction::Forward => self.run_forward(limit),
            Direction::Backward => self.run_backward(limit.unwrap_or(Place::at(0))),
        }
    }

    fn run_forward(&mut self, limit: Option<Place>) -> Result<Halt, Error> {
        self.machine.pass_breakpoints();
        let limit = limit.unwrap_or(Place::at(self.slice_end.unwrap_or(u64::MAX)));
        match self.run_to_stop(limit)? {
            Some(stop) => Ok(Halt::Stop(stop)),
            None => Ok(self.ended.clone().map_or(Halt::Limit, Halt::End)),
        }
    }

    /// Goes on to the next stop; `None`: to a place, or to where the run is over.
    fn run_to_stop(&mut self, limit: Place) -> Result<Option<Stop>, Error> {
        let before = self.icount();
        let mut found = Ok(None);
        while matches!(found, Ok(None)) && self.ended.is_none() && self.place() < limit {
            found = self.period(limit);
        }
        self.effort.replayed += self.icount().saturating_sub(before);
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
