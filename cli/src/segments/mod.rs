//! `rr verify` in segments: verifies one of them, or joins the results of all.

pub(crate) mod jobs;
mod join;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use machine::{Execution, Icount};
use rr::analysis::segments::{How, Segment, Segments, Verdict, identity};
use rr::host::small;
use rr::recording::Recording;
use rr::recording::evidence::{Evidence, Unchecked};

use serde::{Deserialize, Serialize};

use crate::output::outcome::{self, thousands};
use crate::output::progress::InstructionProgress;
use crate::output::{self, report, words};

/// The version of [`Part`].
const VERSION: u32 = 1;

/// The help text of `rr verify` about [`Part`].
pub(crate) const SCHEMA: &str = include_str!("schema.txt");

/// The result of one segment; the members are documented in [`SCHEMA`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    schema: u32,
    recording: Whole,
    segment: u32,
    of: u32,
    from: Icount,
    to: Icount,
    start: Option<String>,
    stop: Option<String>,
    start_digest: Option<String>,
    end_digest: Option<String>,
    began: Icount,
    digests: u64,
    virtual_time_ns: Option<u64>,
    result: Outcome,
    divergence: Option<String>,
    cut: bool,
}

/// The recording that the segment is a part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Whole {
    blake3: String,
    digests: u64,
    from: Icount,
    to: Icount,
    /// A result of an earlier rr does not say it, and so vouches for nothing.
    #[serde(default)]
    evidence: Evidence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Same,
    Diverged,
    Empty,
}

/// The version alone. It tells a result of another version from a file that is no result.
#[derive(Deserialize)]
struct VersionOnly {
    schema: u32,
}

/// The argument `I/N`: segment I of N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    number: u32,
    of: u32,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/');
        let parsed = parsed.and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self {
                number: u16::into(number),
                of: u16::into(of),
            }),
            _ => Err(format!(
                "expected I/N, with I from 1 to N, and N at most {}, as in 2/8",
                u16::MAX
            )),
        }
    }
}

impl Part {
    fn of(recording: Whole, choice: Choice, segment: &Segment) -> Self {
        let name = |at: &Option<rr::recording::snapshot::Snapshot>| Some(at.as_ref()?.name.clone());
        let digest =
            |at: &Option<rr::recording::snapshot::Snapshot>| Some(at.as_ref()?.digest.clone());
        Self {
            schema: VERSION,
            recording,
            segment: choice.number,
            of: choice.of,
            from: segment.from,
            to: segment.to,
            start: name(&segment.start),
            stop: name(&segment.stop),
            start_digest: digest(&segment.start),
            end_digest: digest(&segment.stop),
            began: segment.from,
            digests: 0,
            virtual_time_ns: None,
            result: Outcome::Empty,
            divergence: None,
            cut: false,
        }
    }

    fn with(self, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Same(replayed) => Self {
                to: replayed.icount,
                end_digest: Some(replayed.digest),
                began: replayed.began,
                digests: replayed.digests,
                virtual_time_ns: Some(replayed.virtual_time),
                result: Outcome::Same,
                cut: replayed.cut,
                ..self
            },
            Verdict::Diverged(divergence) => Self {
                result: Outcome::Diverged,
                divergence: Some(divergence.to_string()),
                ..self
            },
        }
    }

    fn status(&self) -> ExitCode {
        match self.result {
            Outcome::Diverged => ExitCode::from(1),
            Outcome::Empty => ExitCode::SUCCESS,
            Outcome::Same => outcome::checked_status(self.unchecked()),
        }
    }

    /// What could not be checked in this segment. Its end is checked by the state of its snapshot,
    /// and only the last segment has none.
    fn unchecked(&self) -> Option<Unchecked> {
        let unchecked = self.recording.evidence.unchecked();
        unchecked.filter(|unchecked| match unchecked {
            Unchecked::Behind(_) => self.segment == self.of,
            Unchecked::Log | Unchecked::Digests(_) => true,
        })
    }

    fn print(&self) -> Result<(), output::WriteFailed> {
        let place = format!(
            "segment {} of {}, from icount {} to {}",
            self.segment,
            self.of,
            thousands(self.from.get()),
            thousands(self.to.get())
        );
        match (self.result, &self.divergence) {
            (Outcome::Diverged, divergence) => {
                let divergence = divergence.as_deref().unwrap_or_default();
                output::complain(&format!("{place}: {divergence}"));
                Ok(())
            }
            (Outcome::Empty, _) => output::write(|out| {
                writeln!(
                    out,
                    "empty: {place}: there are fewer snapshots than segments"
                )
            }),
            (Outcome::Same, _) => output::write(|out| {
                let digest = self.end_digest.as_deref().unwrap_or_default();
                let reason = self.unchecked().map(outcome::lack);
                let reason = reason.map_or(String::new(), |reason| format!("; {reason}"));
                writeln!(
                    out,
                    "{}: {place}, {} state digests equal, digest at its end {digest}{reason}",
                    outcome::checked(self.unchecked()),
                    self.digests
                )
            }),
        }
    }
}

