//! What the protocol needs of the commands.

use super::visit::CommandError;
use serde_json::{Map, Value};

/// What a command returned, or why it failed.
pub type Done = Result<Value, CommandError>;

/// Asked again and again, at the latest after a nudge, until it gives the answer. No other in-band
/// command is executed meanwhile, but the main loop is free.
pub type Later = Box<dyn FnMut() -> Option<Done> + Send>;

/// What became of a command.
pub enum Outcome {
    /// It is done.
    Now(Done),
    /// It will be.
    Later(Later),
}

/// Executes commands on the main loop.
pub trait Execute {
    /// Executes one.
    fn execute(&mut self, name: &str, arguments: Option<Map<String, Value>>) -> Outcome;
}

/// Executes commands on the I/O thread: without any wait.
pub trait ExecuteNow: Send + Sync {
    /// Whether a command may be executed here; `None`: there is no such command.
    fn allows_oob(&self, name: &str) -> Option<bool>;

    /// Executes one that may be.
    fn execute(&self, name: &str, arguments: Option<Map<String, Value>>) -> Done;
}
