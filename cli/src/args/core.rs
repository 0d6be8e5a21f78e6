//! The option for how the machine executes instructions.

use clap::ValueEnum;
use machine::Execution;

/// How the machine executes instructions. No recording depends on it.
#[derive(Debug, clap::Args)]
pub(crate) struct CoreArgs {
    /// How instructions are executed: the results are the same, whatever a recording was made with
    #[arg(long, value_name = "CORE", value_enum, default_value_t = Core::Auto)]
    core: Core,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Core {
    /// What is executed often is translated to the host's instructions
    Auto,
    /// All is interpreted
    Interp,
    /// All is translated, at once: for tests
    Jit,
}

impl CoreArgs {
    /// The options as the engine's type.
    pub(crate) fn execution(&self) -> Execution {
        match self.core {
            Core::Auto => Execution::default(),
            Core::Interp => Execution::Interpreter,
            Core::Jit => Execution::Translated { after: 0 },
        }
    }
}
