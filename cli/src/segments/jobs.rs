//! Verifies segments in parallel, in this process.

use std::num::NonZeroU16;
use std::path::Path;
use std::process::ExitCode;

use machine::Execution;
use rr::analysis::segments::{How, Verdict};
use rr::recording::Recording;

use super::{Choice, Part, conclude, segments, whole};
use crate::output;
use crate::output::outcome;
use crate::output::progress::InstructionProgress;

/// Verifies all segments, `jobs` at once.
pub(crate) fn verify(
    dir: &Path,
    jobs: NonZeroU16,
    execution: Execution,
) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(dir)?;
    recording.check_overlays(&output::notes())?;
    let segments = segments(&recording)?;
    let whole = whole(&recording, &segments)?;
    let mut progress = InstructionProgress::new();
    let how = How {
        execution,
        progress: Some(&mut |done| progress.at(done)),
        notes: output::notes(),
        ..How::default()
    };
    let verdicts = segments.side_by_side(jobs, how);
    drop(progress);
    let Some(verdicts) = verdicts? else {
        return Ok(outcome::interrupted("not verified"));
    };
    let cut = |verdict: &Verdict| matches!(verdict, Verdict::Same(replayed) if replayed.cut);
    if verdicts.iter().any(|(_, verdict)| cut(verdict)) {
        outcome::note_zeroes(&recording)?;
    }
    let of = verdicts.len() as u32;
    let parts = (1..).zip(verdicts).map(|(number, (segment, verdict))| {
        let choice = Choice { number, of };
        let part = Part::of(whole.clone(), choice, &segment).with(verdict);
        (format!("segment {number}/{of}"), part)
    });
    conclude(parts.collect())
}
