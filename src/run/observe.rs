//! Watching a replay: what a log does not hold, seen as the machine does it again.

use crate::run::driver::{Situation, Step};
use machine::inputs::{Arrival, Moment};

/// What is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation<'a> {
    /// Every hart waits, and virtual time passes. One for each checkpoint `clock-warp-start` of the
    /// log.
    Idle {
        /// How much, in ns.
        ns: u64,
    },
    /// A frame arrives at a network adapter.
    Received {
        /// Which adapter.
        adapter: u8,
        /// The frame.
        frame: &'a [u8],
    },
    /// The guest sends a frame.
    Sent {
        /// From which adapter.
        adapter: u8,
        /// The frame.
        frame: &'a [u8],
    },
}

/// Is told what happens in a replay, and when: at an instruction count, and in virtual time (ns).
pub trait Observer: Send {
    /// Something happens.
    fn saw(&mut self, icount: u64, time: u64, sight: Observation<'_>);
}

/// A observer, and what it takes to tell it the time.
pub(crate) struct Observed<'w> {
    observer: &'w mut dyn Observer,
    /// One instruction takes 2^shift ns.
    shift: u8,
    /// Where the machine stood when it was driven on: instruction count, virtual time.
    since: (u64, u64),
}

impl<'w> Observed<'w> {
    pub(crate) fn new(observer: &'w mut dyn Observer, shift: u8) -> Self {
        let since = (0, 0);
        Self {
            observer,
            shift,
            since,
        }
    }

    /// The machine is driven on by a step.
    pub(crate) fn step(&mut self, situation: &Situation, step: &Step) {
        let (icount, time) = (situation.at.icount, situation.now);
        self.since = (icount, time);
        match step {
            Step::Warp { ns } => self
                .observer
                .saw(icount, time, Observation::Idle { ns: *ns }),
            Step::Arrival(Arrival::Frame { adapter, data }) => {
                let (adapter, frame) = (*adapter, &data[..]);
                self.observer
                    .saw(icount, time, Observation::Received { adapter, frame });
            }
            _ => {}
        }
    }

    /// The guest sends a frame.
    pub(crate) fn sent(&mut self, at: Moment, adapter: u8, frame: &[u8]) {
        let (icount, time) = self.since;
        // Within a run no time passes but that of its instructions.
        let time = time + (at.icount.saturating_sub(icount) << self.shift);
        self.observer
            .saw(at.icount, time, Observation::Sent { adapter, frame });
    }
}
