//! When a part of the schema is there.

use std::collections::BTreeSet;
use std::fmt;

/// A condition over symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The symbol is defined.
    Symbol(String),
    /// All of them; at least one.
    All(Vec<Condition>),
    /// Any of them; at least one.
    Any(Vec<Condition>),
    /// Not this one.
    Not(Box<Condition>),
}

impl Condition {
    /// Whether it holds where these symbols are defined.
    #[must_use]
    pub fn holds(&self, symbols: &BTreeSet<String>) -> bool {
        match self {
            Condition::Symbol(symbol) => symbols.contains(symbol),
            Condition::All(all) => all.iter().all(|condition| condition.holds(symbols)),
            Condition::Any(any) => any.iter().any(|condition| condition.holds(symbols)),
            Condition::Not(not) => !not.holds(symbols),
        }
    }
}

/// Whether something with this condition is there.
#[must_use]
pub fn holds(condition: Option<&Condition>, symbols: &BTreeSet<String>) -> bool {
    condition.is_none_or(|condition| condition.holds(symbols))
}

/// As the schema writes it; a symbol that stands alone has no quotes.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nested = |condition: &Condition| match condition {
            Condition::Symbol(symbol) => format!("'{symbol}'"),
            other => other.to_string(),
        };
        let list = |all: &[Condition]| all.iter().map(nested).collect::<Vec<_>>().join(", ");
        match self {
            Condition::Symbol(symbol) => f.write_str(symbol),
            Condition::All(all) => write!(f, "{{'all': [{}]}}", list(all)),
            Condition::Any(any) => write!(f, "{{'any': [{}]}}", list(any)),
            Condition::Not(not) => write!(f, "{{'not': {}}}", nested(not)),
        }
    }
}
