//! When events happen: in virtual time, where it is known.

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
    /// How long the machine idled, in ns: for each checkpoint `clock-warp-start` of the log, in
    /// order.
    pub(crate) idle: Vec<u64>,
    /// How long it had idled before the log begins, in ns: of a slice, before its start.
    pub(crate) before: u64,
}

/// How long the machine of a slice had idled before the slice begins, in ns; 0 for a whole
/// recording.
pub(crate) fn idle_before(recording: &Recording) -> Result<u64, Error> {
    if recording.manifest.slice.is_none() {
        return Ok(0);
    }
    let shift = recording.manifest.machine.icount.shift;
    let snapshots = Store::of(recording.dir()).sound()?;
    let start = snapshots.iter().find(|snapshot| snapshot.name == FIRST);
    let idle = start.map(|start| start.virtual_time.saturating_sub(start.icount << shift));
    Ok(idle.unwrap_or(0))
}

/// Takes note of idle times in a replay.
#[derive(Debug, Default)]
pub(crate) struct IdleTimes(pub(crate) Vec<u64>);

impl Observer for IdleTimes {
    fn saw(&mut self, _icount: u64, _time: u64, sight: Observation<'_>) {
        if let Observation::Idle { ns } = sight {
            self.0.push(ns);
        }
    }
}

/// Goes along a log, event by event, and says what time it is.
#[derive(Debug, Clone)]
pub(crate) struct Clock<'t> {
    times: Option<&'t Times>,
    next: usize,
    passed: u64,
}

/// When an event happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    /// In ns; without virtual time as many as instructions.
    pub(crate) ns: u64,
    /// How long the machine idles from then on.
    pub(crate) idle: u64,
}

impl<'t> Clock<'t> {
    /// At the start. Without times one instruction counts as 1 ns, and nothing is known of idle
    /// time.
    pub(crate) fn new(times: Option<&'t Times>) -> Clock<'t> {
        Clock {
            times,
            next: 0,
            passed: times.map_or(0, |times| times.before),
        }
    }

    /// The time at an instruction count, as long as the machine executes.
    pub(crate) fn reading(&self, icount: u64) -> u64 {
        match self.times {
            Some(times) => (icount << times.shift).saturating_add(self.passed),
            None => icount,
        }
    }

    /// The time of the next event.
    pub(crate) fn at(&mut self, record: &Record<'_>) -> When {
        let ns = self.reading(record.icount);
        let mut idle = 0;
        if let Some(times) = self.times
            && record.event == Event::Checkpoint(Checkpoint::ClockWarpStart)
        {
            // A recording that was cut can end with one that did not come to pass.
            idle = times.idle.get(self.next).copied().unwrap_or(0);
            self.next += 1;
            self.passed += idle;
        }
        When { ns, idle }
    }
}
