//! `rr inspect --plot`: a run at a glance. What is drawn is gathered here; [`svg`] draws it.

mod svg;

use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use replay_format::{Kind, Log};

use crate::export::time::{Clock, Times};

/// The kind of file, by its name's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlotFile {
    pub(crate) path: std::path::PathBuf,
    html: bool,
}

/// A name that says nothing about the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` ends in neither .svg nor .html, which say what to draw")]
pub(crate) struct UnknownFormat(String);

impl FromStr for PlotFile {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<PlotFile, UnknownFormat> {
        let path = Path::new(text);
        let html = match path.extension().and_then(|end| end.to_str()) {
            Some("svg") => false,
            Some("html" | "htm") => true,
            _ => return Err(UnknownFormat(text.to_owned())),
        };
        let path = path.to_owned();
        Ok(PlotFile { path, html })
    }
}

/// Columns of a plot at least, unless the run is shorter than so many nanoseconds; and less than twice as many.
const COLUMNS: usize = 200;

/// What happens in one column of the plot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    /// Events by [`Kind::index`].
    events: [u64; Kind::COUNT],
    /// Bytes of log.
    bytes: u64,
    /// Time (ns) that the machine executes.
    busy: u64,
    /// Time (ns) that it idles.
    idle: u64,
}

impl Column {
    const EMPTY: Column = Column {
        events: [0; Kind::COUNT],
        bytes: 0,
        busy: 0,
        idle: 0,
    };

    fn add(&mut self, other: &Column) {
        let events = self.events.iter_mut().zip(&other.events);
        events.for_each(|(to, from)| *to += from);
        self.bytes += other.bytes;
        self.busy += other.busy;
        self.idle += other.idle;
    }
}

/// What is drawn.
#[derive(Debug)]
struct Plot {
    title: String,
    /// A few facts, for the line below the title.
    facts: String,
    columns: Vec<Column>,
    /// Nanoseconds of a column; without virtual time, instructions.
    width: u64,
    /// Where the run ends, likewise.
    end: u64,
    /// Whether `width` and `end` are virtual time.
    timed: bool,
    /// The log ends without `EVENT_END`.
    cut: bool,
}

impl Plot {
    fn new(title: String, facts: String, timed: bool) -> Plot {
        Plot {
            title,
            facts,
            columns: vec![Column::EMPTY; 2 * COLUMNS],
            width: 1,
            end: 0,
            timed,
            cut: false,
        }
    }

    /// The column at this time. Before there are too many, each two become one.
    fn at(&mut self, ns: u64) -> usize {
        while ns / self.width >= 2 * COLUMNS as u64 {
            for place in 0..COLUMNS {
                let second = self.columns[2 * place + 1].clone();
                self.columns[place] = self.columns[2 * place].clone();
                self.columns[place].add(&second);
            }
            self.columns[COLUMNS..].fill(Column::EMPTY);
            self.width *= 2;
        }
        (ns / self.width) as usize
    }

    /// Spreads the time from one instant to another.
    fn spread(&mut self, from: u64, to: u64, part: fn(&mut Column) -> &mut u64) {
        if from >= to {
            return;
        }
        let last = self.at(to - 1);
        for place in self.at(from)..=last {
            let begin = from.max(place as u64 * self.width);
            let end = to.min((place as u64 + 1).saturating_mul(self.width));
            *part(&mut self.columns[place]) += end - begin;
        }
    }

    /// Takes in the events of a log.
    fn gather(&mut self, log: &Log<'_>, times: Option<&Times>) {
        let mut clock = Clock::new(times);
        let mut before = 0;
        for record in log.events().map_while(Result::ok) {
            let when = clock.at(&record);
            self.spread(before, when.ns, |column| &mut column.busy);
            self.spread(when.ns, when.ns + when.idle, |column| &mut column.idle);
            before = when.ns + when.idle;
            let place = self.at(when.ns);
            self.columns[place].bytes += u64::from(record.len);
            if record.event.kind() != Kind::Instruction {
                self.columns[place].events[record.event.kind().index()] += 1;
            }
        }
        self.end = before;
        self.cut = log.error().is_some();
        let used = self.at(self.end) + 1;
        self.columns.truncate(used);
    }
}

/// Draws a log; with its virtual time if that is known.
pub(crate) fn write(
    file: &PlotFile,
    (title, facts): (String, String),
    log: &Log<'_>,
    times: Option<&Times>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut plot = Plot::new(title, facts, times.is_some());
    plot.gather(log, times);
    if file.html {
        writeln!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <style>body {{ margin: 1rem; }} @media (prefers-color-scheme: dark) {{ body {{ background: #16181c; }} }}\n\
             svg {{ width: 100%; max-width: 1400px; height: auto; display: block; margin: auto; }}</style></head><body>",
            svg::escaped(&plot.title)
        )?;
        svg::draw(&plot, out)?;
        return writeln!(out, "</body></html>");
    }
    svg::draw(&plot, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use replay_format::{Checkpoint, Event, Writer};

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
        let times = Times { shift: 2, idle };
        let mut plot = Plot::new(String::new(), String::new(), true);
        plot.gather(&log, Some(&times));
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
    }

    #[test]
    fn the_name_says_what_to_draw() {
        assert!(!"a.svg".parse::<PlotFile>().unwrap().html);
        assert!("x/a.html".parse::<PlotFile>().unwrap().html);
        assert!("a.png".parse::<PlotFile>().is_err());
    }
}
