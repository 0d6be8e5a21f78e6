//! The tracks of pictures: groups of kinds that belong together, from top to bottom.

use replay_format::Kind;

/// A track's name, and the prefixes of the names of its kinds.
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

/// The number of the track for idle time.
pub(crate) const IDLE: usize = 1;

/// The number of a kind's track. A kind that matches none is in the last track.
pub(crate) fn track(kind: Kind) -> usize {
    let begins = |begin: &&str| kind.name().starts_with(begin);
    let found = TRACKS
        .iter()
        .position(|(_, kinds)| kinds.iter().any(begins));
    found.unwrap_or(TRACKS.len() - 1)
}

/// The name of a kind without the prefix that all kinds have.
pub(crate) fn short(kind: Kind) -> &'static str {
    let name = kind.name();
    let prefixes = ["REPLAY_ASYNC_EVENT_", "EVENT_"];
    let short = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
    short.unwrap_or(name)
}
