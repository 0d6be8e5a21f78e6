//! Segments side by side: each in a process of its own, of this program.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rr::host::signals;
use rr::recording::Recording;
use rr::segment::{Segment, Segments};

use super::{Choice, Part, conclude, parse, whole};
use crate::output;
use crate::progress::InstructionProgress;

/// Segments for each job: so none waits long for one that takes longer.
const EACH: u16 = 2;
/// From one look at the processes to the next.
const LOOK: Duration = Duration::from_millis(10);

/// A process that verifies a segment; killed if it is dropped before its end.
struct Job {
    choice: Choice,
    length: u64,
    child: Child,
    out: File,
    err: File,
}

impl Drop for Job {
    fn drop(&mut self) {
        // It may have ended: then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Verifies all segments, so many at once.
pub(crate) fn verify(dir: &Path, jobs: NonZeroU16) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(dir)?;
    let segments = Segments::of(&recording)?;
    let whole = whole(&recording, &segments)?;
    let of = jobs.get().saturating_mul(EACH);
    let (mut waiting, mut parts) = (Vec::new(), Vec::new());
    for number in (1..=of).rev() {
        let (choice, segment) = (Choice { number, of }, segments.nth(number, of));
        match segment.empty {
            true => parts.push((name(choice), Part::of(whole.clone(), choice, &segment))),
            false => waiting.push((choice, segment)),
        }
    }
    let signals = signals::catch().context("signals")?;
    signals.set_nonblocking(true).context("signals")?;
    let mut progress = InstructionProgress::new();
    let (mut running, mut done) = (Vec::<Job>::new(), 0);
    let mut said = BTreeSet::new();
    loop {
        if (&signals).read(&mut [0]).is_ok() {
            drop(progress);
            output::complain("stopped by a signal: not verified");
            return Ok(ExitCode::from(2));
        }
        while running.len() < usize::from(jobs.get())
            && let Some((choice, segment)) = waiting.pop()
        {
            running.push(Job::start(dir, choice, &segment)?);
        }
        if running.is_empty() {
            break;
        }
        let mut ended = Vec::new();
        for at in (0..running.len()).rev() {
            if let Some(status) = running[at].child.try_wait().context("a segment")? {
                ended.push((running.swap_remove(at), status));
            }
        }
        for (mut job, status) in ended {
            done += job.length;
            match job.part(status, &mut said)? {
                Some(part) => parts.push((name(job.choice), part)),
                None => return Ok(ExitCode::from(2)),
            }
        }
        progress.at(done);
        thread::sleep(LOOK);
    }
    drop(progress);
    conclude(parts)
}

fn name(choice: Choice) -> String {
    format!("segment {}/{}", choice.number, choice.of)
}

impl Job {
    fn start(dir: &Path, choice: Choice, segment: &Segment) -> anyhow::Result<Self> {
        let file = || tempfile::tempfile().context("a temporary file");
        let (out, err) = (file()?, file()?);
        let copy = |file: &File| file.try_clone().context("a temporary file");
        let program = std::env::current_exe().context("find this program")?;
        let mut command = Command::new(program);
        command.arg("verify").arg("--json").arg("--segment");
        command.arg(format!("{}/{}", choice.number, choice.of));
        command.arg("--").arg(dir);
        command.stdin(Stdio::null());
        command.stdout(copy(&out)?).stderr(copy(&err)?);
        let child = command.spawn().context("start this program anew")?;
        let length = segment.to - segment.from.min(segment.to);
        Ok(Self {
            choice,
            length,
            child,
            out,
            err,
        })
    }

    /// The result; `None`: there was trouble, which is told. What several say is passed on once.
    fn part(
        &mut self,
        status: ExitStatus,
        said: &mut BTreeSet<String>,
    ) -> anyhow::Result<Option<Part>> {
        let read = |file: &mut File| -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            file.rewind()?;
            file.read_to_end(&mut bytes).map(|_| bytes)
        };
        let text = read(&mut self.err).with_context(|| name(self.choice))?;
        for line in String::from_utf8_lossy(&text).lines() {
            if !said.insert(line.to_owned()) {
                continue;
            }
            let line = line.strip_prefix("rr: ").unwrap_or(line);
            match line.strip_prefix("note: ") {
                Some(note) => output::note(note),
                None => output::complain(line),
            }
        }
        match status.code() {
            Some(0 | 1) => {}
            Some(_) => return Ok(None),
            None => anyhow::bail!("{}: its process was killed: {status}", name(self.choice)),
        }
        let text = read(&mut self.out).with_context(|| name(self.choice))?;
        parse(&text).with_context(|| name(self.choice)).map(Some)
    }
}
