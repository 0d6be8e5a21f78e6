//! `rr diff REC`: compares a recording with its own replay.

use std::process::ExitCode;

use anyhow::bail;
use machine::{Fault, Icount};
use rr::analysis::bisect::{Bisection, Ending, Known, Source, bisect, replayed};
use rr::analysis::diff::Bracket;
use rr::recording::evidence::Unchecked;
use serde_json::json;

use crate::args::input::Input;
use crate::diff::bisect::{self, ended};
use crate::diff::paint::Paint;
use crate::output::outcome::{self, thousands};
use crate::output::{self, report};

/// Replays the recording, and bisects if its states are not the recorded ones; with `closely` in
/// any case. `fault`: an instruction that gives a wrong result, for tests.
pub(crate) fn run(
    input: &Input,
    fault: Option<Fault>,
    closely: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let Some(recording) = input.recording()? else {
        bail!(
            "{}: is a log: name another to compare it with",
            input.title()
        );
    };
    let log = input.log()?;
    recording.check_log(input.bytes())?;
    let plain = Source {
        recording: &recording,
        log: &log,
        fault: None,
        notes: &output::notes(),
    };
    let replay = Source { fault, ..plain };
    let (digests, ending) = replayed(replay, &recording.digests()?)?;
    let unchecked = recording
        .evidence(Icount::new(log.end().icount))?
        .unchecked();
    // A replay that ends because the log was cut off or the run is over is as long as the
    // recording.
    let diverged = ending.filter(|ending| matches!(ending, Ending::Diverged(_)));
    let differs = digests.differ_at.is_some() || diverged.is_some();
    let given = Known {
        // A difference that is gone again at the next digest can be anywhere.
        known: if differs { digests } else { Bracket::default() },
        part: None,
        closely,
    };
    let bisection = match differs || fault.is_some() || closely {
        true => Some(bisect([plain, replay], given)?),
        false => None,
    };
    let parted = bisection
        .as_ref()
        .is_some_and(|bisection| bisection.difference.is_some());
    let same = !differs && !parted;
    output::write(|out| {
        if json {
            let mut object = json!({
                "schema": 1,
                "same": same,
                "digests": digests,
                "ended": diverged.as_ref().map(ended),
                "unchecked_behind": match unchecked {
                    Some(Unchecked::Behind(icount)) => Some(icount),
                    _ => None,
                },
                "hunt": bisection.as_ref().map(crate::diff::json::bisection).transpose()?,
            });
            if fault.is_some() {
                let fault_at = bisection.as_ref().and_then(|bisection| bisection.fault_at);
                object["fault_at"] = fault_at.map(Icount::get).into();
            }
            write!(out, "{}", report::json(&object)?)?;
            return writeln!(out);
        }
        for line in words(digests, diverged.as_ref(), bisection.as_ref()) {
            writeln!(out, "{line}")?;
        }
        if let Some(unchecked) = unchecked.filter(|_| same) {
            let (what, why) = (outcome::checked(Some(unchecked)), outcome::lack(unchecked));
            writeln!(out, "{what}: {why}")?;
        }
        match &bisection {
            Some(bisection) => bisect::print(bisection, Paint(output::is_colourful()), out),
            None => Ok(()),
        }
    })?;
    Ok(match same {
        true => outcome::checked_status(unchecked),
        false => ExitCode::from(1),
    })
}

fn words(
    digests: Bracket,
    diverged: Option<&Ending>,
    bisection: Option<&Bisection<'_>>,
) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match (digests.differ_at, digests.same_at) {
        (Some(to), Some(from)) => format!(
            "the replay leaves the recorded states between icount {} and {}",
            thousands(from.get()),
            thousands(to.get())
        ),
        (Some(to), None) => format!(
            "the replay leaves the recorded states before icount {}",
            thousands(to.get())
        ),
        (None, _) => format!(
            "the replay has the recorded states: {} of {0} digests equal",
            digests.compared
        ),
    });
    if let Some(ending) = diverged {
        lines.push(format!("it {}", ended(ending)));
    }
    let agree = bisection.is_some_and(|bisection| bisection.difference.is_none());
    if agree && (digests.differ_at.is_some() || diverged.is_some()) {
        lines.push(
            "two replays of it agree: what differs is between this machine and the one that \
            recorded"
                .to_owned(),
        );
    }
    lines
}
