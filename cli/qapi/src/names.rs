//! What a name may look like.

use crate::error::Problem;

/// As the name stands in generated code, where only letters, digits and `_` are left: two members
/// whose names are the same here collide.
pub(crate) fn folded(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

/// The part of a name that style rules apply to: without `__RFQDN_`, the prefix of downstream
/// extensions, and without `x-`.
pub(crate) fn stem<'n>(name: &'n str, source: &str) -> Result<&'n str, Problem> {
    let local = match name
        .strip_prefix("__")
        .and_then(|rest| rest.split_once('_'))
    {
        Some((domain, rest)) if !domain.is_empty() && domain.chars().all(in_domain) => rest,
        _ => name,
    };
    let short = match local.as_bytes() {
        [b'x' | b'X', b'-', ..] => &local[2..],
        _ => local,
    };
    [short, local]
        .into_iter()
        .find(|stem| is_plain(stem))
        // `q_` is the generator's own.
        .filter(|_| !folded(name).starts_with("q_"))
        .ok_or_else(|| Problem::InvalidName(source.to_owned()))
}

fn in_domain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '.'
}

fn is_plain(stem: &str) -> bool {
    stem.starts_with(|c: char| c.is_ascii_alphabetic())
        && stem
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// What a name may have although style is against it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowed {
    pub(crate) upper: bool,
    pub(crate) underscore: bool,
}

/// Events.
pub(crate) fn upper(name: &str, source: &str) -> Result<(), Problem> {
    match stem(name, source)?.contains(|c: char| c.is_ascii_lowercase() || c == '-') {
        true => Err(Problem::NotUpper(source.to_owned())),
        false => Ok(()),
    }
}

/// Commands, members, features.
pub(crate) fn lower(name: &str, source: &str, allowed: Allowed) -> Result<(), Problem> {
    let stem = stem(name, source)?;
    let upper = !allowed.upper && stem.contains(|c: char| c.is_ascii_uppercase());
    match upper || !allowed.underscore && stem.contains('_') {
        true => Err(Problem::NotLower(source.to_owned())),
        false => Ok(()),
    }
}

/// Types: a capital first, a small letter further on, no separators.
pub(crate) fn camel(name: &str, source: &str) -> Result<(), Problem> {
    let stem = stem(name, source)?;
    let good = stem.starts_with(|c: char| c.is_ascii_uppercase())
        && stem.chars().all(|c| c.is_ascii_alphanumeric())
        && stem.contains(|c: char| c.is_ascii_lowercase());
    match good {
        true => Ok(()),
        false => Err(Problem::NotCamel(source.to_owned())),
    }
}
