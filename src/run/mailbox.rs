//! What the threads beside a run hand to the one that executes it.

use crate::sync::inbox::Inbox;
use machine::inputs::Arrival;
use replay_format::ShutdownCause;

/// One such thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Something has arrived.
    Arrival(Arrival),
    /// The run is to end.
    Stop(ShutdownCause),
}

/// Where they wait.
pub type Mailbox = Inbox<Message>;
