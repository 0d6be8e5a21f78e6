//! The argument KIND, which selects kinds of events.

use std::cmp::Reverse;
use std::str::FromStr;

use replay_format::{Kind, Table};

/// A set of kinds, by [`Kind::index`].
pub(crate) type Kinds = [bool; Kind::COUNT];

/// The text of a KIND: a name, a short name, a group of names, or a pattern with `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

/// The error for a text that selects no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no event is called `{text}`; {}", hint(.near))]
pub(crate) struct UnknownKind {
    text: String,
    near: Vec<&'static str>,
}

fn hint(near: &[&str]) -> String {
    match near {
        [] => "`rr dump --help` says how kinds are written".to_owned(),
        near => format!("close to it: {}", near.join(", ")),
    }
}

impl FromStr for Pattern {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Pattern, UnknownKind> {
        let pattern = Pattern(text.to_ascii_uppercase().replace('-', "_"));
        if Kind::ALL
            .iter()
            .any(|&kind| pattern.matches(kind).is_some())
        {
            return Ok(pattern);
        }
        Err(UnknownKind {
            text: text.to_owned(),
            near: near(&pattern.0),
        })
    }
}

/// How well a pattern matches a name; the best match counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The pattern is the beginning of the name, up to an underscore.
    Group,
    /// The pattern is the name, or matches it with its `*`.
    Whole,
}

impl Pattern {
    /// Selects the kinds that match. If the log's version has none of them, kinds of other versions
    /// are selected.
    pub(crate) fn select(&self, table: &Table, kinds: &mut Kinds) {
        let known = |kind: &Kind| table.has(*kind);
        let all = |_: &Kind| true;
        let fit = self.best(known).map(|fit| (fit, true));
        let Some((fit, in_table)) = fit.or_else(|| self.best(all).map(|fit| (fit, false))) else {
            return;
        };
        for &kind in Kind::ALL {
            let meant = self.matches(kind) == Some(fit) && (!in_table || table.has(kind));
            if let (true, Some(selected)) = (meant, kinds.get_mut(kind.index())) {
                *selected = true;
            }
        }
    }

    fn best(&self, among: impl Fn(&Kind) -> bool) -> Option<Fit> {
        let kinds = Kind::ALL.iter().filter(|kind| among(kind));
        kinds.filter_map(|&kind| self.matches(kind)).max()
    }

    fn matches(&self, kind: Kind) -> Option<Fit> {
        names(kind)
            .into_iter()
            .filter_map(|name| self.fits(name))
            .max()
    }

    fn fits(&self, name: &str) -> Option<Fit> {
        if glob(&self.0, name) {
            return Some(Fit::Whole);
        }
        let rest = name.strip_prefix(self.0.trim_end_matches('_'))?;
        (rest.starts_with('_') && !self.0.is_empty()).then_some(Fit::Group)
    }
}

/// The names of a kind: the full name, and the short one.
fn names(kind: Kind) -> [&'static str; 2] {
    let name = kind.name();
    let short = ["REPLAY_ASYNC_EVENT_", "EVENT_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    [name, short.unwrap_or(name)]
}

/// True if the pattern matches the name; `*` stands for any text.
fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    let rest = parts.try_fold(rest, |rest, part| {
        rest.split_once(part).map(|(_, rest)| rest)
    });
    rest.is_some_and(|rest| rest.ends_with(last))
}

/// The names that are most similar to the text.
fn near(text: &str) -> Vec<&'static str> {
    let likeness = |kind: Kind| {
        let names = names(kind).into_iter();
        let best = names
            .map(|name| strsim::jaro_winkler(text, name))
            .fold(0.0, f64::max);
        (best * 1000.0) as u32
    };
    let mut near: Vec<(u32, &str)> = Kind::ALL
        .iter()
        .map(|&kind| (likeness(kind), kind.name()))
        .filter(|(likeness, _)| *likeness > 800)
        .collect();
    near.sort_by_key(|(likeness, _)| Reverse(*likeness));
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(pattern: &str, table: &str) -> Vec<&'static str> {
        let mut kinds = [false; Kind::COUNT];
        let pattern: Pattern = pattern.parse().unwrap();
        pattern.select(Table::from_key(table).unwrap(), &mut kinds);
        let kinds = Kind::ALL.iter().filter(|kind| kinds[kind.index()]);
        kinds.map(|kind| kind.name()).collect()
    }

    #[test]
    fn as_people_write_them() {
        for text in [
            "EVENT_CHAR_WRITE",
            "event_char_write",
            "char_write",
            "char-write",
        ] {
            assert_eq!(selected(text, "7"), ["EVENT_CHAR_WRITE"], "{text}");
        }
        // A whole name that other names begin with is not a group: EVENT_CHAR_READ_ALL,
        // REPLAY_ASYNC_EVENT_INPUT_SYNC.
        assert_eq!(selected("char_read", "7"), ["REPLAY_ASYNC_EVENT_CHAR_READ"]);
        assert_eq!(selected("input", "7"), ["REPLAY_ASYNC_EVENT_INPUT"]);
        assert_eq!(selected("input*", "7").len(), 2);
        assert_eq!(selected("EVENT_CHECKPOINT*", "7").len(), 9);
        assert_eq!(selected("checkpoint", "7").len(), 9);
        assert_eq!(selected("REPLAY_ASYNC_EVENT", "7").len(), 6);
        assert_eq!(selected("REPLAY_ASYNC_EVENT_", "12").len(), 7);
        assert_eq!(selected("*virtual_rt", "7").len(), 2);
    }

    #[test]
    fn the_version_decides_what_shutdown_is() {
        assert_eq!(selected("shutdown", "5"), ["EVENT_SHUTDOWN"]);
        assert_eq!(selected("shutdown", "7").len(), 9);
        assert_eq!(selected("shutdown", "12").len(), 12);
        assert_eq!(
            selected("random", "7"),
            ["EVENT_RANDOM"],
            "known, if not in this version"
        );
    }

    #[test]
    fn unknown_ones_name_those_near() {
        let fail = |text: &str| text.parse::<Pattern>().unwrap_err().to_string();
        let said = fail("CHAR_WRIT");
        assert!(
            said.starts_with("no event is called `CHAR_WRIT`; close to it: EVENT_CHAR_WRITE"),
            "{said}"
        );
        let said = fail("xyzzy");
        assert!(said.ends_with("says how kinds are written"), "{said}");
        assert!(!fail("").is_empty());
        assert!(!fail("_").is_empty());
    }
}
