//! What is said of a command line that asks for help, or makes no sense.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Answers a command line that asks for help, or makes no sense.
pub(crate) fn refuse(error: clap::Error) -> anyhow::Result<ExitCode> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let option = context(ContextKind::InvalidArg).unwrap_or("an argument");
    // "--from <POS>" is called --from; a positional argument has no other name than its own.
    let option = option.split(" <").next().unwrap_or(option);
    match error.kind() {
        // A bad value deserves one line that says what is right, not a page of usage.
        ErrorKind::ValueValidation => {
            let found = context(ContextKind::InvalidValue).unwrap_or_default();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| "it makes no sense".to_owned());
            // Our own types quote what they do not like; std's do not.
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
            // 0 for help and version, which go to standard output; 2 for the rest.
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
