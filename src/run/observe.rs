//! Observing a replay: events that the log does not hold, seen when the machine repeats them.

use crate::run::driver::{Situation, Step};
use machine::Icount;
use machine::inputs::{Arrival, DeviceOutput, Moment};

/// An observed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation<'a> {
    /// Every hart waits, and virtual time passes. There is one for each checkpoint
    /// `clock-warp-start` of the log.
    Idle {
        /// The time that passes, in ns.
        ns: u64,
    },
    /// A frame arrives at a network adapter.
    Received {
        /// The adapter's number.
        adapter: u8,
        /// The frame.
        frame: &'a [u8],
    },
    /// The guest sends a frame.
    Sent {
        /// The adapter's number.
        adapter: u8,
        /// The frame.
        frame: &'a [u8],
    },
}

/// Takes the observed events of a replay, with their instruction count and virtual time (ns).
pub trait Observer: Send {
    /// Takes an event.
    fn saw(&mut self, icount: Icount, time: u64, sight: Observation<'_>);
}

/// An observer, and the state by which the virtual time of events is computed.
pub(crate) struct Observed<'w> {
    observer: &'w mut dyn Observer,
    /// One instruction takes 2^shift ns.
    shift: u8,
    /// The instruction count and virtual time (ns) at the start of the present step.
    since: (Icount, u64),
}

impl<'w> Observed<'w> {
    pub(crate) fn new(observer: &'w mut dyn Observer, shift: u8) -> Self {
        let since = (Icount::ZERO, 0);
        Self {
            observer,
            shift,
            since,
        }
    }

    /// Notes the start of a step.
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

    /// Reports the output of a device, if it is a frame.
    pub(crate) fn sent(&mut self, at: Moment, output: &DeviceOutput) {
        let DeviceOutput::Frame { adapter, frame } = output else {
            return;
        };
        let adapter = *adapter;
        let (icount, time) = self.since;
        // Inside a step only the instructions take time.
        let time = time + (at.icount.since(icount) << self.shift);
        self.observer
            .saw(at.icount, time, Observation::Sent { adapter, frame });
    }
}
