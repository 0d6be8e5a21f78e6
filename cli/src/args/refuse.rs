//! The answer to a command line that asks for help, or that is not valid.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Prints help, or the error of a command line that is not valid.
pub(crate) fn refuse(error: clap::Error) -> anyhow::Result<ExitCode> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let option = context(ContextKind::InvalidArg).unwrap_or("an argument");
    // For "--from <POS>" the name is --from. A positional argument has only its own name.
    let option = option.split(" <").next().unwrap_or(option);
    match error.kind() {
        // A bad value gets one line that says which values are valid, and not a page of usage.
        ErrorKind::ValueValidation => {
            let found = context(ContextKind::InvalidValue).unwrap_or_default();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| "it makes no sense".to_owned());
            // Errors of our own types quote the value; those of std do not.
            let cause = match cause.contains(found) {
                true => cause,
                false => format!("`{found}`: {cause}"),
            };
            Err(anyhow!(cause).context(option.to_owned()))
        }
        ErrorKind::InvalidValue => {
            let found = context(ContextKind::InvalidValue).unwrap_or_default();
            let known = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(known)) => known.join(", "),
                _ => String::new(),
            };
            let cause = match (found, known.as_str()) {
                ("", _) => "it needs a value".to_owned(),
                (_, "") => format!("`{found}` makes no sense here"),
                _ => format!("`{found}` is none of {known}"),
            };
            Err(anyhow!(cause).context(option.to_owned()))
        }
        _ => {
            // 0 for help and version, which are printed to standard output; 2 for errors.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            match error.print() {
                Err(failed) if !error.use_stderr() => {
                    Err(crate::output::WriteFailed(failed).into())
                }
                _ => Ok(ExitCode::from(code)),
            }
        }
    }
}
