//! What can be wrong with a recording, and with a snapshot of one.

use super::OptionFault;
use machine::state::StateError;
use replay_format::Checkpoint;
use std::path::PathBuf;

/// What is wrong with a recording, or with a file of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingFault {
    /// A recording is there already.
    #[error("already exists; choose another name")]
    Exists,
    /// Something else is there already.
    #[error("already exists and is no recording; choose another name")]
    Occupied,
    /// There is nothing of that name.
    #[error("no such recording; check the name")]
    Missing,
    /// A recording is a directory, and this is none.
    #[error("is not a recording: a recording is a directory NAME.rr")]
    NoDirectory,
    /// The directory is none of a recording.
    #[error("is not a recording: it has no {file}")]
    NoManifest {
        /// The file that each recording has.
        file: &'static str,
    },
    /// A JSON file of it cannot be read.
    #[error("is damaged")]
    Json(#[source] serde_json::Error),
    /// Another version of rr made it.
    #[error(
        "format {found}; this rr {} reads {known}: use the rr that recorded it",
        env!("CARGO_PKG_VERSION")
    )]
    Format {
        /// Its format.
        found: u32,
        /// The one that can be read.
        known: u32,
    },
    /// The digests are no distance apart.
    #[error("is damaged: digest_interval is 0; restore it from a copy")]
    NoDigestInterval,
    /// The machine that it names cannot be.
    #[error("{}", .0.setting())]
    Option(#[from] OptionFault),
    /// Its log is of another program.
    #[error(
        "is a log of {table}, and recordings of rr hold version 7; it is of another program: \
         restore it from a copy"
    )]
    OtherLog {
        /// The table by which the log is read.
        table: &'static str,
    },
    /// The log ends before the recording did.
    #[error(
        "is cut off at icount {at}, and the recording went on to {end}; restore it from a copy"
    )]
    CutOff {
        /// The instruction count at which the log ends.
        at: u64,
        /// That at which the recording ended.
        end: u64,
    },
    /// The log ends before a snapshot that should be behind it.
    #[error("ends at icount {at}, before the snapshot `{snapshot}`; restore it from a copy")]
    EndsBefore {
        /// The instruction count at which the log ends.
        at: u64,
        /// The snapshot.
        snapshot: String,
    },
    /// The log has changed where the machine does not see it.
    #[error("is not the log that was recorded: bytes of it have changed; restore it from a copy")]
    LogChanged,
    /// Digests were recorded where the replay has none.
    #[error(
        "only {checked} of {known} state digests belong to this run; {digests} or {manifest} is \
         damaged: restore it from a copy"
    )]
    DigestsOfRun {
        /// How many were compared.
        checked: u64,
        /// How many were recorded.
        known: u64,
        /// The file of the digests.
        digests: &'static str,
        /// The file that says how far apart they are.
        manifest: &'static str,
    },
    /// The same of a segment.
    #[error("only {checked} of {known} state digests belong to this run; restore it from a copy")]
    DigestsOfSegment {
        /// How many were compared.
        checked: u64,
        /// How many were recorded.
        known: u64,
    },
    /// An image is not where it was.
    #[error("the {role} is missing; put it back, or copy it to {}", copy.display())]
    ImageMissing {
        /// What it is for.
        role: &'static str,
        /// Where it is looked for, too.
        copy: PathBuf,
    },
    /// It has no image for something that it should have one for.
    #[error("is damaged: it names no {role}")]
    NoImage {
        /// What it is for.
        role: String,
    },
    /// A snapshot could not name this drive.
    #[error("its name is not UTF-8, so a snapshot cannot name it; give it another")]
    DriveName,
    /// The log does not begin as one of rr does.
    #[error(
        "does not begin with the checkpoint `{wanted}`: it was not recorded by rr, or is damaged"
    )]
    Beginning {
        /// The checkpoint that must be there.
        wanted: Checkpoint,
    },
    /// The log has an event that no machine of rr has.
    #[error("event {index} at offset {offset:#x} is {event}, which this machine does not have")]
    StrangeEvent {
        /// Its number, from 0.
        index: u64,
        /// Its byte offset in the log.
        offset: u64,
        /// The event in words.
        event: String,
    },
    /// A snapshot is of another log than this one.
    #[error(
        "the snapshot at icount {icount} is of another log: delete it, or restore both from a copy"
    )]
    OtherSnapshot {
        /// Where the snapshot is.
        icount: u64,
    },
    /// A snapshot lies behind the end of a log that is cut off.
    #[error(
        "snapshot `{snapshot}`, at icount {icount}, lies behind the end of the log, which is cut \
         off at icount {end}; begin at an earlier one, or restore the log from a copy"
    )]
    BehindEnd {
        /// The snapshot.
        snapshot: String,
        /// Where it is.
        icount: u64,
        /// The instruction count at which the log ends.
        end: u64,
    },
    /// There is no such range in it.
    #[error("no range from {from} to {to}: it starts at {first}")]
    Range {
        /// The first instruction count.
        from: u64,
        /// The last.
        to: u64,
        /// That at which the recording starts.
        first: u64,
    },
    /// A file of state digests has another format.
    #[error("digest format {found}; this rr reads {known}: use the rr that recorded it")]
    DigestFormat {
        /// Its format.
        found: u32,
        /// The one that can be read.
        known: u32,
    },
    /// A file of state digests is none.
    #[error("is not a file of state digests; the recording is damaged")]
    NotDigests,
    /// A file of state digests does not hold what it must.
    #[error("is damaged; restore it from a copy")]
    Digests,
    /// A line of the pace is none.
    #[error("line {line} is damaged")]
    Pace {
        /// Its number, from 1.
        line: usize,
    },
    /// There is no snapshot of this name.
    #[error("no snapshot `{name}`; {}", there_are(known))]
    NoSnapshot {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// There is a snapshot of this name.
    #[error("already exists; choose another name, or delete it first")]
    SnapshotExists,
    /// A slice needs its first snapshot.
    #[error("is the start of this slice, which cannot be replayed without it")]
    SnapshotPinned,
    /// Another process needs the snapshot.
    #[error("is in use: a running rr goes on from it; wait, or stop that")]
    SnapshotInUse,
    /// Another version of rr made the snapshot.
    #[error(
        "formats {} and {}; this rr {} reads {} and {}",
        .found.0, .found.1, env!("CARGO_PKG_VERSION"), .known.0, .known.1
    )]
    SnapshotFormats {
        /// Its format, and that of the machine's state in it.
        found: (u32, u32),
        /// Those that can be read.
        known: (u32, u32),
    },
    /// The snapshot's description is JSON, and not what this version writes.
    #[error("is damaged, or was made by another version of rr")]
    SnapshotMembers(#[source] serde_json::Error),
    /// A snapshot is damaged.
    #[error("is damaged")]
    Snapshot(#[source] Damage),
    /// Something of this process cannot be written down.
    #[error("cannot be written down")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn there_are(names: &[String]) -> String {
    match names {
        [] => "it has none".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    }
}

/// A text that is no name of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name of a snapshot: expected a letter or digit, then at most 63 letters, digits, \
     `-`, `.` or `_`"
)]
pub struct NameError(pub(crate) String);

