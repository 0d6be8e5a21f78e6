//! The subcommands: one file each, with its own `Args` and `run`.

mod completions;
mod demo;
pub(crate) mod diff;
mod dump;
pub(crate) mod export;
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
    Diff(diff::Args),
    Slice(slice::Args),
    Repair(repair::Args),
    Export(export::Args),
    Completions(completions::Args),
    Man(man::Args),
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
