//! Marks on a plot: snapshots, and the place where it ends before the recording does.

use std::io::{self, Write};

use super::gather::{Ending, Snapshots};
use super::svg::RIGHT;
use super::words::escaped;

/// Height of the row of snapshots.
pub(super) const HEIGHT: f64 = 16.0;
/// Marks that are closer than this are drawn as one.
const NEAR: f64 = 7.0;

/// The number of snapshots, as text.
pub(super) fn total(snapshots: &Snapshots) -> String {
    match snapshots.damaged.len() {
        0 => snapshots.marks.len().to_string(),
        damaged => format!("{} + {damaged} damaged", snapshots.marks.len()),
    }
}

/// Draws marks at these places, from left to right, in the row that begins at `top`.
pub(super) fn snapshots<'s>(
    places: impl Iterator<Item = (f64, &'s str)>,
    top: f64,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut marks: Vec<(f64, String)> = Vec::new();
    for (x, what) in places {
        match marks.last_mut().filter(|(last, _)| x - *last < NEAR) {
            Some((_, all)) => {
                all.push('\n');
                all.push_str(what);
            }
            None => marks.push((x, what.to_owned())),
        }
    }
    for (x, what) in &marks {
        snapshot(out, (*x, top + HEIGHT / 2.0), what)?;
    }
    Ok(())
}

/// One mark.
pub(super) fn snapshot(out: &mut dyn Write, (x, y): (f64, f64), what: &str) -> io::Result<()> {
    let what = escaped(what);
    writeln!(
        out,
        "<path class=\"snapshot\" d=\"M{x:.1} {:.1}l6 6l-6 6l-6 -6z\"><title>{what}</title></path>",
        y - 6.0
    )
}

/// A line through all rows, with a flag.
pub(super) fn ending(
    ending: &Ending,
    x: f64,
    (top, bottom): (f64, f64),
    out: &mut dyn Write,
) -> io::Result<()> {
    let x = x.min(RIGHT);
    let what = escaped(&format!("{}\n{}", ending.short, ending.whole));
    writeln!(out, "<g><title>{what}</title>")?;
    writeln!(
        out,
        "<line class=\"end\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>"
    )?;
    flag(out, (x, top - 10.0))?;
    writeln!(out, "</g>")
}

/// The flag alone; its pole is to the right.
pub(super) fn flag(out: &mut dyn Write, (x, y): (f64, f64)) -> io::Result<()> {
    writeln!(
        out,
        "<path class=\"end\" d=\"M{x:.1} {y:.1}v10m0 -10l-8 3.5l8 3.5z\"/>"
    )
}
