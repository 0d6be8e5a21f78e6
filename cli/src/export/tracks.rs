//! What belongs together, for pictures: the groups of kinds, from top to bottom.

use replay_format::Kind;

/// A group, and how the names of its kinds begin.
pub(crate) const TRACKS: &[(&str, &[&str])] = &[
    ("traps", &["EVENT_INTERRUPT", "EVENT_EXCEPTION"]),
    ("idle", &[]),
    ("serial", &["EVENT_CHAR", "REPLAY_ASYNC_EVENT_CHAR"]),
    ("disk", &["REPLAY_ASYNC_EVENT_BLOCK"]),
    ("network", &["REPLAY_ASYNC_EVENT_NET"]),
    ("clocks", &["EVENT_CLOCK"]),
    ("input", &["REPLAY_ASYNC_EVENT_INPUT"]),
    ("audio", &["EVENT_AUDIO"]),
    ("checkpoints", &["EVENT_CHECKPOINT"]),
    ("machine", &[]),
];

/// The place of the track for idle time.
pub(crate) const IDLE: usize = 1;

/// The place of the track that a kind is in; of what is in no other, the last.
pub(crate) fn track(kind: Kind) -> usize {
    let begins = |begin: &&str| kind.name().starts_with(begin);
    let found = TRACKS
        .iter()
        .position(|(_, kinds)| kinds.iter().any(begins));
    found.unwrap_or(TRACKS.len() - 1)
}

/// The name without what the names of all kinds begin with.
pub(crate) fn short(kind: Kind) -> &'static str {
    let name = kind.name();
    let prefixes = ["REPLAY_ASYNC_EVENT_", "EVENT_"];
    let short = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
    short.unwrap_or(name)
}
