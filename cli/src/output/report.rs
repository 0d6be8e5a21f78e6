//! Errors for people: the chain of causes in one line.

use serde::Serialize;

use super::words;

/// The text of an error and its causes. Control characters, which a file name can hold, are
/// escaped.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    escaped(&words::of(error.as_ref()))
}

/// The text with its control characters escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// A value as JSON in several lines. JSON escapes only the control characters of ASCII; a terminal
/// also obeys those behind it.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Such a character stands only in a string.
            '\x7f'..='\u{9f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    #[test]
    fn json_without_control_characters() {
        let text = "\u{9b}31m\u{7f}\u{a0}\x1b";
        let json = super::json(&[text]).unwrap();
        assert_eq!(json, "[\n  \"\\u009b31m\\u007f\u{a0}\\u001b\"\n]");
        let back: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, [text]);
    }

    #[test]
    fn always_one_line() {
        let error = anyhow!("no such\nfile").context("a\tb.rr");
        assert_eq!(super::one_line(&error), "a\\tb.rr: no such\\nfile");
    }
}
