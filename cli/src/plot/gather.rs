//! Gathers the content of a plot from a log and its recording.

use machine::Icount;
use replay_format::{Kind, Log};
use rr::divergence::Divergence;
use rr::recording::pace::Pace;

use super::columns::{Column, Columns};
use super::words;
use crate::export::time::{Clock, Times};
use crate::output::outcome::thousands;

/// The content of a plot.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) title: String,
    /// A few facts, for the line below the title.
    pub(super) facts: String,
    pub(super) columns: Vec<Column>,
    /// Width of a column in ns; without virtual time, in instructions.
    pub(super) width: u64,
    /// Start and end of the run, in the same unit. The first column begins at the start.
    pub(super) begin: u64,
    pub(super) end: u64,
    /// True if the unit is virtual time.
    pub(super) timed: bool,
    pub(super) snapshots: Option<Snapshots>,
    /// Where the plot ends before the recording does, and why.
    pub(super) ending: Option<Ending>,
}

/// The snapshots of a recording.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// The place of each snapshot, and its description.
    pub(super) marks: Vec<(u64, String)>,
    /// Snapshots whose place is unknown, and the reason.
    pub(super) damaged: Vec<String>,
}

/// Why a plot ends before the recording does.
#[derive(Debug)]
pub(super) struct Ending {
    /// The reason in a few words.
    pub(super) short: String,
    pub(super) whole: String,
}

/// A snapshot of the recording: its name, and its instruction count and virtual time, or why they
/// are unknown.
pub(super) type Listed = (String, Result<(Icount, u64), String>);

/// The facts that a plot is gathered from.
pub(super) struct Source<'s> {
    pub(super) title: String,
    /// The program that made the log.
    pub(super) made: String,
    pub(super) log: &'s Log<'s>,
    /// The instruction count at which the log begins.
    pub(super) from: Icount,
    pub(super) times: Option<Times>,
    /// The pace of the recording on the host.
    pub(super) paces: Vec<Pace>,
    /// The snapshots; `None` for a bare log.
    pub(super) snapshots: Option<Vec<Listed>>,
    /// Where the replay diverged from the recording, if it did.
    pub(super) left: Option<Box<Divergence>>,
}

impl Source<'_> {
    pub(super) fn gather(self) -> Plot {
        let mut clock = Clock::new(self.times.as_ref());
        let begin = clock.reading(self.from);
        let mut pen = Pen {
            columns: Columns::new(),
            shift: self.times.as_ref().map_or(0, |times| times.shift),
            paces: &self.paces,
            next: 0,
            icount: self.from,
            ns: 0,
        };
        let left = self.left.as_deref();
        for record in self.log.events().map_while(Result::ok) {
            let behind = |left: &Divergence| {
                let event = left.event.is_some_and(|event| record.index >= event);
                event || Icount::new(record.icount) > left.at.icount
            };
            if left.is_some_and(behind) {
                break;
            }
            let when = clock.at(&record);
            pen.execute(Icount::new(record.icount), when.ns.saturating_sub(begin));
            let column = pen.columns.at(pen.ns);
            column.bytes += u64::from(record.len);
            if record.event.kind() != Kind::Instruction {
                column.events[record.event.kind().index()] += 1;
            }
            pen.idle(when.idle);
        }
        if let Some(left) = left {
            let ns = clock.reading(left.at.icount).saturating_sub(begin);
            pen.execute(left.at.icount, ns);
        }
        let (icount, end) = (pen.icount, pen.ns);
        let (columns, width) = pen.columns.up_to(end);
        let timed = self.times.is_some();
        let end = begin.saturating_add(end);
        Plot {
            facts: self.facts(icount, &columns),
            snapshots: self.snapshots(timed, end),
            ending: self.ending(),
            title: self.title,
            columns,
            width,
            begin,
            end,
            timed,
        }
    }

    fn facts(&self, icount: Icount, columns: &[Column]) -> String {
        let end = self.log.end();
        let mut facts = format!(
            "{}: {} instructions, {} events, {} bytes",
            self.made,
            thousands(Icount::new(end.icount).since(self.from)),
            thousands(end.index),
            thousands(self.log.bytes().len() as u64)
        );
        if self.times.is_some() {
            let time = columns.iter().map(|column| column.busy + column.idle);
            let time = words::time(time.sum::<u64>() as f64);
            let part = match self.left {
                Some(_) => " as far as it replays:",
                None => "",
            };
            facts.push_str(&format!(";{part} {time} of virtual time"));
        }
        let known = self.paces.iter().rfind(|pace| pace.icount <= icount);
        if let Some(pace) = known.filter(|pace| pace.wall > 0) {
            let (wall, cpu) = (words::time(pace.wall as f64), words::time(pace.cpu as f64));
            facts.push_str(&format!("; recorded in {wall}, {cpu} of CPU time"));
        }
        facts
    }

    fn snapshots(&self, timed: bool, end: u64) -> Option<Snapshots> {
        let (mut marks, mut damaged) = (Vec::new(), Vec::new());
        for (name, snapshot) in self.snapshots.as_ref()? {
            match snapshot {
                Ok((icount, ns)) => {
                    let at = if timed { *ns } else { icount.get() };
                    let (icount, ns) = (thousands(icount.get()), words::time(*ns as f64));
                    let what = format!("snapshot {name}: icount {icount}, {ns} of virtual time");
                    // A snapshot after the divergence belongs to another run.
                    if at <= end {
                        marks.push((at, what));
                    }
                }
                Err(error) => damaged.push(error.clone()),
            }
        }
        Some(Snapshots { marks, damaged })
    }

    fn ending(&self) -> Option<Ending> {
        if let Some(left) = &self.left {
            return Some(Ending {
                short: format!(
                    "the replay diverges at icount {}",
                    thousands(left.at.icount.get())
                ),
                whole: left.to_string(),
            });
        }
        let error = self.log.error()?;
        let short = match error.is_truncated() {
            true => "the log is cut off here",
            false => "the log is damaged here",
        };
        Some(Ending {
            short: short.to_owned(),
            whole: error.to_string(),
        })
    }
}

