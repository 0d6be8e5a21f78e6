//! The subcommands: one file each, with its own `Args` and `run`.

mod demo;
mod dump;
mod inspect;
mod monitor;
mod qapi;
mod qmp;
mod record;
mod replay;
mod run;
mod snapshot;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;

/// What to do.
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
    Qapi(qapi::Args),
}

impl Command {
    /// Does it. An error becomes exit status 2.
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
            Command::Qapi(args) => qapi::run(args),
        }
    }
}
