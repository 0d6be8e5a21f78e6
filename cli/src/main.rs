//! The `rr` command: exit status 0 for fine or the same, 1 for differs or diverged, 2 for trouble.
//!
//! `cmd` has a file for each subcommand and may know everything here. What subcommands share knows
//! none of them: `output` and `qmp` know no other room, `args`, `events`, `replayed` and `segments`
//! only those, and `diff`, `export` and `plot`, which come last, also these. The table is in
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

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        // The reader of our output has closed the pipe, as `head` does.
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&output::report::one_line(&error));
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    match cmd::parse() {
        Ok(args) => {
            output::set_quiet(args.quiet);
            args.command.run()
        }
        Err(error) => args::refuse::refuse(error),
    }
}
