//! Why a run refuses a request.

/// Why a run refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The run has ended, and takes no more requests.
    #[error("the run is over")]
    Over,
    /// The guest has ended, so it cannot continue.
    #[error("the run is over: go back in it first, or reset the machine")]
    Ended,
    /// The run is not recorded, so it has no snapshots.
    #[error("this run is not recorded, so there is no place for snapshots")]
    NoSnapshots,
    /// Only a replay can seek.
    #[error("only a replay can be brought to another place")]
    NotReplayed,
    /// A replay takes no input, so it cannot be reset.
    #[error("a replay is what was recorded: it cannot be reset")]
    NoReset,
    /// The machine is past the instruction count at which it should stop.
    #[error("this instruction count is in the past; seek there instead")]
    Past,
    /// The recording ends before that instruction count.
    #[error("this instruction count is behind the end of the recording")]
    BehindEnd,
    /// The slice begins after that instruction count.
    #[error("this instruction count is before the start of the slice")]
    BeforeSlice,
}
