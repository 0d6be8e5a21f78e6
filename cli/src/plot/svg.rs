//! Drawing a plot as SVG: self-contained, in light or dark as the reader's system is.

use std::fmt::Write as _;
use std::io::{self, Write};

use replay_format::Kind;

use super::{Column, Plot};
use crate::export::tracks::{IDLE, TRACKS, short, track};
use crate::outcome::thousands;

/// Where the columns begin and end, of `WIDTH` units.
const LEFT: f64 = 230.0;
const RIGHT: f64 = 1090.0;
const WIDTH: f64 = 1200.0;
/// Height of the head, of a lane and of the gap below it.
const HEAD: f64 = 70.0;
const LANE: f64 = 24.0;
const GAP: f64 = 8.0;

/// Colours of the tracks, in their order: readable on white and on near black.
const COLOURS: [&str; 10] = [
    "#d1495b", "#8a8f98", "#2a8f5b", "#b7791f", "#3b7dd8", "#8e5bd0", "#c2529b", "#0f8f9c",
    "#6b7c93", "#d9622b",
];

/// A row of bars.
struct Lane {
    name: String,
    colour: &'static str,
    total: String,
    bars: Vec<f64>,
}

/// Draws the plot.
pub(super) fn draw(plot: &Plot, out: &mut dyn Write) -> io::Result<()> {
    let lanes = lanes(plot);
    let bottom = HEAD + lanes.len() as f64 * (LANE + GAP);
    let height = bottom + 40.0;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <title>{}</title>\n\
         <style>\n\
         .back {{ fill: #ffffff; }} .text {{ fill: #1d2127; }} .soft {{ fill: #5d6470; }}\n\
         .base {{ fill: #eef0f3; }} .tick {{ stroke: #d5d9df; }} .cut {{ stroke: #d1495b; stroke-width: 2; }}\n\
         .hover {{ fill: transparent; }} .hover:hover {{ fill: #8a8f9833; }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         .back {{ fill: #16181c; }} .text {{ fill: #e8eaed; }} .soft {{ fill: #9aa1ac; }}\n\
         .base {{ fill: #22262c; }} .tick {{ stroke: #3a4049; }}\n\
         }}\n\
         </style>",
        escaped(&plot.title)
    )?;
    writeln!(
        out,
        "<rect class=\"back\" width=\"{WIDTH}\" height=\"{height}\"/>"
    )?;
    text(out, ("text", "start"), (16.0, 26.0), 16, &plot.title)?;
    text(out, ("soft", "start"), (16.0, 46.0), 12, &plot.facts)?;
    for (place, lane) in lanes.iter().enumerate() {
        let top = HEAD + place as f64 * (LANE + GAP);
        writeln!(
            out,
            "<rect class=\"base\" x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{LANE}\"/>",
            RIGHT - LEFT
        )?;
        let middle = top + LANE / 2.0 + 4.0;
        text(out, ("text", "end"), (LEFT - 10.0, middle), 12, &lane.name)?;
        let right = (RIGHT + 10.0, middle);
        text(out, ("soft", "start"), right, 12, &lane.total)?;
    }
    ticks(plot, bottom, out)?;
    for (place, lane) in lanes.iter().enumerate() {
        bars(plot, lane, HEAD + place as f64 * (LANE + GAP), out)?;
    }
    hovers(plot, bottom, out)?;
    if plot.cut {
        let x = x(plot, plot.end);
        writeln!(
            out,
            "<line class=\"cut\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{HEAD}\" y2=\"{bottom}\"><title>the log ends here, \
             without EVENT_END</title></line>"
        )?;
    }
    writeln!(out, "</svg>")
}

/// Instructions and idle time, bytes of log, then the events by kind in the order of their tracks.
fn lanes(plot: &Plot) -> Vec<Lane> {
    let sum = |part: &dyn Fn(&Column) -> u64| plot.columns.iter().map(part).sum::<u64>();
    let share = |part: fn(&Column) -> u64| -> Vec<f64> {
        let of = |column: &Column| part(column) as f64 / plot.width as f64;
        plot.columns.iter().map(of).collect()
    };
    let mut lanes = Vec::new();
    if plot.timed {
        let (busy, idle) = (sum(&|c| c.busy), sum(&|c| c.idle));
        lanes.push(Lane {
            name: "executing".to_owned(),
            colour: "#2f6fd0",
            total: time(busy as f64),
            bars: share(|column| column.busy),
        });
        lanes.push(Lane {
            name: "idle".to_owned(),
            colour: COLOURS[IDLE],
            total: time(idle as f64),
            bars: share(|column| column.idle),
        });
    }
    let scaled = |part: &dyn Fn(&Column) -> u64| -> Vec<f64> {
        let most = plot.columns.iter().map(part).max().unwrap_or(0).max(1);
        plot.columns
            .iter()
            .map(|column| part(column) as f64 / most as f64)
            .collect()
    };
    let bytes = |column: &Column| column.bytes;
    lanes.push(Lane {
        name: "bytes of log".to_owned(),
        colour: "#7a8594",
        total: thousands(sum(&bytes)),
        bars: scaled(&bytes),
    });
    for group in 0..TRACKS.len() {
        for &kind in Kind::ALL.iter().filter(|kind| track(**kind) == group) {
            let events = |column: &Column| column.events[kind.index()];
            let total = sum(&events);
            if total > 0 {
                lanes.push(Lane {
                    name: short(kind).to_lowercase().replace('_', "-"),
                    colour: COLOURS.get(group).copied().unwrap_or("#7a8594"),
                    total: thousands(total),
                    bars: scaled(&events),
                });
            }
        }
    }
    lanes
}

/// Where an instant is.
fn x(plot: &Plot, at: u64) -> f64 {
    LEFT + (RIGHT - LEFT) * at as f64 / plot.end.max(1) as f64
}

/// The horizontal extent of a column.
fn extent(plot: &Plot, place: usize) -> (f64, f64) {
    let begin = place as u64 * plot.width;
    let end = begin.saturating_add(plot.width).min(plot.end.max(1));
    let (from, to) = (x(plot, begin.min(end)), x(plot, end));
    // What happens at the very end has a column of no width.
    (from.min(RIGHT - 2.0), to.max(from.min(RIGHT - 2.0) + 1.5))
}

fn bars(plot: &Plot, lane: &Lane, top: f64, out: &mut dyn Write) -> io::Result<()> {
    let mut path = String::new();
    for (place, &bar) in lane.bars.iter().enumerate().filter(|(_, bar)| **bar > 0.0) {
        let (from, to) = extent(plot, place);
        // The rarest event shows.
        let height = (bar * LANE).clamp(1.5, LANE);
        let y = top + LANE - height;
        // Writing to a string cannot fail.
        let _ = write!(path, "M{from:.1} {y:.1}H{to:.1}v{height:.1}H{from:.1}z");
    }
    writeln!(out, "<path fill=\"{}\" d=\"{path}\"/>", lane.colour)
}

fn ticks(plot: &Plot, bottom: f64, out: &mut dyn Write) -> io::Result<()> {
    let step = step(plot.end);
    let label = |at: u64| match plot.timed {
        true if at > 0 => time(at as f64),
        _ => count(at as f64),
    };
    let mut at = 0u64;
    while at <= plot.end {
        let x = x(plot, at);
        writeln!(
            out,
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>",
            HEAD - 6.0,
            bottom
        )?;
        text(out, ("soft", "middle"), (x, bottom + 16.0), 11, &label(at))?;
        at = match at.checked_add(step) {
            Some(at) => at,
            None => break,
        };
    }
    let unit = match plot.timed {
        true => "virtual time",
        false => "instructions",
    };
    text(out, ("soft", "end"), (LEFT - 24.0, bottom + 16.0), 11, unit)
}

/// A round step that gives 4 to 10 ticks.
fn step(end: u64) -> u64 {
    let mut step = 1u64;
    loop {
        for factor in [1, 2, 5] {
            let found = step.saturating_mul(factor);
            if end / found <= 9 {
                return found;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// What is in a column, for whoever points at it.
fn hovers(plot: &Plot, bottom: f64, out: &mut dyn Write) -> io::Result<()> {
    for (place, column) in plot.columns.iter().enumerate() {
        let (from, to) = extent(plot, place);
        let begin = place as u64 * plot.width;
        let end = begin.saturating_add(plot.width).min(plot.end);
        let mut lines = match plot.timed {
            true => format!("{} to {}", time(begin as f64), time(end as f64)),
            false => format!("icount {} to {}", thousands(begin), thousands(end)),
        };
        for &kind in Kind::ALL {
            let events = column.events[kind.index()];
            if events > 0 {
                let _ = write!(
                    lines,
                    "\n{} {}",
                    thousands(events),
                    short(kind).to_lowercase()
                );
            }
        }
        writeln!(
            out,
            "<rect class=\"hover\" x=\"{from:.1}\" y=\"{HEAD}\" width=\"{:.1}\" height=\"{:.1}\"><title>{lines}</title></rect>",
            to - from,
            bottom - HEAD
        )?;
    }
    Ok(())
}

fn text(
    out: &mut dyn Write,
    (class, anchor): (&str, &str),
    (x, y): (f64, f64),
    size: u32,
    text: &str,
) -> io::Result<()> {
    let text = escaped(text);
    writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\">{text}</text>"
    )
}

/// A duration with the unit that suits it.
fn time(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    scaled(ns, &units, "ns")
}

/// A count with the unit that suits it.
fn count(number: f64) -> String {
    scaled(number, &[(1e9, "G"), (1e6, "M"), (1e3, "k")], "")
}

fn scaled(number: f64, units: &[(f64, &str)], one: &str) -> String {
    let fit = units.iter().find(|(unit, _)| number >= *unit);
    let (unit, name) = fit.copied().unwrap_or((1.0, one));
    let digits = format!("{:.2}", number / unit);
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits} {name}").trim_end().to_owned()
}

/// As it may stand in XML; control characters, which it cannot hold, are replaced.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
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

    #[test]
    fn words() {
        assert_eq!(time(1_500_000_000.0), "1.5 s");
        assert_eq!(
            (time(0.0), time(20_000.0)),
            ("0 ns".to_owned(), "20 µs".to_owned())
        );
        assert_eq!(count(2e6), "2 M");
        assert_eq!(
            escaped("<a & \"b\">\n"),
            "&lt;a &amp; &quot;b&quot;&gt;\u{fffd}"
        );
    }
}
