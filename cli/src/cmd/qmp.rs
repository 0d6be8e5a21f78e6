//! `rr qmp`: sends one command to the monitor of a running rr, for scripts.

use std::process::ExitCode;

use anyhow::anyhow;

use crate::output;
use crate::qmp::schema::Schema;
use crate::qmp::{self, words};

/// The monitor has refused the command.
const REFUSED: u8 = 1;

/// Asks the monitor of a running rr for one thing
///
/// The answer goes to standard output as one line of JSON. Values are typed as the monitor's schema
/// says: lists are written a,b,c, and whatever has members as JSON. If the monitor refuses, its
/// reason goes to standard error, and the exit status is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  rr qmp vm.sock query-status\n  \
                        rr qmp vm.sock replay-seek icount=1000000\n  \
                        rr qmp vm.sock human-monitor-command command-line='info registers'")]
pub(crate) struct Args {
    /// The monitor: PATH, unix:PATH or tcp:127.0.0.1:PORT, as in --qmp
    #[arg(value_name = "PATH")]
    place: String,

    /// The command; `rr qmp PATH query-commands` lists them
    #[arg(value_name = "COMMAND")]
    command: String,

    /// Its arguments
    #[arg(value_name = "KEY=VALUE", allow_hyphen_values = true)]
    arguments: Vec<String>,

    /// Execute it out of band: at once, even while others wait
    #[arg(long)]
    oob: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (mut asker, mut hearer) = qmp::connect(&args.place)?;
    let mut schema = Schema::default();
    if !args.arguments.is_empty() {
        asker.ask("query-qmp-schema", None, false)?;
        if let Ok(entities) = hearer.answer(&mut |_| {})? {
            schema = Schema::new(&entities);
        }
    }
    let arguments = words::arguments(&schema, &args.command, &args.arguments)
        .map_err(|error| anyhow!(error).context(args.command.clone()))?;
    asker.ask(&args.command, arguments, args.oob)?;
    match hearer.answer(&mut |_| {})? {
        Ok(value) => {
            output::write(|out| writeln!(out, "{value}"))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            output::complain(&format!("{}: {refusal}", args.command));
            Ok(ExitCode::from(REFUSED))
        }
    }
}
