//! Why a run does not do what it was asked.

/// Why something that was asked of a run cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The run has ended, and nobody serves it any more.
    #[error("the run is over")]
    Over,
    /// The guest has come to its end; it cannot go on from there.
    #[error("the run is over: go back in it first, or reset the machine")]
    Ended,
    /// Snapshots belong to a recording, and there is none.
    #[error("this run is not recorded, so there is no place for snapshots")]
    NoSnapshots,
    /// Only a replay can seek.
    #[error("only a replay can be brought to another place")]
    NotReplayed,
    /// A replay takes nothing from outside.
    #[error("a replay is what was recorded: it cannot be reset")]
    NoReset,
    /// The machine is past the place at which it is to stop.
    #[error("this instruction count is in the past; seek there instead")]
    Past,
    /// The recording is shorter.
    #[error("this instruction count is behind the end of the recording")]
    BehindEnd,
    /// The slice begins later.
    #[error("this instruction count is before the start of the slice")]
    BeforeSlice,
}
