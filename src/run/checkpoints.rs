//! Snapshots that a replay comes by: at each of them the state must be the snapshot's.

use crate::recording::snapshot::Snapshot;

/// Says where a replay is held against a snapshot, and whether it goes on there.
pub trait Relay: Send {
    /// The next one; `None`: the replay goes on to its end.
    fn ahead(&self) -> Option<&Snapshot>;

    /// The replay is there, in the snapshot's state; so many recorded digests were equal since it began. Whether it goes on.
    fn reached(&mut self, digests: u64) -> bool;
}
