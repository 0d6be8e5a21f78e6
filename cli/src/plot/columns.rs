//! The columns of a plot, and the events in each.

use replay_format::Kind;

/// The least number of columns, unless the run is shorter than so many ns. There are always less
/// than twice as many.
pub(super) const COLUMNS: usize = 200;

/// The content of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// Events by [`Kind::index`].
    pub(super) events: [u64; Kind::COUNT],
    /// Bytes of log.
    pub(super) bytes: u64,
    /// Time (ns) in which the machine executes.
    pub(super) busy: u64,
    /// Time (ns) in which it idles.
    pub(super) idle: u64,
    /// The number of instructions whose host time is known.
    pub(super) paced: f64,
    /// CPU time (ns) that the host took for them.
    pub(super) cpu: f64,
}

impl Column {
    const EMPTY: Column = Column {
        events: [0; Kind::COUNT],
        bytes: 0,
        busy: 0,
        idle: 0,
        paced: 0.0,
        cpu: 0.0,
    };

    fn add(&mut self, other: &Column) {
        let events = self.events.iter_mut().zip(&other.events);
        events.for_each(|(to, from)| *to += from);
        self.bytes += other.bytes;
        self.busy += other.busy;
        self.idle += other.idle;
        self.paced += other.paced;
        self.cpu += other.cpu;
    }

    /// Instructions in a second of the host's CPU time, if that is known.
    pub(super) fn rate(&self) -> Option<f64> {
        (self.cpu > 0.0).then(|| self.paced / self.cpu * 1e9)
    }
}

/// Columns of equal width. As time goes on they become wider, so that their number stays small.
#[derive(Debug)]
pub(super) struct Columns {
    all: Vec<Column>,
    /// Width of a column, in ns.
    width: u64,
}

impl Columns {
    pub(super) fn new() -> Columns {
        Columns {
            all: vec![Column::EMPTY; 2 * COLUMNS],
            width: 1,
        }
    }

    /// The number of the column at this time. If there are too many columns, pairs of them are
    /// joined first.
    fn place(&mut self, ns: u64) -> usize {
        while ns / self.width >= 2 * COLUMNS as u64 {
            for place in 0..COLUMNS {
                let second = self.all[2 * place + 1].clone();
                self.all[place] = self.all[2 * place].clone();
                self.all[place].add(&second);
            }
            self.all[COLUMNS..].fill(Column::EMPTY);
            self.width *= 2;
        }
        (ns / self.width) as usize
    }

    /// The column at this time.
    pub(super) fn at(&mut self, ns: u64) -> &mut Column {
        let place = self.place(ns);
        &mut self.all[place]
    }

    /// Spreads a span of time over its columns. `part` is called with each column and the time in
    /// it.
    pub(super) fn spread(&mut self, from: u64, to: u64, mut part: impl FnMut(&mut Column, u64)) {
        if from >= to {
            return;
        }
        let last = self.place(to - 1);
        for place in self.place(from)..=last {
            let begin = from.max(place as u64 * self.width);
            let end = to.min((place as u64 + 1).saturating_mul(self.width));
            part(&mut self.all[place], end - begin);
        }
    }

    /// The columns up to the end of the run, and their width.
    pub(super) fn up_to(mut self, end: u64) -> (Vec<Column>, u64) {
        let used = self.place(end) + 1;
        self.all.truncate(used);
        (self.all, self.width)
    }
}
