//! Draws a plot as SVG. The file is self-contained, and light or dark as the reader's system is.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::iter::successors;

use replay_format::Kind;

use super::columns::Column;
use super::gather::{Plot, Snapshots};
use super::lanes::{Lane, lanes};
use super::marks;
use super::words::{count, end, escaped, roughly, start, time};
use crate::export::tracks::short;
use crate::output::outcome::thousands;

/// Where the columns begin and end, of `WIDTH` units.
const LEFT: f64 = 230.0;
pub(super) const RIGHT: f64 = 1090.0;
const WIDTH: f64 = 1200.0;
/// The left end of the title and of the facts.
const MARGIN: f64 = 16.0;
/// Height of the gap below a lane, and of the gap between groups of lanes.
const GAP: f64 = 6.0;
const GROUP: f64 = 8.0;
/// Characters that fit into a line: of the title, and of the facts below it.
const TITLE: usize = 120;
const LINE: usize = 175;

const STYLE: &str = "\
.back { fill: #ffffff; } .text { fill: #1d2127; } .soft { fill: #5d6470; } .bad { fill: #c02639; }
.base { fill: #eef0f3; } .tick { stroke: #d5d9df; } .snapshot { fill: #1d2127; stroke: #ffffff; }
.end { stroke: #c02639; stroke-width: 2; fill: #c02639; }
.hover { fill: transparent; } .hover:hover { fill: #8a8f9833; }
svg:root { max-width: 100%; height: auto; background: #ffffff; }
@media (prefers-color-scheme: dark) {
.back { fill: #16181c; } .text { fill: #e8eaed; } .soft { fill: #9aa1ac; } .bad { fill: #ff7b86; }
.base { fill: #22262c; } .tick { stroke: #3a4049; } .snapshot { fill: #e8eaed; stroke: #16181c; }
.end { stroke: #ff7b86; fill: #ff7b86; } svg:root { background: #16181c; }
}";

/// The vertical places of the parts.
struct Layout {
    /// The lower end of the texts above the lanes.
    head: f64,
    /// The upper end of each lane.
    lanes: Vec<f64>,
    /// The lower end of the last lane.
    bottom: f64,
    height: f64,
}

impl Layout {
    fn of(plot: &Plot, lanes: &[Lane]) -> Layout {
        let head = if plot.ending.is_some() { 82.0 } else { 64.0 };
        let mut top = head;
        if plot.snapshots.is_some() {
            top += marks::HEIGHT + GAP;
        }
        let mut tops = Vec::new();
        for lane in lanes {
            if lane.apart {
                top += GROUP;
            }
            tops.push(top);
            top += lane.height + GAP;
        }
        Layout {
            head,
            lanes: tops,
            bottom: top,
            height: top + 56.0,
        }
    }
}

/// Draws the plot.
pub(super) fn draw(plot: &Plot, out: &mut dyn Write) -> io::Result<()> {
    let lanes = lanes(plot);
    let layout = Layout::of(plot, &lanes);
    let Layout {
        head,
        bottom,
        height,
        ..
    } = layout;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-labelledby=\"what\" \
         aria-describedby=\"facts\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <title id=\"what\">{} at a glance</title>\n<desc \
         id=\"facts\">{}</desc>\n<style>\n{STYLE}\n</style>",
        escaped(&plot.title),
        escaped(&spoken(plot, &lanes))
    )?;
    writeln!(
        out,
        "<rect class=\"back\" width=\"{WIDTH}\" height=\"{height}\"/>"
    )?;
    let title = end(&plot.title, TITLE);
    text(out, ("text", "start"), (MARGIN, 26.0), 16, &title, "")?;
    let facts = start(&plot.facts, LINE);
    text(out, ("soft", "start"), (MARGIN, 46.0), 12, &facts, "")?;
    if let Some(ending) = &plot.ending {
        let line = start(&ending.whole, LINE);
        text(
            out,
            ("bad", "start"),
            (MARGIN, 66.0),
            12,
            &line,
            &ending.whole,
        )?;
    }
    for (lane, top) in lanes.iter().zip(&layout.lanes) {
        row(
            out,
            (*top, lane.height),
            (&lane.name, &lane.total, "soft"),
            lane.about,
        )?;
    }
    if let Some(snapshots) = &plot.snapshots {
        let (total, about) = (marks::total(snapshots), snapshots.damaged.join("\n"));
        let class = if about.is_empty() { "soft" } else { "bad" };
        row(
            out,
            (head, marks::HEIGHT),
            ("snapshots", &total, class),
            &about,
        )?;
    }
    ticks(plot, (head, bottom), out)?;
    for (lane, top) in lanes.iter().zip(&layout.lanes) {
        bars(plot, lane, *top, out)?;
    }
    hovers(plot, (head, bottom), out)?;
    if let Some(snapshots) = &plot.snapshots {
        let places = snapshots
            .marks
            .iter()
            .map(|(at, what)| (x(plot, *at), what.as_str()));
        marks::snapshots(places, head, out)?;
    }
    if let Some(ending) = &plot.ending {
        marks::ending(ending, x(plot, plot.end), (head, bottom), out)?;
    }
    legend(plot, bottom + 40.0, out)?;
    writeln!(out, "</svg>")
}

/// A description of the picture, for screen readers.
fn spoken(plot: &Plot, lanes: &[Lane]) -> String {
    let mut text = format!("{}.", plot.facts);
    if let Some(ending) = &plot.ending {
        let _ = write!(text, " {}: {}.", ending.short, ending.whole);
    }
    if let Some(snapshots) = &plot.snapshots {
        let _ = write!(text, " Snapshots: {}.", marks::total(snapshots));
    }
    for lane in lanes {
        let _ = write!(text, " {}: {}.", lane.name, lane.total);
    }
    text
}

/// Draws a row's name, its background, and its total, which is a text of class `class`.
fn row(
    out: &mut dyn Write,
    (top, height): (f64, f64),
    (name, total, class): (&str, &str, &str),
    about: &str,
) -> io::Result<()> {
    writeln!(
        out,
        "<rect class=\"base\" x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{height}\"/>",
        RIGHT - LEFT
    )?;
    let middle = top + height / 2.0 + 4.0;
    text(out, ("text", "end"), (LEFT - 10.0, middle), 12, name, about)?;
    text(
        out,
        (class, "start"),
        (RIGHT + 10.0, middle),
        12,
        total,
        about,
    )
}

/// The horizontal place of a time.
fn x(plot: &Plot, at: u64) -> f64 {
    let whole = plot.end.saturating_sub(plot.begin).max(1);
    LEFT + (RIGHT - LEFT) * at.saturating_sub(plot.begin) as f64 / whole as f64
}

/// The start and end of a column, in time.
fn span(plot: &Plot, place: usize) -> (u64, u64) {
    let begin = plot.begin.saturating_add(place as u64 * plot.width);
    (begin, begin.saturating_add(plot.width).min(plot.end))
}

/// The horizontal extent of a column.
fn extent(plot: &Plot, place: usize) -> (f64, f64) {
    let (begin, end) = span(plot, place);
    let (from, to) = (x(plot, begin.min(end)), x(plot, end));
    // The column at the very end has no width, so it gets some.
    (from.min(RIGHT - 2.0), to.max(from.min(RIGHT - 2.0) + 1.5))
}

fn bars(plot: &Plot, lane: &Lane, top: f64, out: &mut dyn Write) -> io::Result<()> {
    let mut path = String::new();
    for (place, &bar) in lane.bars.iter().enumerate().filter(|(_, bar)| **bar > 0.0) {
        let (from, to) = extent(plot, place);
        // Even the rarest event must be visible.
        let height = (bar * lane.height).clamp(1.5, lane.height);
        let y = top + lane.height - height;
        // Writing to a string cannot fail.
        let _ = write!(path, "M{from:.1} {y:.1}H{to:.1}v{height:.1}H{from:.1}z");
    }
    writeln!(out, "<path fill=\"{}\" d=\"{path}\"/>", lane.colour)
}

fn ticks(plot: &Plot, (top, bottom): (f64, f64), out: &mut dyn Write) -> io::Result<()> {
    let step = step(plot.end.saturating_sub(plot.begin));
    let label = |at: u64| match plot.timed {
        true if at > 0 => time(at as f64),
        _ => count(at as f64),
    };
    let first = plot.begin.checked_next_multiple_of(step);
    let ticks = successors(first, |at| at.checked_add(step));
    for at in ticks.take_while(|at| *at <= plot.end) {
        let x = x(plot, at);
        writeln!(
            out,
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>",
            top - 4.0,
            bottom
        )?;
        text(
            out,
            ("soft", "middle"),
            (x, bottom + 16.0),
            11,
            &label(at),
            "",
        )?;
    }
    let unit = match plot.timed {
        true => "virtual time",
        false => "instructions",
    };
    text(
        out,
        ("soft", "end"),
        (LEFT - 24.0, bottom + 16.0),
        11,
        unit,
        "",
    )
}

/// A round step that gives 4 to 10 ticks.
fn step(length: u64) -> u64 {
    let mut step = 1u64;
    loop {
        for factor in [1, 2, 5] {
            let found = step.saturating_mul(factor);
            if length / found <= 9 {
                return found;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// The numbers of a column, which the pointer shows.
fn hovers(plot: &Plot, (top, bottom): (f64, f64), out: &mut dyn Write) -> io::Result<()> {
    for (place, column) in plot.columns.iter().enumerate() {
        let (from, to) = extent(plot, place);
        writeln!(
            out,
            "<rect class=\"hover\" x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" \
             height=\"{:.1}\"><title>{}</title></rect>",
            to - from,
            bottom - top,
            told(plot, place, column)
        )?;
    }
    Ok(())
}

fn told(plot: &Plot, place: usize, column: &Column) -> String {
    let (begin, end) = span(plot, place);
    let mut lines = match plot.timed {
        true => format!("{} to {}", time(begin as f64), time(end as f64)),
        false => format!("icount {} to {}", thousands(begin), thousands(end)),
    };
    if plot.timed {
        let (busy, idle) = (time(column.busy as f64), time(column.idle as f64));
        let _ = write!(lines, "\n{busy} executing, {idle} idle");
    }
    if let Some(rate) = column.rate() {
        let _ = write!(
            lines,
            "\n{} instructions per CPU second of the host",
            roughly(rate)
        );
    }
    let _ = write!(lines, "\n{} bytes of log", thousands(column.bytes));
    for &kind in Kind::ALL {
        let events = column.events[kind.index()];
        if events > 0 {
            let name = short(kind).to_lowercase().replace('_', "-");
            let _ = write!(lines, "\n{} {name}", thousands(events));
        }
    }
    lines
}

/// Explains the marks and the rows.
fn legend(plot: &Plot, y: f64, out: &mut dyn Write) -> io::Result<()> {
    let mut at = LEFT;
    let is_marked = |snapshots: &Snapshots| !snapshots.marks.is_empty();
    if plot.snapshots.as_ref().is_some_and(is_marked) {
        marks::snapshot(out, (at + 5.0, y - 4.0), "")?;
        text(out, ("soft", "start"), (at + 15.0, y), 11, "snapshot", "")?;
        at += 84.0;
    }
    if let Some(ending) = &plot.ending {
        marks::flag(out, (at + 9.0, y - 9.0))?;
        text(
            out,
            ("soft", "start"),
            (at + 15.0, y),
            11,
            &ending.short,
            "",
        )?;
        at += 30.0 + 5.8 * ending.short.len() as f64;
    }
    let rows = "a row of events or bytes is as high as its fullest column; point at a column for \
        its numbers";
    text(out, ("soft", "start"), (at, y), 11, rows, "")
}

/// Draws a text; the pointer shows `about`.
fn text(
    out: &mut dyn Write,
    (class, anchor): (&str, &str),
    (x, y): (f64, f64),
    size: u32,
    text: &str,
    about: &str,
) -> io::Result<()> {
    let text = escaped(text);
    let about = match about {
        "" => String::new(),
        about => format!("<title>{}</title>", escaped(about)),
    };
    writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" \
         text-anchor=\"{anchor}\">{text}{about}</text>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for end in [0, 1, 9, 10, 99, 12_345, 4_648_223_810, u64::MAX] {
            let step = step(end);
            assert!(end / step <= 9, "{end}: {step}");
            assert!(end < 10 || end / step >= 3, "{end}: {step}");
        }
    }
}
