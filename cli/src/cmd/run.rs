//! `rr run`: runs a machine without recording it.

use std::process::ExitCode;

use rr::session::context::RunContext;
use rr::session::control::Mode;

use crate::args::core::CoreArgs;
use crate::args::ends::EndArgs;
use crate::args::machine::{MachineArgs, SerialArgs};
use crate::args::monitor::MonitorArgs;
use crate::output::{self, outcome};

/// Runs a machine without recording it
///
/// The serial port is on standard input and output unless --serial says otherwise. Exit status: 0,
/// or 3 if the guest reported failure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    serial: SerialArgs,
    #[command(flatten)]
    ends: EndArgs,

    #[command(flatten)]
    monitor: MonitorArgs,
    #[command(flatten)]
    core: CoreArgs,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let options = args.machine.options()?;
    let (control, frontends) = args.monitor.open(Mode::Run, None)?;
    let context = RunContext {
        control,
        frontends,
        execution: args.core.execution(),
        notes: output::notes(),
        ..RunContext::default()
    };
    let context = args.ends.apply(context)?;
    let report = rr::session::launch::run(&options, &args.serial.serial, None, context)?;
    output::note(&format!(
        "{}; {}",
        outcome::finish(&report),
        outcome::extent(&report)
    ));
    Ok(outcome::status(&report, true))
}
