//! Numbers and texts for a plot.

use std::borrow::Cow;

/// A duration with a suitable unit.
pub(super) fn time(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    scaled(ns, &units, "ns")
}

/// A count with a suitable unit.
pub(super) fn count(number: f64) -> String {
    scaled(number, &[(1e9, "G"), (1e6, "M"), (1e3, "k")], "")
}

/// A count of which three digits are enough.
pub(super) fn roughly(number: f64) -> String {
    let last = 10f64.powf(number.max(1.0).log10().floor() - 2.0);
    count((number / last).round() * last)
}

fn scaled(number: f64, units: &[(f64, &str)], one: &str) -> String {
    let fit = units.iter().find(|(unit, _)| number >= *unit);
    let (unit, name) = fit.copied().unwrap_or((1.0, one));
    let digits = format!("{:.2}", number / unit);
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits} {name}").trim_end().to_owned()
}

/// The text as XML. Control characters, which XML cannot hold, are replaced.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push(c),
            c if c.is_control() || ['\u{fffe}', '\u{ffff}'].contains(&c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The start of a text that is too long for its line.
pub(super) fn start(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// The end of a text that is too long for its line. The end of a path tells most.
pub(super) fn end(text: &str, most: usize) -> Cow<'_, str> {
    let chars = text.chars().count();
    match chars <= most {
        true => Cow::Borrowed(text),
        false => ['…']
            .into_iter()
            .chain(text.chars().skip(chars + 1 - most))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(time(1_500_000_000.0), "1.5 s");
        assert_eq!(
            (time(0.0), time(20_000.0)),
            ("0 ns".to_owned(), "20 µs".to_owned())
        );
        assert_eq!(count(2e6), "2 M");
        let rough = [857_263_111.0, 1_236_000_000.0, 20_871.0, 0.0].map(roughly);
        assert_eq!(rough, ["857 M", "1.24 G", "20.9 k", "0"]);
        assert_eq!(
            escaped("<a & \"b\">\t"),
            "&lt;a &amp; &quot;b&quot;&gt;\u{fffd}"
        );
        assert_eq!(
            (start("héllo", 5), start("héllo", 4)),
            ("héllo".into(), "hél…".into())
        );
        assert_eq!(
            (end("héllo", 5), end("héllo", 4)),
            ("héllo".into(), "…llo".into())
        );
    }
}
