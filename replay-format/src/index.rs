//! A seek index: the position of every so many events.

use crate::error::{Error, Position};
use crate::read::{Log, Record};
use crate::seek::Seek;

/// Positions along a log, from which [`Log::events_at`] can go on. Plain data: 24 bytes per point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Events from one point to the next.
    pub every: u64,
    /// The points, the first event's first, ordered in all three coordinates.
    pub points: Vec<Position>,
    /// The position behind the last whole event.
    pub end: Position,
}

impl Index {
    /// Builds an index with a point at each `every` events (at least 1) in one pass over the log.
    /// Of a log that is cut or damaged it covers the events before that place.
    pub fn build(log: &Log<'_>, every: u64) -> Index {
        let every = every.max(1);
        let mut points = Vec::new();
        let mut at = log.start();
        loop {
            points.push(at);
            let next = at.index.saturating_add(every);
            // A point of this log is in this log.
            match log.seek_from(at, Seek::Event(next)) {
                Ok(found) if found.index == next && next < log.end().index => at = found,
                _ => break,
            }
        }
        Index {
            every,
            points,
            end: log.end(),
        }
    }

    /// The last point from which every event at this icount, or later, is still to come.
    pub fn before_icount(&self, icount: u64) -> Position {
        // Several points can have the icount itself; only those before it are surely before its
        // events.
        self.point(self.points.partition_point(|point| point.icount < icount))
    }

    /// The last point at or before the event with this index.
    pub fn before_event(&self, index: u64) -> Position {
        self.point(self.points.partition_point(|point| point.index <= index))
    }

    /// The icount at this fraction of the log's instructions, 0.0 to 1.0 (beyond them it is
    /// clamped).
    pub fn icount_at(&self, fraction: f64) -> u64 {
        let icount = (self.end.icount as f64 * fraction.clamp(0.0, 1.0)) as u64;
        icount.min(self.end.icount)
    }

    /// The last point from which every event at this fraction of the instructions is still to come.
    pub fn before_fraction(&self, fraction: f64) -> Position {
        self.before_icount(self.icount_at(fraction))
    }

    /// The event with this index, or `None` if the log has fewer.
    ///
    /// # Errors
    /// [`Error::BadOffset`] if the index is not of this log.
    pub fn event<'a>(&self, log: &Log<'a>, index: u64) -> Result<Option<Record<'a>>, Error> {
        let at = log.seek_from(self.before_event(index), Seek::Event(index))?;
        let next = log.events_at(at)?.next().and_then(Result::ok);
        Ok(next.filter(|record| record.index == index))
    }

    /// The first event after which the icount is at least this, or `None` if the log ends before.
    ///
    /// # Errors
    /// [`Error::BadOffset`] if the index is not of this log.
    pub fn at_icount<'a>(&self, log: &Log<'a>, icount: u64) -> Result<Option<Record<'a>>, Error> {
        let at = log.seek_from(self.before_icount(icount), Seek::Icount(icount))?;
        Ok(log.events_at(at)?.next().and_then(Result::ok))
    }

    /// The point before the `count`-th, or the first.
    fn point(&self, count: usize) -> Position {
        let start = Position {
            offset: crate::HEADER_LEN as u64,
            index: 0,
            icount: 0,
        };
        self.points
            .get(count.saturating_sub(1))
            .copied()
            .unwrap_or(start)
    }
}
