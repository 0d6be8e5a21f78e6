//! The result of a run, for people and as exit status.

use machine::Icount;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use replay_format::ShutdownCause;
use rr::divergence::Divergence;
use rr::error::Error;
use rr::host::signals::{self, SIGINT};
use rr::recording::evidence::Unchecked;
use rr::recording::{LOG, Recording};
use rr::run::report::Finish;
use rr::run::report::Report;

use crate::output;

/// The guest has reported a failure, through the test finisher or the host-target interface.
const GUEST_FAILED: u8 = 3;
/// The replay differs from the recording.
const DIVERGED: u8 = 1;

/// An error of rr or the host.
const TROUBLE: u8 = 2;

/// The time for the run is over, as with timeout(1).
const TIMED_OUT: u8 = 124;

/// What is added to the number of the signal that stopped the work.
const SIGNALLED: u8 = 128;

/// A part of the recording could not be checked, and the rest is equal.
pub(crate) const UNCHECKED: u8 = 4;

/// Exit status of a run, a recording or a replay. Lost output and an interrupted replay are errors.
/// `guest`: a failure of the guest counts too.
pub(crate) fn status(report: &Report, guest: bool) -> ExitCode {
    for broken in &report.broken_devices {
        output::note(broken);
    }
    if let Some(cause) = &report.lost_output {
        output::complain(&format!(
            "serial output was lost: {cause}; the run itself went on, and a recording of it is \
             whole"
        ));
        return ExitCode::from(TROUBLE);
    }
    match report.finish {
        Finish::TimedOut => ExitCode::from(TIMED_OUT),
        Finish::Interrupted => by_signal(),
        Finish::Shutdown {
            cause: ShutdownCause::HostSignal,
            ..
        } if guest => by_signal(),
        _ if !guest => ExitCode::SUCCESS,
        Finish::Shutdown {
            cause: ShutdownCause::GuestPanic,
            ..
        } => ExitCode::from(GUEST_FAILED),
        _ => ExitCode::SUCCESS,
    }
}

/// True if this run ends because a signal asked for it.
static BY_SIGNAL: AtomicBool = AtomicBool::new(false);

/// Reports that a signal has interrupted the work. `undone` says what was not done.
pub(crate) fn interrupted(undone: &str) -> ExitCode {
    output::complain(&format!("{}: {undone}", stopped()));
    by_signal()
}

/// True if the work was cancelled by a signal.
pub(crate) fn is_cancelled(error: &anyhow::Error) -> bool {
    let cancelled = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(Error::Cancelled))
    };
    signals::last().is_some() && error.chain().any(cancelled)
}

/// What stopped the work, as text.
fn stopped() -> String {
    match signals::last() {
        Some((SIGINT, name)) => format!("stopped by {name} (Ctrl-C)"),
        Some((_, name)) => format!("stopped by {name}"),
        None => "stopped".to_owned(),
    }
}

/// Exit status of work that a signal has stopped: 128 and its number, as shells count.
fn by_signal() -> ExitCode {
    BY_SIGNAL.store(true, Ordering::Relaxed);
    let number = signals::last().and_then(|(number, _)| u8::try_from(number).ok());
    ExitCode::from(number.map_or(TROUBLE, |number| SIGNALLED + number))
}

/// Ends the process as SIGINT does, if that has stopped the work: a shell then ends its loop, too.
pub(crate) fn end_as_interrupted() {
    if let (true, Some((SIGINT, _))) = (BY_SIGNAL.load(Ordering::Relaxed), signals::last()) {
        signals::end_by(SIGINT);
    }
}

/// How the run ended, as text.
pub(crate) fn finish(report: &Report) -> String {
    ending(report.finish)
}

/// How a run ended, as text, without a report.
pub(crate) fn ending(finish: Finish) -> String {
    match finish {
        Finish::Shutdown { cause, code } => match cause {
            ShutdownCause::GuestShutdown => "the guest powered off".to_owned(),
            ShutdownCause::GuestPanic => format!("the guest reported failure, code {code}"),
            // A replay that no signal has stopped itself tells what the log says.
            ShutdownCause::HostSignal if signals::last().is_some() => stopped(),
            ShutdownCause::HostSignal => "stopped by a signal".to_owned(),
            ShutdownCause::HostQmp => "ended from the monitor".to_owned(),
            ShutdownCause::HostUi => "stopped by the user".to_owned(),
            _ => format!("shut down ({cause:?})"),
        },
        Finish::LogCut => "the recording was cut off here: its last whole event".to_owned(),
        Finish::Reached => "the position is reached".to_owned(),
        Finish::TimedOut => "the time is over".to_owned(),
        Finish::Interrupted => stopped(),
        Finish::Quit => "ended from the monitor".to_owned(),
    }
}

