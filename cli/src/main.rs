//! The `rr` command: exit status 0 for fine or the same, 1 for differs or diverged, 2 for trouble.

mod args;
mod buffer;
mod cmd;
mod core_args;
mod diff_hunt;
mod diff_json;
mod diff_replay;
mod diff_text;
mod event_json;
mod event_table;
mod event_text;
mod export;
mod help;
mod hunk;
mod input;
mod kinds;
mod machine_args;
mod monitor_args;
mod outcome;
mod outfile;
mod output;
mod parallel;
mod plot;
mod position;
mod progress;
mod qmp;
mod replayed;
mod report;
mod segments;
mod snapshot_args;
mod table_reason;

use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        // Whoever read our output has seen enough, as `head` does.
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&report::one_line(&error));
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    match args::parse() {
        Ok(args) => {
            output::set_quiet(args.quiet);
            args.command.run()
        }
        Err(error) => args::refuse(error),
    }
}