fn whole(recording: &Recording, segments: &Segments<'_>) -> anyhow::Result<Whole> {
    Ok(Whole {
        blake3: identity(recording)?,
        digests: recording.digests()?.len() as u64,
        from: segments.first,
        to: segments.end,
        evidence: recording.evidence(segments.end)?,
    })
}

/// The segments of a recording. The user is told of snapshots that cannot be used.
fn segments(recording: &Recording) -> anyhow::Result<Segments<'_>> {
    let segments = Segments::of(recording)?;
    for damaged in &segments.damaged {
        output::note(&format!("{}; it is not used", words::of(damaged)));
    }
    Ok(segments)
}

/// Verifies one segment, and prints its result.
pub(crate) fn verify_one(
    dir: &Path,
    choice: Choice,
    execution: Execution,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(dir)?;
    if choice.number == 1 {
        // No replay needs them, so once is enough.
        recording.check_overlays(&output::notes())?;
    }
    let segments = segments(&recording)?;
    let segment = segments.nth(choice.number, choice.of);
    let mut part = Part::of(whole(&recording, &segments)?, choice, &segment);
    if !segment.empty {
        let mut progress = InstructionProgress::new();
        let how = How {
            execution,
            progress: Some(&mut |done| progress.at(done)),
            notes: output::notes(),
            ..How::default()
        };
        let verdict = segments.replay(&segment, how);
        drop(progress);
        match verdict? {
            Some(verdict) => part = part.with(verdict),
            None => return Ok(outcome::interrupted("not verified")),
        }
    }
    if json {
        let text = report::json(&part)?;
        output::write(|out| writeln!(out, "{text}"))?;
    } else {
        part.print()?;
    }
    Ok(part.status())
}

/// Joins the results of these files.
pub(crate) fn merge_files(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let text = small::read(path, small::DESCRIPTION)?;
        Ok((name.clone(), parse(&text).context(name)?))
    };
    let parts = files.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    conclude(parts)
}

fn parse(text: &[u8]) -> anyhow::Result<Part> {
    let wrong = "is no result of `rr verify --segment I/N --json`; make it anew";
    let VersionOnly { schema } = serde_json::from_slice(text).context(wrong)?;
    anyhow::ensure!(
        schema == VERSION,
        "schema {schema}; this rr reads {VERSION}: use the rr that made it"
    );
    serde_json::from_slice(text).context(wrong)
}

/// Prints the joined result.
fn conclude(parts: Vec<(String, Part)>) -> anyhow::Result<ExitCode> {
    Ok(match join::join(parts)? {
        join::Joined::Same(part, digests) => {
            let digest = part.end_digest.as_deref().unwrap_or_default();
            outcome::verified(&outcome::Verified {
                icount: part.to,
                virtual_time: part.virtual_time_ns.unwrap_or_default(),
                digests: (digests, part.recording.digests),
                digest,
                cut: part.cut,
                unchecked: part.recording.evidence.unchecked(),
            })?
        }
        join::Joined::Diverged(parts) => {
            for part in &parts {
                part.print()?;
            }
            ExitCode::from(1)
        }
    })
}
