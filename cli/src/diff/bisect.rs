//! Prints the result of a bisection as text.

use std::io::{self, Write};

use rr::analysis::bisect::{Bisection, Difference, Ending, FirstDifference};
use serde_json::Value;

use crate::diff::paint::{BOLD, CYAN, GREEN, Paint, RED};
use crate::events::text::Arguments;
use crate::output::outcome::{self, thousands};

/// The largest number of values of a kind that are printed.
const SHOWN: usize = 16;
/// The largest number of characters of a value that are printed.
const WIDTH: usize = 40;

/// Prints the result.
pub(crate) fn print(
    bisection: &Bisection<'_>,
    paint: Paint,
    out: &mut dyn Write,
) -> io::Result<()> {
    match (&bisection.difference, bisection.same_at) {
        (Some(at), _) => difference(at, "the states part", paint, out)?,
        (None, Some(icount)) => {
            let (compared, icount) = (thousands(bisection.compared), thousands(icount.get()));
            match bisection.closely {
                true => writeln!(
                    out,
                    "the states are the same after every instruction, up to icount {icount}"
                )?,
                false => writeln!(
                    out,
                    "the states are the same at all {compared} places compared, up to icount \
                     {icount}; --every-instruction looks between them, too"
                )?,
            }
        }
        (None, None) => writeln!(out, "the states differ from the start")?,
    }
    if let Some(at) = &bisection.guest_difference {
        writeln!(out)?;
        difference(at, "the guest first computes with it", paint, out)?;
    }
    writeln!(
        out,
        "\n{} places compared, {} instructions replayed, {} restarts",
        thousands(bisection.compared),
        thousands(bisection.replayed),
        bisection.restarts
    )
}

fn difference(
    at: &FirstDifference<'_>,
    what: &str,
    paint: Paint,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut head = format!(
        "{what} at icount {}: hart {}, pc {:#x}",
        thousands(at.icount.get()),
        at.hart,
        at.pc
    );
    for name in [&at.symbol, &at.source].into_iter().flatten() {
        head += &format!(", {name}");
    }
    paint.line(BOLD, &head, out)?;
    for line in &at.listing {
        let sign = if line.marked { '>' } else { ' ' };
        let symbol = line.symbol.as_deref().unwrap_or_default();
        let text = format!("{sign} {:>12x}  {:<32}{symbol}", line.address, line.text);
        let colour = if line.marked { CYAN } else { "" };
        paint.line(colour, text.trim_end(), out)?;
    }
    let sides = [("first", '-', RED), ("second", '+', GREEN)];
    for (side, (name, sign, colour)) in sides.into_iter().enumerate() {
        if let Some(ending) = &at.endings[side] {
            paint.line(colour, &format!("{sign} the {name} {}", ended(ending)), out)?;
        }
        if at.interrupted[side] && !at.interrupted[1 - side] {
            let text = format!("{sign} the {name} takes an interrupt first");
            paint.line(colour, &text, out)?;
        }
    }
    writeln!(out, "last input")?;
    for (input, (_, sign, colour)) in at.inputs.iter().zip(sides) {
        let text = match input {
            Some(record) => format!(
                "{sign} icount {}  event#{}  {}  {}",
                thousands(record.icount),
                record.index,
                record.event.kind().name(),
                Arguments(&record.event)
            ),
            None => format!("{sign} none"),
        };
        paint.line(colour, text.trim_end(), out)?;
    }
    values("registers", &at.registers, paint, out)?;
    values("devices", &at.devices, paint, out)?;
    if !at.memory.is_empty() {
        writeln!(out, "memory")?;
    }
    for range in &at.memory {
        let bytes = match range.len {
            1 => "1 byte".to_owned(),
            len => format!("{} bytes", thousands(len)),
        };
        writeln!(out, "  {:#x}, {bytes}", range.address)?;
        paint.line(RED, &format!("-   {}", range.first), out)?;
        paint.line(GREEN, &format!("+   {}", range.second), out)?;
    }
    if at.memory_more > 0 {
        writeln!(out, "  ... and {} ranges more", thousands(at.memory_more))?;
    }
    Ok(())
}

fn values(
    title: &str,
    differences: &[Difference],
    paint: Paint,
    out: &mut dyn Write,
) -> io::Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    for difference in differences.iter().take(SHOWN) {
        let hart = difference.hart.map(|hart| format!("hart {hart} "));
        writeln!(out, "  {}{}", hart.unwrap_or_default(), difference.name)?;
        let hexadecimal = difference.hart.is_some();
        paint.line(
            RED,
            &format!("-   {}", value(&difference.first, hexadecimal)),
            out,
        )?;
        paint.line(
            GREEN,
            &format!("+   {}", value(&difference.second, hexadecimal)),
            out,
        )?;
    }
    match differences.len().checked_sub(SHOWN) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(out, "  ... and {more} more"),
    }
}

fn value(value: &Value, hexadecimal: bool) -> String {
    let text = |items: &[Value]| {
        let bytes = items.iter().map(|item| u8::try_from(item.as_u64()?).ok());
        let bytes = bytes.collect::<Option<Vec<u8>>>()?;
        let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
        (!bytes.is_empty() && bytes.iter().all(printable)).then_some(bytes)
    };
    let mut shown = match value {
        Value::Number(number) => match number.as_u64().filter(|_| hexadecimal) {
            Some(number) => format!("{number:#x}"),
            None => number.to_string(),
        },
        Value::Array(items) => match text(items) {
            Some(bytes) => format!("\"{}\"", bytes.escape_ascii()),
            None => value.to_string(),
        },
        other => other.to_string(),
    };
    if let Some((cut, _)) = shown.char_indices().nth(WIDTH) {
        shown.truncate(cut);
        shown += "...";
    }
    shown
}

/// How a replay ended, in words.
pub(crate) fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Finished(finish) => format!("goes no further: {}", outcome::ending(*finish)),
        Ending::Diverged(divergence) => format!("leaves its recording: {divergence}"),
    }
}
