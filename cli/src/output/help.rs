//! Fits long help texts to the width of the terminal: paragraphs are filled, and tables keep their
//! columns.
//!
//! clap breaks each line of a text by itself, and mangen each word. So the texts are parsed first.
//! Consecutive lines that are not indented are a paragraph. An indented line is an entry of a
//! table; its last column continues in lines that begin at the same column.

use clap::Command;
use clap::builder::StyledStr;

/// The widest help, in characters.
const WIDEST: u16 = 100;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A blank line.
    Blank,
    /// A paragraph, to be filled.
    Paragraph(String),
    /// A line of a table.
    Entry {
        /// The text before the last column, with the space up to it.
        head: String,
        /// The last column.
        text: String,
    },
}

/// Parses a text.
pub(crate) fn parts(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for line in text.lines() {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        match parts.last_mut() {
            _ if words.is_empty() => parts.push(Part::Blank),
            Some(Part::Paragraph(before)) if indent == 0 => {
                before.push(' ');
                before.push_str(words);
            }
            _ if indent == 0 => parts.push(Part::Paragraph(words.to_owned())),
            Some(Part::Entry { head, text }) if indent == head.len() && !head.trim().is_empty() => {
                text.push(' ');
                text.push_str(words);
            }
            _ => {
                let name = words.find("  ").unwrap_or(0);
                let rest = words.get(name..).unwrap_or_default().trim_start();
                let (head, text) = line.split_at(line.len() - rest.len());
                let (head, text) = (head.to_owned(), text.to_owned());
                parts.push(Part::Entry { head, text });
            }
        }
    }
    parts
}

/// Fits a text into lines of `width` characters, as far as its words and columns allow.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let mut lines = Vec::new();
    for part in parts(text) {
        match part {
            Part::Blank => lines.push(String::new()),
            Part::Paragraph(text) => fill(&mut lines, "", &text, width),
            Part::Entry { head, text } => fill(&mut lines, &head, &text, width),
        }
    }
    lines.join("\n")
}

/// Fills lines with words: the first after `head`, the others below it.
fn fill(lines: &mut Vec<String>, head: &str, text: &str, width: usize) {
    let mut line = head.to_owned();
    let mut empty = true;
    // Spaces between words are kept, because they may belong to an example.
    for word in text.split_inclusive(' ') {
        if !empty && line.len() + word.trim_end().len() > width {
            lines.push(line.trim_end().to_owned());
            line = " ".repeat(head.len());
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line.trim_end().to_owned());
}

/// The command, with its texts fitted to the terminal's width, or to COLUMNS.
pub(crate) fn fitted(command: Command) -> Command {
    let terminal = terminal_size::terminal_size().map(|(width, _)| width.0);
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    let width = terminal.or_else(columns).unwrap_or(WIDEST).min(WIDEST);
    to_width(command.term_width(width.into()), width.into())
}

fn to_width(command: Command, width: usize) -> Command {
    let text = |text: Option<&StyledStr>| text.map(|text| fit(&text.to_string(), width));
    let (short, long) = (
        text(command.get_after_help()),
        text(command.get_after_long_help()),
    );
    let command = match short {
        Some(text) => command.after_help(text),
        None => command,
    };
    let command = match long {
        Some(text) => command.after_long_help(text),
        None => command,
    };
    command.mut_subcommands(|command| to_width(command, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
A sentence that is written
in two lines.

name, a table:
  first      what it is, and
             more of it
    inner    deeper
  a line without columns
and words again";

    #[test]
    fn lines_belong_together() {
        let entry = |head: &str, text: &str| Part::Entry {
            head: head.to_owned(),
            text: text.to_owned(),
        };
        let paragraph = |text: &str| Part::Paragraph(text.to_owned());
        assert_eq!(
            parts(TEXT),
            [
                paragraph("A sentence that is written in two lines."),
                Part::Blank,
                paragraph("name, a table:"),
                entry("  first      ", "what it is, and more of it"),
                entry("    inner    ", "deeper"),
                entry("  ", "a line without columns"),
                paragraph("and words again"),
            ]
        );
    }

    #[test]
    fn narrow_and_wide() {
        let narrow = "\
A sentence that is written
in two lines.

name, a table:
  first      what it is,
             and more of it
    inner    deeper
  a line without columns
and words again";
        assert_eq!(fit(TEXT, 27), narrow);
        let wide = fit(TEXT, 100);
        assert!(wide.contains("  first      what it is, and more of it\n"));
        assert_eq!(fit(&wide, 27), narrow);
        // A word that is too long is not broken.
        assert_eq!(
            fit("  https://example.org/   x", 3),
            "  https://example.org/   x"
        );
    }
}
