//! Prints events as tables, a page at a time, so that the memory does not grow.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, Table, Width, presets};
use replay_format::{Position, Record};

use crate::events::text::Arguments;

/// Rows of a page.
const PAGE: usize = 1000;
/// The columns before this one hold numbers.
const NUMBERS: usize = 3;

/// Writes events as tables.
#[derive(Debug)]
pub(crate) struct Tables<W> {
    out: W,
    page: Table,
    /// The least widths of columns, so that all pages look alike.
    widths: [u16; NUMBERS + 1],
    pages: u64,
}

impl<W: Write> Tables<W> {
    /// Writes to `out`. The columns are wide enough for numbers up to `end`, and for names of up to
    /// `name` characters.
    pub(crate) fn new(out: W, end: Position, name: usize) -> Tables<W> {
        let width = |text: String| u16::try_from(text.len()).unwrap_or(u16::MAX);
        let widths = [
            width(end.index.saturating_sub(1).to_string()),
            width(format!("{:#x}", end.offset)),
            width(end.icount.to_string()),
            u16::try_from(name).unwrap_or(u16::MAX),
        ];
        Tables {
            out,
            page: page(&widths),
            widths,
            pages: 0,
        }
    }

    /// Adds one event.
    pub(crate) fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.page.add_row([
            record.index.to_string(),
            format!("{:#x}", record.offset),
            record.icount.to_string(),
            record.event.kind().to_string(),
            Arguments(&record.event).to_string(),
        ]);
        if self.page.row_count() >= PAGE {
            self.turn()?;
        }
        Ok(())
    }

    /// Writes the last page; only the header if there was no event.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if self.pages == 0 || self.page.row_count() > 0 {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.page, page(&self.widths));
        self.pages += 1;
        for line in full.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn page(widths: &[u16; NUMBERS + 1]) -> Table {
    let mut page = Table::new();
    page.load_style(presets::UTF8_FULL_CONDENSED);
    page.set_header(["index", "offset", "icount", "event", "arguments"]);
    for (i, (column, width)) in page.column_iter_mut().zip(widths).enumerate() {
        if i < NUMBERS {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // The width includes the padding of one on each side.
        let least = Width::Fixed(width.saturating_add(2));
        column.set_constraint(ColumnConstraint::LowerBoundary(least));
    }
    page
}
