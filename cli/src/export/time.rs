//! The virtual time of events, if it is known.

use machine::Icount;
use replay_format::{Checkpoint, Event, Record};
use rr::error::Error;
use rr::recording::Recording;
use rr::recording::snapshot::{FIRST, Store};
use rr::run::observe::{Observation, Observer};

/// The virtual time of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Times {
    /// One instruction takes 2^shift ns.
    pub(crate) shift: u8,
    /// How long the machine idled (ns), for each checkpoint `clock-warp-start` of the log, in
    /// order.
    pub(crate) idle: Vec<u64>,
    /// How long the machine had idled before a slice begins, in ns.
    pub(crate) before: u64,
}

/// How long the machine had idled before the recording begins, in ns. It is 0 unless the recording
/// is a slice.
pub(crate) fn idle_before(recording: &Recording) -> Result<u64, Error> {
    if recording.manifest.slice.is_none() {
        return Ok(0);
    }
    let shift = recording.manifest.machine.icount.shift;
    let snapshots = Store::of(recording.dir()).sound()?;
    let start = snapshots.iter().find(|snapshot| snapshot.name == FIRST);
    let idle = start.map(|start| {
        let executing = start.icount.get() << shift;
        start.virtual_time.saturating_sub(executing)
    });
    Ok(idle.unwrap_or(0))
}

/// Collects the idle times of a replay.
#[derive(Debug, Default)]
pub(crate) struct IdleTimes(pub(crate) Vec<u64>);

impl Observer for IdleTimes {
    fn saw(&mut self, _icount: Icount, _time: u64, sight: Observation<'_>) {
        if let Observation::Idle { ns } = sight {
            self.0.push(ns);
        }
    }
}

/// Follows a log, event by event, and tells the time.
#[derive(Debug, Clone)]
pub(crate) struct Clock<'t> {
    times: Option<&'t Times>,
    next: usize,
    passed: u64,
}

/// The time of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    /// In ns. Without virtual time, one instruction counts as 1 ns.
    pub(crate) ns: u64,
    /// How long the machine idles after the event, in ns.
    pub(crate) idle: u64,
}

impl<'t> Clock<'t> {
    /// A clock at the start. Without times, one instruction counts as 1 ns, and no idle time is
    /// known.
    pub(crate) fn new(times: Option<&'t Times>) -> Clock<'t> {
        Clock {
            times,
            next: 0,
            passed: times.map_or(0, |times| times.before),
        }
    }

    /// The time at an instruction count, while the machine executes.
    pub(crate) fn reading(&self, icount: Icount) -> u64 {
        match self.times {
            Some(times) => (icount.get() << times.shift).saturating_add(self.passed),
            None => icount.get(),
        }
    }

    /// The time of the next event.
    pub(crate) fn at(&mut self, record: &Record<'_>) -> When {
        let ns = self.reading(Icount::new(record.icount));
        let mut idle = 0;
        if let Some(times) = self.times
            && record.event == Event::Checkpoint(Checkpoint::ClockWarpStart)
        {
            // A log that was cut off can end with a warp that the replay did not execute.
            idle = times.idle.get(self.next).copied().unwrap_or(0);
            self.next += 1;
            self.passed += idle;
        }
        When { ns, idle }
    }
}
