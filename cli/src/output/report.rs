//! Errors for people: the chain of causes in one line.

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

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    #[test]
    fn always_one_line() {
        let error = anyhow!("no such\nfile").context("a\tb.rr");
        assert_eq!(super::one_line(&error), "a\\tb.rr: no such\\nfile");
    }
}
