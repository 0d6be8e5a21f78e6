//! A seek index: the positions of regularly spaced events.

use crate::error::{Error, Position};
use crate::read::{Log, Record};
use crate::seek::Seek;

/// Positions in a log, from which [`Log::events_at`] can go on. An index has 24 bytes per point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The number of events from one point to the next.
    pub every: u64,
    /// The points, in order; the first one is at the first event.
    pub points: Vec<Position>,
    /// The position after the last whole event.
    pub end: Position,
}

impl Index {
    /// Builds an index with a point at each `every` events (at least 1), in one pass over the log.
    /// For a log that is cut or damaged, it covers the events before that place.
    pub fn build(log: &Log<'_>, every: u64) -> Index {
        let every = every.max(1);
        let mut points = Vec::new();
        let mut at = log.start();
        loop {
            points.push(at);
            let next = at.index.saturating_add(every);
            // A position of this log is always valid.
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

    /// The last point that is before all events at this icount or later.
    pub fn before_icount(&self, icount: u64) -> Position {
        // Several points can have this icount. Only points with a smaller one are surely before its
        // events.
        self.point(self.points.partition_point(|point| point.icount < icount))
    }

    /// The last point at or before the event with this index.
    pub fn before_event(&self, index: u64) -> Position {
        self.point(self.points.partition_point(|point| point.index <= index))
    }

    /// The icount at this fraction of the log's instructions. Fractions below 0.0 count as 0.0, and
    /// above 1.0 as 1.0.
    pub fn icount_at(&self, fraction: f64) -> u64 {
        let icount = (self.end.icount as f64 * fraction.clamp(0.0, 1.0)) as u64;
        icount.min(self.end.icount)
    }

    /// The last point that is before all events at this fraction of the instructions.
    pub fn before_fraction(&self, fraction: f64) -> Position {
        self.before_icount(self.icount_at(fraction))
    }

    /// The event with this index; `None` if the log has fewer events.
    ///
    /// # Errors
    /// [`Error::BadOffset`] if the index belongs to another log.
    pub fn event<'a>(&self, log: &Log<'a>, index: u64) -> Result<Option<Record<'a>>, Error> {
        let at = log.seek_from(self.before_event(index), Seek::Event(index))?;
        let next = log.events_at(at)?.next().and_then(Result::ok);
        Ok(next.filter(|record| record.index == index))
    }

    /// The first event whose icount is at least this; `None` if the log ends before.
    ///
    /// # Errors
    /// [`Error::BadOffset`] if the index belongs to another log.
    pub fn at_icount<'a>(&self, log: &Log<'a>, icount: u64) -> Result<Option<Record<'a>>, Error> {
        let at = log.seek_from(self.before_icount(icount), Seek::Icount(icount))?;
        Ok(log.events_at(at)?.next().and_then(Result::ok))
    }

    /// The point before the `count`-th one, or the first point.
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
