//! `rr export`: writes the content of a log or a recording in the formats of other tools.

use machine::Icount;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use rr::error::Error;
use rr::host::serial::Backend;
use rr::recording::Recording;
use rr::run::observe::{Observation, Observer};
use rr::run::report::Finish;

use crate::args::input::Input;
use crate::export::pcap::Capture;
use crate::export::time::{IdleTimes, Times, idle_before};
use crate::export::{chrome, pcap, serial};
use crate::output;
use crate::output::outcome::{self, thousands};
use crate::output::outfile::{OutFile, Overwrite};
use crate::replayed::watched;

/// Write what a log or a recording holds for Wireshark, Perfetto, or as text
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Writes what a log or a recording holds as files for other tools. A recording is \
    replayed for it, once: so its virtual time is known, what the guest printed, and the frames \
    that it sent. Of a bare log only what is in it can be written, and the instruction count \
    stands for time.",
    after_long_help = "\
Examples:
  rr export boot.rr --pcap boot.pcapng --chrome-trace boot.json
  tshark -r boot.pcapng                      the frames; icounts are in the packets' comments
  rr export boot.rr --console - | less       what the guest printed
  rr export boot.rr/replay.bin --console typed.txt     what was typed

boot.json opens in ui.perfetto.dev. `rr replay boot.rr --until ICOUNT` goes to a
place that is found there."
)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub(crate) struct Args {
    /// A recording's directory, or an event log
    #[arg(value_name = "REC|LOG")]
    input: PathBuf,

    /// Network frames, as pcapng: an interface for each adapter. Of a recording both ways, of a log
    /// those that came from outside
    #[arg(long, value_name = "FILE", group = "what")]
    pcap: Option<PathBuf>,

    /// Of a recording what the guest printed on its serial port, of a log the serial input that it
    /// holds
    #[arg(long, value_name = "FILE", group = "what")]
    console: Option<PathBuf>,

    /// All events and idle times, as a trace for Perfetto
    #[arg(long, value_name = "FILE", group = "what")]
    chrome_trace: Option<PathBuf>,

    #[command(flatten)]
    overwrite: Overwrite,
}

/// The files that are being written.
struct Files {
    pcap: Option<OutFile>,
    console: Option<OutFile>,
    chrome: Option<OutFile>,
}

impl Files {
    fn keep(self) -> anyhow::Result<()> {
        [self.pcap, self.console, self.chrome]
            .into_iter()
            .flatten()
            .try_for_each(OutFile::keep)
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let input = Input::open(&args.input)?;
    let recording = input.recording()?;
    let names = [&args.pcap, &args.console, &args.chrome_trace];
    if let Some(name) = named_twice(&names) {
        bail!("{}: only one of them can be written there", name.display());
    }
    let create = |name: &Option<PathBuf>| {
        let file = name
            .as_ref()
            .map(|name| OutFile::create(name, args.overwrite));
        file.transpose()
    };
    let files = Files {
        pcap: create(&args.pcap)?,
        console: create(&args.console)?,
        chrome: create(&args.chrome_trace)?,
    };
    let code = match recording {
        Some(recording) => of_recording(&input, &recording, &files)?,
        None => of_log(&input, &files)?,
    };
    if code == ExitCode::SUCCESS {
        files.keep()?;
    }
    Ok(code)
}

/// The file name that stands twice, if one does.
fn named_twice<'a>(names: &[&'a Option<PathBuf>]) -> Option<&'a PathBuf> {
    let mut names = names.iter().filter_map(|name| name.as_ref());
    while let Some(name) = names.next() {
        if names.clone().any(|other| other == name) {
            return Some(name);
        }
    }
    None
}

fn of_log(input: &Input, files: &Files) -> anyhow::Result<ExitCode> {
    let log = input.log()?;
    if let Some(file) = &files.pcap {
        let frames = file.write(|out| pcap::of_log(&log, out))?;
        output::note(&format!("{}: {} frames", file.name(), thousands(frames)));
    }
    if let Some(file) = &files.console {
        let devices = file.write(|out| serial::of_log(&log, out))?;
        for (device, bytes) in &devices {
            let device = device.map_or("an unnamed device".to_owned(), |id| format!("device {id}"));
            let bytes = thousands(*bytes);
            output::note(&format!(
                "{}: {bytes} bytes of serial input to {device}",
                file.name()
            ));
        }
        if devices.is_empty() {
            output::note(&format!("{}: no serial input is in the log", file.name()));
        }
    }
    if let Some(file) = &files.chrome {
        let title = format!("{} (1 ns is 1 instruction)", input.name());
        let events = file.write(|out| chrome::write(&log, None, &title, out))?;
        output::note(&format!("{}: {} events", file.name(), thousands(events)));
    }
    match log.error() {
        Some(error) if !error.is_truncated() => Err(anyhow!(error.clone()).context(input.name())),
        Some(error) => {
            output::note(&format!("{}: {error}", input.name()));
            Ok(ExitCode::SUCCESS)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Takes the data of the exports from a replay.
struct Taken<W: std::io::Write> {
    capture: Option<Capture<W>>,
    idle: IdleTimes,
}

impl<W: std::io::Write + Send> Observer for Taken<W> {
    fn saw(&mut self, icount: Icount, time: u64, sight: Observation<'_>) {
        self.idle.saw(icount, time, sight);
        if let Some(capture) = &mut self.capture {
            capture.saw(icount, time, sight);
        }
    }
}

fn of_recording(input: &Input, recording: &Recording, files: &Files) -> anyhow::Result<ExitCode> {
    let machine = &recording.manifest.machine;
    let capture = |file: &OutFile| {
        let adapters = machine.adapters().count();
        let capture = Capture::new(file.writer()?, adapters, "time stamps are virtual time");
        capture.map_err(|error| file.trouble(error))
    };
    let capture = files.pcap.as_ref().map(capture).transpose()?;
    let mut taken = Taken {
        capture,
        idle: IdleTimes::default(),
    };
    let serial = match files.console.as_ref().map(OutFile::path) {
        None => Backend::Null,
        Some(None) => Backend::Stdio,
        Some(Some(path)) => Backend::File(path.to_owned()),
    };
    let code = watch(recording, &serial, &mut taken)?;
    if code != ExitCode::SUCCESS {
        return Ok(code);
    }
    if let (Some(file), Some(capture)) = (&files.pcap, taken.capture) {
        let frames = capture.finish().map_err(|error| file.trouble(error))?;
        output::note(&format!("{}: {} frames", file.name(), thousands(frames)));
    }
    if let Some(file) = &files.chrome {
        let shift = machine.icount.shift;
        let times = Times {
            shift,
            idle: taken.idle.0,
            before: idle_before(recording)?,
        };
        let log = input.log()?;
        let title = recording.dir().display().to_string();
        let events = file.write(|out| chrome::write(&log, Some(&times), &title, out))?;
        output::note(&format!("{}: {} events", file.name(), thousands(events)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Replays a recording with an observer. If it cannot be replayed to its end, the user is told why.
fn watch(
    recording: &Recording,
    serial: &Backend,
    observer: &mut dyn Observer,
) -> anyhow::Result<ExitCode> {
    let result = watched(recording, serial, observer);
    let report = match outcome::or_diverged(result).context("the recording is replayed for this")? {
        Ok(report) => report,
        Err(code) => return Ok(code),
    };
    match report.finish {
        Finish::Interrupted => Err(Error::Cancelled.into()),
        Finish::LogCut => {
            output::note(&outcome::finish(&report));
            Ok(outcome::status(&report, false))
        }
        _ => Ok(outcome::status(&report, false)),
    }
}
