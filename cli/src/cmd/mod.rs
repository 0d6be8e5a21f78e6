//! The command line, and the subcommands: one file each, with its own `Args` and `run`.

mod completions;
mod demo;
mod diff;
mod dump;
mod export;
mod inspect;
mod man;
mod monitor;
mod qapi;
mod qmp;
mod record;
mod repair;
mod replay;
mod run;
mod slice;
mod snapshot;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::output::help;

/// Records a whole RISC-V machine once, and replays that run exactly.
#[derive(Debug, Parser)]
#[command(
    name = "rr",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit status: 0 fine or the same, 1 differs or diverged, 2 trouble (usage, a bad \
                  file, I/O), 3 the guest reported failure (run, record), 4 a part could not be \
                  checked (verify, diff), 124 the time is over, 128+N stopped by signal N.\n\
                  Data goes to standard output, everything else to standard error. NO_COLOR is \
                  honoured."
)]
pub(crate) struct Args {
    /// No progress, no notes; errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Reads the command line.
pub(crate) fn parse() -> Result<Args, clap::Error> {
    let mut command = help::fitted(Args::command());
    let mut matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Run(run::Args),
    Record(record::Args),
    Replay(replay::Args),
    Monitor(monitor::Args),
    Qmp(qmp::Args),
    Verify(verify::Args),
    Snapshot(snapshot::Args),
    Dump(dump::Args),
    Inspect(inspect::Args),
    Diff(diff::Args),
    Slice(slice::Args),
    Repair(repair::Args),
    Export(export::Args),
    Completions(completions::Args),
    Man(man::Args),
    Qapi(qapi::Args),
}

impl Command {
    /// Runs the command. An error is exit status 2.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Command::Demo(args) => demo::run(args),
            Command::Run(args) => run::run(args),
            Command::Record(args) => record::run(args),
            Command::Replay(args) => replay::run(args),
            Command::Monitor(args) => monitor::run(args),
            Command::Qmp(args) => qmp::run(args),
            Command::Verify(args) => verify::run(args),
            Command::Snapshot(args) => snapshot::run(args),
            Command::Dump(args) => dump::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Diff(args) => diff::run(args),
            Command::Slice(args) => slice::run(args),
            Command::Repair(args) => repair::run(args),
            Command::Export(args) => export::run(args),
            Command::Completions(args) => completions::run(args),
            Command::Man(args) => man::run(args),
            Command::Qapi(args) => qapi::run(args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }
}
