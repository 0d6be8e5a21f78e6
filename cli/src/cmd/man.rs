//! `rr man`: writes the manual pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;
use roff::{Roff, roman};

use crate::output;
use crate::output::help::{self, Part};

/// Characters in a line of a page. Readers have 80, and the text is indented.
const WIDTH: usize = 72;

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
    let mut command = super::Args::command();
    // Adds the global options to the subcommands.
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
    let notes = command.get_after_long_help().or(command.get_after_help());
    let notes = notes.map(|notes| notes.to_string()).unwrap_or_default();
    // mangen would wrap the lines of tables too, so the notes are left out here.
    let command = command.clone().display_name(name);
    let command = command
        .after_help(None::<&str>)
        .after_long_help(None::<&str>);
    let mut text = Vec::new();
    Man::new(command).render(&mut text)?;
    if !notes.is_empty() {
        section(&notes).to_writer(&mut text)?;
    }
    fs::write(&path, text).with_context(|| path.display().to_string())
}

/// A section with paragraphs, and with tables that keep their lines.
fn section(notes: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["NOTES"]);
    for part in help::parts(notes) {
        match part {
            Part::Blank => roff.control("PP", []),
            Part::Paragraph(text) => roff.text([roman(text)]),
            Part::Entry { head, text } => {
                roff.control("nf", []);
                for line in help::fit(&(head + &text), WIDTH).lines() {
                    roff.text([roman(line)]);
                }
                roff.control("fi", [])
            }
        };
    }
    roff
}
