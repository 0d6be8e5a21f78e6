//! The traits through which the protocol executes commands.

use super::visit::CommandError;
use serde_json::{Map, Value};

/// What a command returned, or why it failed.
pub type Done = Result<Value, CommandError>;

/// Gives the answer of a command that is not done yet. The main loop calls it at every turn, and
/// after a nudge. No other in-band command is executed meanwhile.
pub type Later = Box<dyn FnMut() -> Option<Done> + Send>;

/// What became of a command.
pub enum Outcome {
    /// The command is done, with this result.
    Now(Done),
    /// The command will be done later.
    Later(Later),
}

/// Executes commands on the main loop.
pub trait Execute {
    /// Executes a command.
    fn execute(&mut self, name: &str, arguments: Option<Map<String, Value>>) -> Outcome;
}

/// Executes commands on the I/O thread: without any wait.
pub trait ExecuteNow: Send + Sync {
    /// Whether a command may be executed here; `None`: there is no such command.
    fn allows_oob(&self, name: &str) -> Option<bool>;

    /// Executes a command that allows it.
    fn execute(&self, name: &str, arguments: Option<Map<String, Value>>) -> Done;
}
