//! `rr qapi`: checks QAPI schemas, and generates code and documentation from them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use rr::host::small;
use rr_qapi::{Schema, dump, generate, introspect, markdown};

use crate::output;
use crate::output::report::escaped;

/// The schema has a fault.
const REFUSED: u8 = 1;
/// A generated file differs from the one on disk.
const DIFFERS: u8 = 1;

/// Check a QAPI schema, or generate code from it
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Checks QAPI schemas, the language that describes the monitor's commands, as QEMU \
    7.2 has it; generates Rust, documentation and introspection from them.\n\n\
    A schema with a fault is refused with FILE:LINE:COLUMN: and the reason, and exit status 1. A \
    fault inside a definition is reported where that starts."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a schema; print nothing if it is good
    Check {
        /// The schema's first file
        schema: PathBuf,

        /// Print the checked schema, in the form that QEMU's own schema tests compare
        #[arg(long)]
        dump: bool,
    },

    /// Generate Rust: types, a trait method for each command, dispatch, events; or documentation
    Gen {
        /// The schema's first file
        schema: PathBuf,

        /// The directory of the generated module; its files are replaced
        #[arg(short = 'o', long, value_name = "DIR", required_unless_present = "doc")]
        output: Option<PathBuf>,

        /// Write a reference of commands, events and types, in Markdown
        #[arg(long, value_name = "FILE")]
        doc: Option<PathBuf>,

        /// Write nothing; exit status 1 if a file is not what would be written
        #[arg(long)]
        check: bool,

        #[command(flatten)]
        symbols: Symbols,
    },

    /// Print what query-qmp-schema returns: the SchemaInfo array, as JSON
    Introspect {
        /// The schema's first file
        schema: PathBuf,

        #[command(flatten)]
        symbols: Symbols,
    },
}

#[derive(Debug, clap::Args)]
struct Symbols {
    /// A symbol that is defined: parts of the schema are there or not, depending on symbols
    #[arg(short = 'D', value_name = "SYMBOL")]
    defined: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Check { schema, dump } => with(&schema, |schema| {
            if dump {
                output::write(|out| out.write_all(dump::dump(schema).as_bytes()))?;
            }
            Ok(ExitCode::SUCCESS)
        }),
        Action::Gen {
            schema,
            output,
            doc,
            check,
            symbols,
        } => with(&schema, |schema| {
            let symbols = symbols.defined.into_iter().collect();
            let mut files = Vec::new();
            if let Some(directory) = output {
                let generated = generate::generate(schema, &symbols)?;
                files.extend(
                    generated
                        .into_iter()
                        .map(|file| (directory.join(file.name), file.text)),
                );
            }
            files.extend(doc.map(|file| (file, markdown::markdown(schema, &symbols))));
            if check {
                compare(&files)
            } else {
                write(&files)
            }
        }),
        Action::Introspect { schema, symbols } => with(&schema, |schema| {
            let infos = introspect::introspect(schema, &symbols.defined.into_iter().collect());
            let text = serde_json::to_string_pretty(&infos)?;
            output::write(|out| writeln!(out, "{text}"))?;
            Ok(ExitCode::SUCCESS)
        }),
    }
}

fn write(files: &[(PathBuf, String)]) -> anyhow::Result<ExitCode> {
    for (file, text) in files {
        let folder = file.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(files: &[(PathBuf, String)]) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for (file, text) in files {
        if small::read(file, small::DESCRIPTION).ok().as_deref() != Some(text.as_bytes()) {
            output::complain(&format!(
                "{} is stale: run the same without --check",
                file.display()
            ));
            code = ExitCode::from(DIFFERS);
        }
    }
    Ok(code)
}

/// Calls `then` with the checked schema. A fault in the schema is a result, and no error.
fn with(
    file: &Path,
    action: impl FnOnce(&Schema) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    match Schema::load(file) {
        Ok(schema) => action(&schema),
        Err(error) => {
            if error.at.is_none() {
                return Err(error.into());
            }
            // Without the prefix `rr:`, because editors look for FILE:LINE:COLUMN at the start of a
            // line.
            for line in error.to_string().lines() {
                let _ = writeln!(std::io::stderr().lock(), "{}", escaped(line));
            }
            Ok(ExitCode::from(REFUSED))
        }
    }
}
