//! The traits through which the protocol executes commands.

use super::visit::CommandError;
use serde_json::{Map, Value};

/// The result of a command.
pub type Done = Result<Value, CommandError>;

/// Gives the result of a command once it is done. The main loop calls it at every turn, and after a
/// nudge. No other in-band command is executed meanwhile.
pub type Later = Box<dyn FnMut() -> Option<Done> + Send>;

/// What a command returns when it is started.
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

/// Executes commands on the I/O thread, without any wait.
pub trait ExecuteNow: Send + Sync {
    /// True if the command may be executed out of band; `None`: there is no such command.
    fn allows_oob(&self, name: &str) -> Option<bool>;

    /// Executes a command that may be executed out of band.
    fn execute(&self, name: &str, arguments: Option<Map<String, Value>>) -> Done;
}
