//! Names of the schema as names of Rust.

use std::collections::BTreeMap;

use crate::names::folded;

use super::Error;

/// Words that mean something in Rust, unless `r#` stands before them.
const KEYWORDS: [&str; 48] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// Words that always do.
const NEVER: [&str; 4] = ["self", "Self", "super", "crate"];

/// Types that generated code means by these names.
const TYPES: [&str; 15] = [
    "Box",
    "CommandError",
    "Commands",
    "Deserialize",
    "Event",
    "Map",
    "OobCommands",
    "Option",
    "Result",
    "Self",
    "Serialize",
    "String",
    "Sync",
    "Value",
    "Vec",
];

/// Of a type, with a suffix.
pub(super) fn type_name(name: &str, suffix: &str) -> String {
    let rust = format!("{}{suffix}", camel(name));
    match TYPES.contains(&rust.as_str()) {
        true => format!("{rust}Type"),
        false => rust,
    }
}

/// Of a value or a branch: words get capitals and lose what is between them.
pub(super) fn camel(name: &str) -> String {
    let folded = folded(name);
    let words = folded.split('_').filter(|word| !word.is_empty());
    let mut rust = String::new();
    for word in words {
        // Digits on both sides would run together: `1-2` is not `12`.
        if rust.ends_with(|c: char| c.is_ascii_digit())
            && word.starts_with(|c: char| c.is_ascii_digit())
        {
            rust.push('_');
        }
        // EVENT_NAME becomes EventName; a type's own capitals stay.
        let shouts = name.contains('_') && !word.contains(|c: char| c.is_ascii_lowercase());
        let (first, rest) = word.split_at(1);
        rust.push_str(&first.to_ascii_uppercase());
        match shouts {
            true => rust.push_str(&rest.to_ascii_lowercase()),
            false => rust.push_str(rest),
        }
    }
    match rust.as_str() {
        "Self" => "Self_".to_owned(),
        _ if rust.starts_with(|c: char| c.is_ascii_digit()) => format!("_{rust}"),
        _ => rust,
    }
}

/// Of an event: all capitals, in one word too.
pub(super) fn event(name: &str) -> String {
    camel(&name.to_ascii_lowercase())
}

/// Of a member, an argument, a command.
pub(super) fn snake(name: &str) -> String {
    let rust = folded(name).to_ascii_lowercase();
    if NEVER.contains(&rust.as_str()) {
        return format!("{rust}_");
    }
    match KEYWORDS.contains(&rust.as_str()) {
        true => format!("r#{rust}"),
        false => rust,
    }
}

/// What each name is in Rust; no two may be the same.
pub(super) fn distinct<'n>(
    names: impl Iterator<Item = &'n str>,
    rust: impl Fn(&str) -> String,
) -> Result<Vec<(&'n str, String)>, Error> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let mut all = Vec::new();
    for name in names {
        let rust = rust(name);
        if let Some(first) = taken.insert(rust.clone(), name) {
            let (first, second) = (first.to_owned(), name.to_owned());
            return Err(Error::Clash {
                first,
                second,
                rust,
            });
        }
        all.push((name, rust));
    }
    Ok(all)
}
