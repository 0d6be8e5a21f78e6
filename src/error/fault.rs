//! The faults of a recording, and of its snapshots.

use super::OptionFault;
use machine::Icount;
use machine::state::StateError;
use replay_format::Checkpoint;
use std::path::PathBuf;

/// What is wrong with a recording, or with one of its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingFault {
    /// There is a recording at this path already.
    #[error("already exists; choose another name")]
    Exists,
    /// There is something else at this path already.
    #[error("already exists and is no recording; choose another name")]
    Occupied,
    /// Another process writes to the recording.
    #[error("another rr is writing it; wait for it, or stop it")]
    InUse,
    /// Something has the name of a file that rr makes, and is none: a link, or the user's.
    #[error("rr did not make this; move it away first")]
    NotOurs,
    /// An image is a file of the recording that would be replaced.
    #[error(
        "is an image of the new machine, and a file of the recording to replace; copy it first"
    )]
    ReplacesImage,
    /// A slice of a recording would replace that recording.
    #[error("is the recording itself; choose another name")]
    Itself,
    /// There is nothing at this path.
    #[error("no such recording; check the name")]
    Missing,
    /// The path is no directory, so it is no recording.
    #[error("is not a recording: a recording is a directory NAME.rr")]
    NoDirectory,
    /// The directory is no recording: it has no manifest.
    #[error("is not a recording: it has no {file}")]
    NoManifest {
        /// Name of the manifest.
        file: &'static str,
    },
    /// A JSON file of the recording cannot be read.
    #[error("is damaged")]
    Json(#[source] serde_json::Error),
    /// The recording has the format of another rr.
    #[error(
        "format {found}; this rr {} reads {known}: use the rr that recorded it",
        env!("CARGO_PKG_VERSION")
    )]
    Format {
        /// The recording's format version.
        found: u32,
        /// The format version that this rr reads.
        known: u32,
    },
    /// The distance between digests is 0.
    #[error("is damaged: digest_interval is 0; restore it from a copy")]
    NoDigestInterval,
    /// The manifest names a machine that cannot exist.
    #[error("{}", .0.setting())]
    Option(#[from] OptionFault),
    /// The log is of another program.
    #[error(
        "is a log of {table}, and recordings of rr hold version 7; it is of another program: \
         restore it from a copy"
    )]
    OtherLog {
        /// The log's table of events.
        table: &'static str,
    },
    /// The log ends before the recording did.
    #[error(
        "is cut off at icount {at}, and the recording went on to {end}; restore it from a copy"
    )]
    CutOff {
        /// The instruction count at which the log ends.
        at: Icount,
        /// The instruction count at which the recording ended.
        end: Icount,
    },
    /// The log ends before the place of a snapshot.
    #[error("ends at icount {at}, before the snapshot `{snapshot}`; restore it from a copy")]
    EndsBefore {
        /// The instruction count at which the log ends.
        at: Icount,
        /// The snapshot's name.
        snapshot: String,
    },
    /// A file is not as it was when the recording ended.
    #[error("{0}")]
    Unsealed(Box<Unsealed>),
    /// A file of the recording is missing.
    #[error("is missing; restore it from a copy")]
    Gone,
    /// A file did not belong to the recording when it ended.
    #[error("was not there when the recording ended; remove it")]
    Added,
    /// A link, a pipe or the like is in the place of a file.
    #[error("is no ordinary file; restore it from a copy")]
    NoFile,
    /// The seal does not match its own checksum, or names a strange file.
    #[error("is damaged; restore it from a copy, or remove it and go without checksums")]
    Seal,
    /// The log has changed in a way that the machine does not notice.
    #[error("is not the log that was recorded: bytes of it have changed; restore it from a copy")]
    LogChanged,
    /// Some recorded digests belong to no instruction count of the replay.
    #[error(
        "only {checked} of {known} state digests belong to this run; {digests} or {manifest} is \
         damaged: restore it from a copy"
    )]
    DigestsOfRun {
        /// The number of digests that were compared.
        checked: u64,
        /// The number of digests that were recorded.
        known: u64,
        /// Name of the file with the digests.
        digests: &'static str,
        /// Name of the file that holds the distance between digests.
        manifest: &'static str,
    },
    /// Some recorded digests belong to no instruction count of a segment.
    #[error("only {checked} of {known} state digests belong to this run; restore it from a copy")]
    DigestsOfSegment {
        /// The number of digests that were compared.
        checked: u64,
        /// The number of digests that were recorded.
        known: u64,
    },
    /// An image is missing.
    #[error("the {role} is missing; put it back, or copy it to {}", copy.display())]
    ImageMissing {
        /// The image's role.
        role: &'static str,
        /// Another path where a copy is looked for.
        copy: PathBuf,
    },
    /// The recording names no image for this role.
    #[error("is damaged: it names no {role}")]
    NoImage {
        /// The role.
        role: String,
    },
    /// The drive has a name that no snapshot's file can have.
    #[error("its name is not UTF-8, so a snapshot cannot name it; give it another")]
    DriveName,
    /// The log does not begin as rr's logs do.
    #[error(
        "does not begin with the checkpoint `{wanted}`: it was not recorded by rr, or is damaged"
    )]
    Beginning {
        /// The checkpoint that must be there.
        wanted: Checkpoint,
    },
    /// The log has an event that rr never writes.
    #[error("event {index} at offset {offset:#x} is {event}, which this machine does not have")]
    StrangeEvent {
        /// The event's index, from 0.
        index: u64,
        /// The event's byte offset in the log.
        offset: u64,
        /// The event as text.
        event: String,
    },
    /// A snapshot belongs to another log.
    #[error(
        "the snapshot at icount {icount} is of another log: delete it, or restore both from a copy"
    )]
    OtherSnapshot {
        /// The snapshot's instruction count.
        icount: Icount,
    },
    /// A snapshot is after the end of a log that was cut off.
    #[error(
        "snapshot `{snapshot}`, at icount {icount}, lies behind the end of the log, which is cut \
         off at icount {end}; begin at an earlier one, or restore the log from a copy"
    )]
    BehindEnd {
        /// The snapshot's name.
        snapshot: String,
        /// The snapshot's instruction count.
        icount: Icount,
        /// The instruction count at which the log ends.
        end: Icount,
    },
    /// The recording does not have this range.
    #[error("no range from {from} to {to}: it starts at {first}")]
    Range {
        /// The first instruction count of the range.
        from: Icount,
        /// The last instruction count of the range.
        to: Icount,
        /// The instruction count at which the recording starts.
        first: Icount,
    },
    /// A file of digests has another format.
    #[error("digest format {found}; this rr reads {known}: use the rr that recorded it")]
    DigestFormat {
        /// The file's format version.
        found: u32,
        /// The format version that this rr reads.
        known: u32,
    },
    /// The file is no file of digests.
    #[error("is not a file of state digests; the recording is damaged")]
    NotDigests,
    /// The file of digests is damaged.
    #[error("is damaged; restore it from a copy")]
    Digests,
    /// A line of the pace is damaged.
    #[error("line {line} is damaged")]
    Pace {
        /// The line's number, from 1.
        line: usize,
    },
    /// There is no snapshot of this name.
    #[error("no snapshot `{name}`; {}", there_are(known))]
    NoSnapshot {
        /// The name.
        name: String,
        /// The names of the existing snapshots.
        known: Vec<String>,
    },
    /// There is a snapshot of this name already.
    #[error("already exists; choose another name, or delete it first")]
    SnapshotExists,
    /// A slice cannot do without its first snapshot.
    #[error("is the start of this slice, which cannot be replayed without it")]
    SnapshotPinned,
    /// Another process needs the snapshot.
    #[error("is in use: a running rr goes on from it; wait, or stop that")]
    SnapshotInUse,
    /// The snapshot has the formats of another rr.
    #[error(
        "formats {} and {}; this rr {} reads {} and {}",
        .found.0, .found.1, env!("CARGO_PKG_VERSION"), .known.0, .known.1
    )]
    SnapshotFormats {
        /// The snapshot's format version, and that of the machine's state in it.
        found: (u32, u32),
        /// The versions that this rr reads.
        known: (u32, u32),
    },
    /// The snapshot's description is JSON, but lacks a member.
    #[error("is damaged, or was made by another version of rr")]
    SnapshotMembers(#[source] serde_json::Error),
    /// The snapshot is damaged.
    #[error("is damaged")]
    Snapshot(#[source] Damage),
    /// A value of this process cannot be encoded.
    #[error("cannot be written down")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A file that is not as it was when the recording ended.
#[derive(Debug, thiserror::Error)]
#[error(
    "is damaged: it has {} bytes with BLAKE3 {}, and the recording ended with {} bytes with \
     BLAKE3 {}",
    .found.0, .found.1, .recorded.0, .recorded.1
)]
pub struct Unsealed {
    /// Its name in the recording.
    pub name: String,
    /// Its length in bytes and BLAKE3 when the recording ended.
    pub recorded: (u64, String),
    /// Its present length and BLAKE3.
    pub found: (u64, String),
}

