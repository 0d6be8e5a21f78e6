//! A place in a run. Idle time moves the log on and the instruction count not, so a count alone is
//! no place.

use super::snapshot::{LogPlace, Snapshot};
use replay_format::{Checkpoint, Event, Log, Position, Seek};

/// A place in a run: ordered, and compared as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Instructions executed since power-on.
    pub icount: u64,
    /// Index in the log of the first event that has yet to happen. Events that only count
    /// instructions do not count: they stand wherever the log was flushed.
    pub event: u64,
}

impl Place {
    /// The first place with this instruction count, in front of all that is due there.
    pub fn at(icount: u64) -> Self {
        Self { icount, event: 0 }
    }

    /// The place of a snapshot.
    pub fn of(snapshot: &Snapshot, log: &Log<'_>) -> Self {
        Self {
            icount: snapshot.icount,
            event: next_event(log, snapshot.log.into()),
        }
    }

    /// The first place with this instruction count, with the index of the event that is next there.
    pub fn first(log: &Log<'_>, icount: u64) -> Self {
        Self::at(icount).resolved(log, None)
    }

    /// The same place with the index of the event that is next there, if this is the first at its
    /// instruction count. `near`: a place in the log that is surely in front of it.
    fn resolved(self, log: &Log<'_>, near: Option<LogPlace>) -> Self {
        let near = near.map_or(log.start(), Position::from);
        // A place that is not of this log is none to begin from.
        let found = log.seek_from(near, Seek::Icount(self.icount));
        let found = found.unwrap_or_else(|_| log.seek(Seek::Icount(self.icount)));
        let first = next_event(log, found);
        Self {
            event: self.event.max(first),
            ..self
        }
    }
}

/// The index of the first event from a position on that happens to a running machine: no count of
/// instructions, and none of the two checkpoints that every log begins with.
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

/// Those of the snapshots that are at a place or in front of it, the nearest first. This is the one
/// search for where a replay can go on from.
pub fn up_to(snapshots: Vec<Snapshot>, log: &Log<'_>, to: Place) -> Vec<(Place, Snapshot)> {
    let before = snapshots
        .iter()
        .filter(|snapshot| snapshot.icount < to.icount);
    let near = before.max_by_key(|snapshot| snapshot.log.offset);
    let near = near.map(|snapshot| snapshot.log);
    // Only where counts are equal does the log decide.
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
