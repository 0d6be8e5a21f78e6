//! The facts about a run that its log does not hold: virtual time from a replay, snapshots, pace.

use machine::Icount;
use std::process::ExitCode;

use replay_format::{Checkpoint, Event, Log};
use rr::error::Error;
use rr::host::serial::Backend;
use rr::recording::Recording;
use rr::recording::snapshot::Store;
use rr::run::report::Finish;

use super::gather::{Listed, Source};
use crate::args::input::Input;
use crate::export::time::{IdleTimes, Times, idle_before};
use crate::output::outcome;
use crate::output::report::one_line;
use crate::output::{self, words};
use crate::replayed::watched;

/// Gathers the facts. If a recording cannot be replayed, the user is told why, and it is drawn all
/// the same. The exit status is that of the replay.
pub(super) fn of<'l>(input: &Input, log: &'l Log<'l>) -> anyhow::Result<(Source<'l>, ExitCode)> {
    let mut source = Source {
        title: input.title(),
        made: log.table().name().to_owned(),
        log,
        from: Icount::ZERO,
        times: None,
        paces: Vec::new(),
        snapshots: None,
        left: None,
    };
    let recording = match input.recording() {
        Ok(Some(recording)) => recording,
        Ok(None) => return Ok((source, ExitCode::SUCCESS)),
        Err(error) => {
            untimed(&error);
            return Ok((source, ExitCode::SUCCESS));
        }
    };
    let manifest = &recording.manifest;
    source.made = format!("rr {}", manifest.rr_version);
    let slice = manifest.slice.as_ref();
    source.from = slice.map_or(Icount::ZERO, |range| range.from);
    match recording.pace() {
        Ok(paces) => source.paces = paces.unwrap_or_default(),
        Err(error) => {
            let error = words::of(&error);
            output::note(&format!("{error}; the speed of the host is not drawn"));
        }
    }
    source.snapshots = Some(snapshots(&recording)?);
    let code = replayed(&recording, &mut source)?;
    Ok((source, code))
}

fn snapshots(recording: &Recording) -> anyhow::Result<Vec<Listed>> {
    let list = Store::of(recording.dir()).list()?.into_iter();
    let known = list.map(|listed| {
        let snapshot = listed.snapshot;
        let place = snapshot.map(|snapshot| (snapshot.icount, snapshot.virtual_time));
        (listed.name, place.map_err(|error| words::of(&error)))
    });
    Ok(known.collect())
}

/// Replays the recording for its virtual time.
fn replayed(recording: &Recording, source: &mut Source<'_>) -> anyhow::Result<ExitCode> {
    let machine = &recording.manifest.machine;
    let mut idle = IdleTimes(Vec::new());
    let result = watched(recording, &Backend::Null, &mut idle);
    let mut code = ExitCode::SUCCESS;
    // A fault that is found at the end of a replay does not change the virtual times.
    let mut known = true;
    match result {
        Ok(report) if report.finish == Finish::Interrupted => {
            return Err(Error::Cancelled.into());
        }
        Ok(report) => code = outcome::status(&report, false),
        Err(Error::Diverged(divergence)) => {
            code = outcome::diverged(&divergence);
            source.left = Some(divergence);
        }
        Err(error) => {
            known = idle.0.len() == warps(source.log) && machine.check().is_ok();
            let error = anyhow::Error::new(error).context("the recording is replayed for this");
            match known {
                true => output::note(&one_line(&error)),
                false => untimed(&error),
            }
        }
    }
    if known {
        source.times = Some(Times {
            shift: machine.icount.shift,
            idle: idle.0,
            before: idle_before(recording)?,
        });
    }
    Ok(code)
}

fn untimed(error: &anyhow::Error) {
    output::note(&format!("{}; drawn over instructions", one_line(error)));
}

/// The number of times that the machine idles, by the log.
fn warps(log: &Log<'_>) -> usize {
    let warp = Event::Checkpoint(Checkpoint::ClockWarpStart);
    let events = log.events().map_while(Result::ok);
    events.filter(|record| record.event == warp).count()
}