fn there_are(names: &[String]) -> String {
    match names {
        [] => "it has none".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    }
}

/// A text that cannot be the name of a snapshot.
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
    /// A file is missing.
    #[error("it is missing")]
    Missing,
    /// The description is that of another snapshot.
    #[error("it is of `{0}`")]
    OtherName(String),
    /// The description is no JSON.
    #[error(transparent)]
    Json(serde_json::Error),
    /// The description does not match its own checksum.
    #[error("its checksum is another")]
    Seal,
    /// A file does not match its checksum.
    #[error("its size or checksum is not the recorded one")]
    Checksum,
    /// The description names a file that is none of the snapshot's folder.
    #[error("it names the file `{0}`, which cannot be one of a snapshot")]
    FileName(String),
    /// The description lacks a file.
    #[error("it names too few files")]
    TooFewFiles,
    /// The snapshot is its own ancestor.
    #[error("it lies on itself")]
    LiesOnItself,
    /// The snapshot lacks the layer of this drive, which its child needs.
    #[error("it has no layer of drive {0}")]
    NoLayer(u8),
    /// `state.bin` does not hold a state.
    #[error("it is no saved state")]
    NoState,
    /// The state is not one of this machine.
    #[error(transparent)]
    State(StateError),
    /// `pages.bin` does not hold pages.
    #[error("it holds no pages of this version")]
    NoPages,
    /// The index of `pages.bin` does not match its pages.
    #[error("its index does not fit")]
    Index,
    /// This page is not one of this machine.
    #[error("its page {0:#x} is none of this machine")]
    Page(u32),
    /// The loaded state is not the one that was saved.
    #[error("with it the machine has the digest {found}, and had {recorded}")]
    Digest {
        /// The digest of the loaded state, in hexadecimal.
        found: String,
        /// The digest of the saved state, in hexadecimal.
        recorded: String,
    },
}
