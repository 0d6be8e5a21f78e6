//! The `rr` command. Exit status: 0 for success or equality, 1 for a difference or a divergence, 2
//! for an error, 3 for a failure that the guest reported, 4 for a recording that could be checked
//! only in part, 128 + N if signal N stopped the work.
//!
//! `cmd` has a file for each subcommand, and may use all other rooms. The rooms that subcommands
//! share do not use `cmd`: `output` and `qmp` use no other room; `args`, `events`, `replayed` and
//! `segments` use only those; `diff`, `export` and `plot` also use these. The table is in
//! tests/architecture/house.rs.

mod args;
mod cmd;
mod diff;
mod events;
mod export;
mod output;
mod plot;
mod qmp;
mod replayed;
mod segments;

use std::process::ExitCode;

use anyhow::Context;

use crate::output::outcome;

fn main() -> ExitCode {
    let code = match run() {
        Ok(code) => code,
        Err(error) if outcome::is_cancelled(&error) => outcome::interrupted("nothing was written"),
        // The reader of our output has closed the pipe, as `head` does.
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&output::report::one_line(&error));
            ExitCode::from(2)
        }
    };
    outcome::end_as_interrupted();
    code
}

fn run() -> anyhow::Result<ExitCode> {
    rr::host::signals::fail_at_limits().context("cannot handle signals")?;
    match cmd::parse() {
        Ok(args) => {
            output::set_quiet(args.quiet);
            args.command.run()
        }
        Err(error) => args::refuse::refuse(error),
    }
}
