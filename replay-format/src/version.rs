//! Versions, and the tables of ids. A version can have several tables, because QEMU changed the
//! number of shutdown causes without a new version, and with it all later ids.

use crate::event::{Group, Kind};
use crate::wire::Field;

/// A version of the format. Its id in the header is `0x00e02000` plus the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Version {
    /// QEMU 2.9 and before.
    V5 = 5,
    /// Between QEMU 2.9 and 2.10: audio.
    V6 = 6,
    /// QEMU 2.10 to 4.1, in three tables: shutdown causes. The version that rr writes.
    V7 = 7,
    /// QEMU 4.2: 64-bit audio counts, one-shot bottom halves.
    V8 = 8,
    /// QEMU 5.0: random numbers.
    V9 = 9,
    /// QEMU 5.1 to 7.0: the bytes of version 9.
    V10 = 10,
    /// June 2022, never released: asynchronous events without a checkpoint.
    V11 = 11,
    /// QEMU 7.1 to 10.x, in two tables: each kind of asynchronous event has an id.
    V12 = 12,
    /// After QEMU 10.x: audio input without a write position.
    V13 = 13,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: &'static [Version] = &[
        Version::V5,
        Version::V6,
        Version::V7,
        Version::V8,
        Version::V9,
        Version::V10,
        Version::V11,
        Version::V12,
        Version::V13,
    ];

    /// The version id in the header.
    pub const fn id(self) -> u32 {
        ID_BASE | self as u32
    }

    /// The version with this version id.
    pub fn from_id(id: u32) -> Option<Version> {
        Version::ALL
            .iter()
            .copied()
            .find(|version| version.id() == id)
    }

    /// The number, 5 to 13.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// The bits that all version ids have in common.
pub(crate) const ID_BASE: u32 = 0x00e0_2000;

/// The properties of a table; all ids and sizes follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) version: Version,
    /// The number of shutdown causes, without the reserved last one; 0: one event without a cause.
    pub(crate) causes: u8,
    pub(crate) lead: Lead,
    pub(crate) bh_oneshot: bool,
    /// Bytes of a number of audio samples; 0: there are no audio events.
    pub(crate) audio_count: u8,
    pub(crate) write_position: bool,
    pub(crate) random: bool,
}

/// The bytes between the event id and the arguments of an asynchronous event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// Checkpoint and kind.
    CheckpointAndKind,
    /// The kind alone.
    Kind,
    /// Nothing: the event id tells the kind.
    Nothing,
}

/// The meaning of the ids, in one range of QEMU's releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    key: &'static str,
    name: &'static str,
    releases: &'static str,
    pub(crate) features: Features,
    /// The kind of each event id. The id of `EVENT_ASYNC` is not here: see `async_id`.
    kinds: [Option<Kind>; 256],
    /// The length of an event by its id, in bytes, the id included; 0 if the length varies, or the
    /// fast walk must decode the event.
    pub(crate) fixed: [u8; 256],
    /// The id of `EVENT_ASYNC`, up to version 11.
    async_id: Option<u8>,
    async_kinds: [Option<Kind>; ASYNC_KINDS],
    ids: [Option<u8>; Kind::COUNT],
}

/// The largest number of asynchronous kinds.
const ASYNC_KINDS: usize = 8;

impl Table {
    /// Every table, oldest first.
    pub const ALL: &'static [Table] = &TABLES;

    /// The table that rr writes: version 7 of QEMU 2.10 to 2.12.
    pub const RR: &'static Table = &TABLES[2];

    /// The version of the format.
    pub const fn version(&self) -> Version {
        self.features.version
    }