/// How a snapshot is damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A file is gone.
    #[error("it is missing")]
    Missing,
    /// Its description is that of another.
    #[error("it is of `{0}`")]
    OtherName(String),
    /// Its description is no JSON.
    #[error(transparent)]
    Json(serde_json::Error),
    /// The checksum that its description has of itself is wrong.
    #[error("its checksum is another")]
    Seal,
    /// A file of it has changed.
    #[error("its size or checksum is not the recorded one")]
    Checksum,
    /// Its description lacks a file.
    #[error("it names too few files")]
    TooFewFiles,
    /// It lies on a snapshot that lies on it.
    #[error("it lies on itself")]
    LiesOnItself,
    /// It lacks a layer that the one on it needs.
    #[error("it has no layer of drive {0}")]
    NoLayer(u8),
    /// The file of the state holds none.
    #[error("it is no saved state")]
    NoState,
    /// The state is not one of this machine.
    #[error(transparent)]
    State(StateError),
    /// The file of pages holds none.
    #[error("it holds no pages of this version")]
    NoPages,
    /// The index of the pages and the pages do not belong together.
    #[error("its index does not fit")]
    Index,
    /// A page is not one of this machine.
    #[error("its page {0:#x} is none of this machine")]
    Page(u32),
    /// It does not lead to the state that it was taken of.
    #[error("with it the machine has the digest {found}, and had {recorded}")]
    Digest {
        /// The digest of the state that it leads to, in hexadecimal.
        found: String,
        /// That of the state that it was taken of.
        recorded: String,
    },
}
