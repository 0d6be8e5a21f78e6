//! `rr completions`: prints a script that lets a shell complete the command line.

use std::process::ExitCode;

use clap::{CommandFactory, ValueEnum};
use clap_complete::{Shell, generate};

use crate::output;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Where they go:
  rr completions bash > ~/.local/share/bash-completion/completions/rr
  rr completions zsh > \"${fpath[1]}/_rr\"
  rr completions fish > ~/.config/fish/completions/rr.fish")]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Name,
}

/// The shells that are tested.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    Bash,
    Zsh,
    Fish,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let shell = match args.shell {
        Name::Bash => Shell::Bash,
        Name::Zsh => Shell::Zsh,
        Name::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    generate(shell, &mut super::Args::command(), "rr", &mut text);
    output::write(|out| out.write_all(&text))?;
    Ok(ExitCode::SUCCESS)
}
