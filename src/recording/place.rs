//! A place in a run. Idle time adds events to the log without executing instructions, so an
//! instruction count alone does not tell where the run is.

use super::snapshot::{LogPlace, Snapshot};
use machine::Icount;
use replay_format::{Checkpoint, Event, Log, Position, Seek};

/// A place in a run. Places are ordered by icount, then by event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Instructions executed since power-on.
    pub icount: Icount,
    /// Index in the log of the first event that has yet to happen. Events that only count
    /// instructions are skipped: they stand wherever the log was flushed.
    pub event: u64,
}

impl Place {
    /// The first place with this instruction count, before all events there.
    pub fn at(icount: Icount) -> Self {
        Self { icount, event: 0 }
    }

    /// The place of a snapshot.
    pub fn of(snapshot: &Snapshot, log: &Log<'_>) -> Self {
        Self {
            icount: snapshot.icount,
            event: next_event(log, snapshot.log.into()),
        }
    }

    /// The first place with this instruction count, with the index of the next event there.
    pub fn first(log: &Log<'_>, icount: Icount) -> Self {
        Self::at(icount).resolved(log, None)
    }

    /// This place. If it is the first at its instruction count, it gets the index of the next
    /// event there. `near` is a place in the log that is surely before it.
    fn resolved(self, log: &Log<'_>, near: Option<LogPlace>) -> Self {
        let near = near.map_or(log.start(), Position::from);
        // `near` may be a place of another log; then the search begins at the start.
        let found = log.seek_from(near, Seek::Icount(self.icount.get()));
        let found = found.unwrap_or_else(|_| log.seek(Seek::Icount(self.icount.get())));
        let first = next_event(log, found);
        Self {
            event: self.event.max(first),
            ..self
        }
    }
}

/// The index of the first event from `from` on that happens to a running machine. Events that count
/// instructions are skipped, and so are the two checkpoints at the start of every log.
fn next_event(log: &Log<'_>, from: Position) -> u64 {
    let Ok(mut events) = log.events_at(from) else {
        return from.index;
    };
    let mut initial = false;
    loop {
        let index = events.position().index;
        let event = events
            .next()
            .and_then(Result::ok)
            .map(|record| record.event);
        initial = match event {
            Some(Event::Instruction { .. }) => false,
            Some(Event::Checkpoint(Checkpoint::Init)) => true,
            Some(Event::Checkpoint(Checkpoint::Reset)) if initial => false,
            _ => return index,
        };
    }
}

/// The snapshots at a place or before it, the nearest first. Every search for a snapshot to start a
/// replay from uses this.
pub fn up_to(snapshots: Vec<Snapshot>, log: &Log<'_>, to: Place) -> Vec<(Place, Snapshot)> {
    let before = snapshots
        .iter()
        .filter(|snapshot| snapshot.icount < to.icount);
    let near = before.max_by_key(|snapshot| snapshot.log.offset);
    let near = near.map(|snapshot| snapshot.log);
    // The log is read only where instruction counts are equal.
    let tie = snapshots
        .iter()
        .any(|snapshot| snapshot.icount == to.icount);
    let to = if tie { to.resolved(log, near) } else { to };
    let places = snapshots
        .into_iter()
        .filter(|snapshot| snapshot.icount <= to.icount);
    let places = places.map(|snapshot| (Place::of(&snapshot, log), snapshot));
    let mut found: Vec<_> = places.filter(|(place, _)| *place <= to).collect();
    found.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    found
}
