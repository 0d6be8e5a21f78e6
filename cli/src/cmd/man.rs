//! `rr man`: manual pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;

use crate::output;

/// Write the manual pages into a directory
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Where they go:
  rr man ~/.local/share/man/man1    then: man rr-dump")]
pub(crate) struct Args {
    /// The directory; it is made if it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes `rr.1`, and a page for each subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&args.dir).with_context(|| args.dir.display().to_string())?;
    let mut command = crate::args::Args::command();
    // Fills in what subcommands inherit.
    command.build();
    let mut pages = 1;
    page(&args.dir, &command, "rr".to_owned())?;
    for subcommand in command.get_subcommands().filter(|c| c.get_name() != "help") {
        page(
            &args.dir,
            subcommand,
            format!("rr-{}", subcommand.get_name()),
        )?;
        pages += 1;
    }
    output::note(&format!("{pages} pages in {}", args.dir.display()));
    Ok(ExitCode::SUCCESS)
}

fn page(dir: &Path, command: &clap::Command, name: String) -> anyhow::Result<()> {
    let path = dir.join(format!("{name}.1"));
    let mut text = Vec::new();
    Man::new(command.clone().display_name(name)).render(&mut text)?;
    fs::write(&path, text).with_context(|| path.display().to_string())
}