    /// A short name for options and scripts, such as `7`, `7-4.0` or `12`. Of several tables of one
    /// version, the one with the plain number is tried first.
    pub const fn key(&self) -> &'static str {
        self.key
    }

    /// The table with this [`key`](Table::key).
    pub fn from_key(key: &str) -> Option<&'static Table> {
        Table::ALL.iter().find(|table| table.key == key)
    }

    /// The name for people: "version 7, QEMU 2.10 to 2.12".
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The releases of QEMU: "2.10 to 2.12".
    pub const fn releases(&self) -> &'static str {
        self.releases
    }

    /// The event id of a kind. Up to version 11, the number of an asynchronous kind follows it.
    /// `None` if this table does not have the kind.
    pub const fn id(&self, kind: Kind) -> Option<(u8, Option<u8>)> {
        match (self.ids[kind.index()], kind.group(), self.async_id) {
            (None, _, _) => None,
            (Some(id), Group::Async, Some(group)) => Some((group, Some(id))),
            (Some(id), _, _) => Some((id, None)),
        }
    }

    /// True if the table has this kind.
    pub const fn has(&self, kind: Kind) -> bool {
        self.ids[kind.index()].is_some()
    }

    /// The kind of an event id; `None` if it is unknown, or the id of `EVENT_ASYNC`.
    pub const fn kind(&self, id: u8) -> Option<Kind> {
        self.kinds[id as usize]
    }

    /// The id of `EVENT_ASYNC`, up to version 11.
    pub const fn async_id(&self) -> Option<u8> {
        self.async_id
    }

    /// The asynchronous kind with this number, up to version 11.
    pub fn async_kind(&self, id: u8) -> Option<Kind> {
        self.async_kinds.get(usize::from(id)).copied().flatten()
    }

    /// True if asynchronous events name the checkpoint that carries them (up to version 10).
    pub const fn has_async_checkpoint(&self) -> bool {
        matches!(self.features.lead, Lead::CheckpointAndKind)
    }

    const fn new(
        key: &'static str,
        name: &'static str,
        releases: &'static str,
        features: Features,
    ) -> Table {
        let mut table = Table {
            key,
            name,
            releases,
            features,
            kinds: [None; 256],
            fixed: [0; 256],
            async_id: None,
            async_kinds: [None; ASYNC_KINDS],
            ids: [None; Kind::COUNT],
        };
        let folded = matches!(features.lead, Lead::Nothing);
        let mut next = 0;
        let mut next_async = 0;
        let mut i = 0;
        while i < Kind::COUNT {
            let kind = Kind::ALL[i];
            i += 1;
            if !kind.is_in(&features) {
                continue;
            }
            if kind.is_async() && !folded {
                if table.async_id.is_none() {
                    table.async_id = Some(next);
                    next += 1;
                }
                table.async_kinds[next_async as usize] = Some(kind);
                table.ids[kind.index()] = Some(next_async);
                next_async += 1;
            } else {
                table.kinds[next as usize] = Some(kind);
                table.ids[kind.index()] = Some(next);
                table.fixed[next as usize] = walk_len(kind, &features);
                next += 1;
            }
        }
        table
    }
}

/// The length for the fast walk: 0 if it varies, and for the two kinds that the walk must decode.
const fn walk_len(kind: Kind, features: &Features) -> u8 {
    if matches!(kind, Kind::ShutdownMax | Kind::End) {
        return 0;
    }
    let fields = kind.fields();
    let mut len = 1;
    let mut i = 0;
    while i < fields.len() {
        match Field::width(fields[i], features) {
            Some(width) => len += width,
            None => return 0,
        }
        i += 1;
    }
    len
}

const V5: Features = Features {
    version: Version::V5,
    causes: 0,
    lead: Lead::CheckpointAndKind,
    bh_oneshot: false,
    audio_count: 0,
    write_position: true,
    random: false,
};
const V6: Features = Features {
    version: Version::V6,
    audio_count: 4,
    ..V5
};
const V7: Features = Features {
    version: Version::V7,
    causes: 8,
    ..V6
};
const V8: Features = Features {
    version: Version::V8,
    causes: 10,
    audio_count: 8,
    bh_oneshot: true,
    ..V7
};
const V9: Features = Features {
    version: Version::V9,
    random: true,
    ..V8
};
const V10: Features = Features {
    version: Version::V10,
    ..V9
};
const V11: Features = Features {
    version: Version::V11,
    lead: Lead::Kind,
    ..V10
};
const V12: Features = Features {
    version: Version::V12,
    causes: 11,
    lead: Lead::Nothing,
    ..V11
};
const V13: Features = Features {
    version: Version::V13,
    write_position: false,
    ..V12
};

/// Makes a table's two names from one literal.
macro_rules! table {
    ($key:literal, $version:literal, $releases:literal, $features:expr) => {
        Table::new(
            $key,
            concat!("version ", $version, ", QEMU ", $releases),
            $releases,
            $features,
        )
    };
}

static TABLES: [Table; 12] = [
    table!("5", 5, "2.9 and before", V5),
    table!("6", 6, "between 2.9 and 2.10", V6),
    table!("7", 7, "2.10 to 2.12", V7),
    table!("7-3.0", 7, "3.0 and 3.1", Features { causes: 9, ..V7 }),
    table!("7-4.0", 7, "4.0 and 4.1", Features { causes: 10, ..V7 }),
    table!("8", 8, "4.2", V8),
    table!("9", 9, "5.0", V9),
    table!("10", 10, "5.1 to 7.0", V10),
    table!("11", 11, "development of June 2022", V11),
    table!("12-7.1", 12, "7.1", Features { causes: 10, ..V12 }),
    table!("12", 12, "7.2 to 10.x", V12),
    table!("13", 13, "after 10.x", V13),
];