/// Instructions and virtual time of a run, as text.
pub(crate) fn extent(report: &Report) -> String {
    length(report.icount, report.virtual_time)
}

/// Instructions and virtual time (ns), as text.
pub(crate) fn length(icount: Icount, virtual_time: u64) -> String {
    let time = Duration::from_nanos(virtual_time);
    format!(
        "{} instructions, {time:.3?} of virtual time",
        thousands(icount.get())
    )
}

/// The result of verifying a recording.
pub(crate) struct Verified<'a> {
    /// Instructions executed.
    pub(crate) icount: Icount,
    /// Virtual time in ns.
    pub(crate) virtual_time: u64,
    /// The numbers of digests that were equal, and that were recorded.
    pub(crate) digests: (u64, u64),
    /// Digest of the last state, in hexadecimal.
    pub(crate) digest: &'a str,
    /// True if the recording was cut off, and ends at its last whole event.
    pub(crate) cut: bool,
    /// What could not be checked.
    pub(crate) unchecked: Option<Unchecked>,
}

/// Prints the result of `rr verify`. Returns its exit status.
pub(crate) fn verified(verified: &Verified<'_>) -> Result<ExitCode, output::WriteFailed> {
    let cut = match verified.cut {
        true => "; the recording was cut off there, at its last whole event",
        false => "",
    };
    let reason = verified.unchecked.map(lack).filter(|_| !verified.cut);
    let reason = reason.map_or(String::new(), |reason| format!("; {reason}"));
    output::write(|out| {
        writeln!(
            out,
            "{}: {}, {} of {} state digests equal, final digest {}{cut}{reason}",
            checked(verified.unchecked),
            length(verified.icount, verified.virtual_time),
            verified.digests.0,
            verified.digests.1,
            verified.digest
        )
    })?;
    Ok(checked_status(verified.unchecked))
}

/// How much was checked, as the first words of a result.
pub(crate) fn checked(unchecked: Option<Unchecked>) -> String {
    match unchecked {
        None => "verified".to_owned(),
        Some(Unchecked::Behind(icount)) => {
            format!("unchecked behind icount {}", thousands(icount.get()))
        }
        Some(Unchecked::Log | Unchecked::Digests(_)) => "unchecked in part".to_owned(),
    }
}

/// Exit status of a check that found no difference.
pub(crate) fn checked_status(unchecked: Option<Unchecked>) -> ExitCode {
    unchecked.map_or(ExitCode::SUCCESS, |_| ExitCode::from(UNCHECKED))
}

/// Says that the log of a recording that was cut off ends in zeroes, if it does.
pub(crate) fn note_zeroes(recording: &Recording) -> Result<(), Error> {
    if let Some(error) = recording.zeroes()? {
        let path = recording.path(LOG);
        output::note(&format!("{}: {error}", path.display()));
    }
    Ok(())
}

/// Why something could not be checked.
pub(crate) fn lack(unchecked: Unchecked) -> String {
    match unchecked {
        Unchecked::Behind(_) => "the recording has no digest of its last state".to_owned(),
        Unchecked::Log => "the recording has no checksum of its log, so an input that leaves no \
             trace in the state may be another"
            .to_owned(),
        Unchecked::Digests(count) => format!("{} state digests are missing", thousands(count)),
    }
}

/// The number with a comma before every third digit.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints a divergence. Returns its exit status.
pub(crate) fn diverged(divergence: &Divergence) -> ExitCode {
    output::complain(&divergence.to_string());
    ExitCode::from(DIVERGED)
}

/// Turns a divergence into an exit status, after printing it. Other errors are passed on.
pub(crate) fn or_diverged<T>(result: Result<T, Error>) -> anyhow::Result<Result<T, ExitCode>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Diverged(divergence)) => Ok(Err(diverged(&divergence))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands() {
        let text = |number| super::thousands(number);
        assert_eq!((text(0).as_str(), text(999).as_str()), ("0", "999"));
        assert_eq!(
            (text(1000).as_str(), text(1_234_567).as_str()),
            ("1,000", "1,234,567")
        );
    }
}
