//! `rr demo`: shows recording and replaying with a bundled guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use rr::host::map::MappedFile;
use rr::host::serial::Backend;
use rr::host::small;
use rr::recording::options::{MachineOptions, fresh_seed};
use rr::recording::{LOG, Recording};
use rr::run::open::ReplayOptions;
use rr::run::report::Finish;
use rr::run::snapshots::Plan;
use rr::session::context::RunContext;
use rr::session::launch::{self, DIGEST_INTERVAL, RecordTo};

use crate::output;
use crate::output::outcome::{self, thousands};
use crate::replayed::replayed;

/// samples/clock: reads the host's clock and takes timer interrupts.
const GUEST: &[u8] = include_bytes!("../../../samples/bin/clock.elf");

/// Records, replays and verifies a bundled guest, and says what to try next
///
/// The guest asks the real-time clock what time it is, so no two runs of it are the same; but its
/// recording always replays as it was.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the guest and its recording go; by default a directory of yours under the system's
    /// temporary one
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let dir = args.directory.clone().unwrap_or_else(default_dir);
    fs::create_dir_all(&dir).with_context(|| format!("{}: cannot create it", dir.display()))?;
    let guest = dir.join("clock.elf");
    fs::write(&guest, GUEST)
        .with_context(|| format!("{}: cannot write the guest", guest.display()))?;
    let rec = dir.join("clock.rr");
    let (first, second) = (dir.join("recorded.txt"), dir.join("replayed.txt"));

    let recorded = launch::run(
        &options(&guest)?,
        &Backend::File(first.clone()),
        Some(&RecordTo {
            dir: &rec,
            overwrite: true,
            digest_interval: DIGEST_INTERVAL,
            sync: true,
            plan: Plan::recording(),
        }),
        RunContext::default(),
    )?;
    let log = MappedFile::open(&rec.join(LOG))?.len() as u64;
    let console = read(&first)?;
    say(&format!(
        "1. Recorded a guest that asks for the time: {}, {} bytes of log.\n{}",
        outcome::extent(&recorded),
        thousands(log),
        indented(&console)
    ))?;
    if !matches!(recorded.finish, Finish::Shutdown { .. }) {
        bail!(
            "the guest did not power off: {}",
            outcome::finish(&recorded)
        );
    }

    let recording = Recording::open(&rec)?;
    let how = ReplayOptions::default();
    let serial = Backend::File(second.clone());
    let replayed = match replayed(&recording, &how, &serial, RunContext::default())? {
        Ok(report) => report,
        Err(code) => return Ok(code),
    };
    if read(&second)? != console {
        bail!(
            "{} and {} differ: please report it",
            first.display(),
            second.display()
        );
    }
    say(&format!(
        "2. Replayed it: {}. It printed the same {} bytes, the recorded time among them.\n\n\
         3. Verified: {} of {} state digests equal; final digest {}.\n",
        outcome::extent(&replayed),
        console.len(),
        replayed.digests_checked,
        recording.digests()?.len(),
        replayed.digest
    ))?;
    let rec = rec.display();
    say(&format!(
        "Try next:\n  \
         rr replay {rec}            # the time stands still\n  \
         rr verify {rec}\n  \
         rr inspect {rec}           # what the recording holds\n  \
         rr dump {rec} --limit 20   # event by event\n  \
         rr record --kernel samples/bin/echo.elf -o echo.rr   # type to it; `quit` ends it"
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn options(guest: &Path) -> anyhow::Result<MachineOptions> {
    Ok(MachineOptions {
        memory: 32 << 20,
        kernel: Some(guest.to_owned()),
        rng_seed: fresh_seed()?,
        ..MachineOptions::default()
    })
}

fn default_dir() -> PathBuf {
    let user = std::env::var("USER").unwrap_or_else(|_| "user".to_owned());
    std::env::temp_dir().join(format!("rr-demo-{user}"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = small::read(path, small::DESCRIPTION)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("     | {line}\n"))
        .collect()
}

fn say(text: &str) -> anyhow::Result<()> {
    output::write(|out| writeln!(out, "{text}"))?;
    Ok(())
}
