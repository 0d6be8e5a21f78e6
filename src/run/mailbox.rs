//! The mailbox of a run: messages from other threads to the one that executes it.

use crate::sync::inbox::Inbox;
use machine::inputs::Arrival;
use replay_format::ShutdownCause;

/// A message to the thread that executes the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An input has arrived.
    Arrival(Arrival),
    /// The run must end.
    Stop(ShutdownCause),
}

/// The queue of messages.
pub type Mailbox = Inbox<Message>;