/// Follows a run, and fills the columns.
struct Pen<'s> {
    columns: Columns,
    /// One instruction takes 2^shift ns.
    shift: u8,
    paces: &'s [Pace],
    /// The index of the next pace.
    next: usize,
    /// The present place: instruction count, and ns since the start.
    icount: Icount,
    ns: u64,
}

impl Pen<'_> {
    /// Notes that the machine executes up to this instruction count.
    fn execute(&mut self, icount: Icount, ns: u64) {
        self.columns
            .spread(self.ns, ns, |column, ns| column.busy += ns);
        self.pace(icount);
        (self.icount, self.ns) = (self.icount.max(icount), self.ns.max(ns));
    }

    /// Notes that the machine idles.
    fn idle(&mut self, ns: u64) {
        let end = self.ns.saturating_add(ns);
        self.columns
            .spread(self.ns, end, |column, ns| column.idle += ns);
        self.ns = end;
    }

    /// Notes the host's time for the instructions up to this count, if it is known.
    fn pace(&mut self, to: Icount) {
        let (from, start) = (self.icount, self.ns);
        let mut at = from;
        while at < to {
            while self
                .paces
                .get(self.next)
                .is_some_and(|pace| pace.icount <= at)
            {
                self.next += 1;
            }
            let before = self
                .next
                .checked_sub(1)
                .and_then(|last| self.paces.get(last));
            let (before, Some(after)) = (before, self.paces.get(self.next)) else {
                return;
            };
            let until = after.icount.min(to);
            if let Some(before) = before.filter(|before| before.cpu < after.cpu) {
                let each = (after.cpu - before.cpu) as f64 / (after.icount - before.icount) as f64;
                let ns = |icount: Icount| start.saturating_add((icount - from) << self.shift);
                let scale = (1u64 << self.shift) as f64;
                self.columns.spread(ns(at), ns(until), |column, ns| {
                    let instructions = ns as f64 / scale;
                    column.paced += instructions;
                    column.cpu += instructions * each;
                });
            }
            at = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::COLUMNS;
    use super::*;
    use replay_format::{Checkpoint, Event, Writer};

    fn pace(icount: u64, wall: u64, cpu: u64) -> Pace {
        let icount = Icount::new(icount);
        Pace { icount, wall, cpu }
    }

    #[test]
    fn nothing_is_lost_in_the_columns() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let mut idle = Vec::new();
        for step in 0..5_000u64 {
            writer.at(step * 1_000, &Event::Interrupt).unwrap();
            if step % 10 == 0 {
                let start = Event::Checkpoint(Checkpoint::ClockWarpStart);
                writer.at(step * 1_000, &start).unwrap();
                idle.push(step * 77);
            }
        }
        writer.at(5_000_000, &Event::End).unwrap();
        let bytes = writer.into_inner();
        let log = Log::parse(&bytes).unwrap();
        let slept: u64 = idle.iter().sum();
        let plot = Source {
            title: String::new(),
            made: String::new(),
            log: &log,
            from: Icount::ZERO,
            times: Some(Times {
                shift: 2,
                idle,
                before: 0,
            }),
            // The pace of the second million is unknown, and so is that after the fourth.
            paces: vec![
                pace(0, 0, 0),
                pace(1_000_000, 9_000, 4_000),
                pace(2_000_000, 9_000, 4_000),
                pace(3_500_000, 9_000, 10_000),
                pace(3_500_000, 99_000, 12_000),
                pace(4_000_000, 99_000, 16_000),
            ],
            snapshots: None,
            left: None,
        };
        let plot = plot.gather();
        let sum = |part: fn(&Column) -> u64| plot.columns.iter().map(part).sum::<u64>();
        assert_eq!(sum(|c| c.events.iter().sum()), 5_501);
        assert_eq!(sum(|c| c.bytes), bytes.len() as u64 - 12);
        assert_eq!(sum(|c| c.busy), 20_000_000);
        assert_eq!(sum(|c| c.idle), slept);
        assert_eq!(plot.end, 20_000_000 + slept);
        let columns = plot.columns.len();
        assert!((COLUMNS..=2 * COLUMNS).contains(&columns), "{columns}");
        let full = |c: &Column| c.busy + c.idle == plot.width;
        assert!(plot.columns[..columns - 1].iter().all(full));
        assert_eq!(
            sum(|c| c.paced.round() as u64).abs_diff(3_000_000) / 1_000,
            0
        );
        let cpu: f64 = plot.columns.iter().map(|c| c.cpu).sum();
        assert!((cpu - 14_000.0).abs() < 0.1, "{cpu}");
        let first = plot.columns[0].rate().unwrap();
        assert!((first - 250e9).abs() < 1.0, "{first}");
        assert_eq!(plot.columns[columns - 1].rate(), None);
    }
}
