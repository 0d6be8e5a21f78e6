//! Slices: a slice is a part of a recording, made a recording of its own.
//!
//! It begins at a snapshot without a parent, and has the log and the digests of its range. Its
//! instruction counts and virtual times are those of its parent, so both can be compared. A slice
//! can be sliced again.

use crate::error::{Error, RecordingFault};
use crate::host::disk::IoErrors;
use crate::host::map::MappedFile;
use crate::host::signals;
use crate::notes::Notes;
use crate::recording::create::{Staging, check_vacant};
use crate::recording::digests::{DigestWriter, Digests};
use crate::recording::place::Place;
use crate::recording::range::Range;
use crate::recording::seal::{End, LogSum, seal};
use crate::recording::snapshot::{FIRST, LogPlace, Store};
use crate::recording::{DIGESTS, LOG, Manifest, Recording, create_file};
use crate::run::report::{Finish, Report};
use crate::timeline::{Keep, Options, Progress, Timeline, verify};
use machine::Icount;
use replay_format::{Checkpoint, Event, Log, Seek, Slice};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Cuts the range from `from` to `to` (instruction counts) out of a recording, and replays the
/// slice. The new recording appears only after that replay has succeeded.
///
/// # Errors
/// If one of both replays or a file fails, or there is no such range. [`Error::Cancelled`] by
/// a signal.
pub fn slice(
    recording: &Recording,
    (from, to): (Icount, Icount),
    dir: &Path,
    overwrite: bool,
    progress: Progress<'_>,
    notes: &Notes,
) -> Result<Report, Error> {
    check_vacant(dir, overwrite)?;
    let here = |path: &Path| path.canonicalize().ok();
    if here(dir).is_some() && here(dir) == here(recording.dir()) {
        return Err(Error::recording(dir, RecordingFault::Itself));
    }
    let bytes = recording.map_log()?;
    let log = recording.whole_log(&bytes)?;
    let first = recording
        .manifest
        .slice
        .as_ref()
        .map_or(Icount::ZERO, |range| range.from);
    if from < first || from > to {
        let fault = RecordingFault::Range { from, to, first };
        return Err(Error::recording(recording.dir(), fault));
    }
    let half = Staging::begin(dir, overwrite, notes)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let _signals = signals::raise(&cancel).map_err(Error::host("listen to signals"))?;
    let options = |keep| Options {
        keep,
        cancel: Arc::clone(&cancel),
        notes: notes.clone(),
        ..Options::default()
    };
    let first = Options {
        progress: Some(&mut *progress),
        ..options(Keep::In(half.path().to_owned()))
    };
    let range = cut(recording, &log, (from, to), half.path(), first)?;
    let new = manifest(recording, range)?;
    Recording::write(half.path(), new)?;
    let sliced = Recording::open(half.path())?;
    let second = Options {
        progress: Some(progress),
        ..options(Keep::Recording)
    };
    let report = verify(&sliced, second)?;
    half.publish(true, notes)?;
    Ok(report)
}

/// Replays the range, and writes the slice without its manifest.
fn cut<'l>(
    recording: &Recording,
    log: &'l Log<'l>,
    (from, to): (Icount, Icount),
    half: &Path,
    options: Options<'l>,
) -> Result<Range, Error> {
    let of_parent = recording.manifest.slice.as_ref();
    let at_end = to >= of_parent.map_or(Icount::new(log.end().icount), |range| range.to);
    let ends = at_end && of_parent.is_none_or(|range| range.ends);
    let mut timeline = Timeline::open(recording, log, options)?;
    timeline.goto(Place::at(from))?;
    timeline.save(FIRST)?;
    let finish = match at_end {
        true => timeline.run_to_end()?,
        false => timeline.run_until(Place::at(to))?,
    };
    let known = timeline.recorded_digests().clone();
    let report = timeline.close(finish)?;
    let path = half.join(LOG);
    let fail = |cause| Error::file(&path, "write the log")(cause);
    let file = BufWriter::new(File::create_new(&path).map_err(fail)?);
    let part = Slice::new(log, Seek::Icount(from.get()), Seek::Icount(to.get()));
    part.write(file).map_err(fail)?;
    let bytes = MappedFile::open(&path)?;
    Store::of_writer(half).pin(FIRST, start(&recording.log(&bytes)?, from))?;
    digests(&known, half, from, &report, &bytes)?;
    let errors = recording.path(IoErrors::FILE);
    if errors.exists() {
        let copy = half.join(IoErrors::FILE);
        fs::copy(&errors, &copy).map_err(Error::file(&copy, "write"))?;
    }
    if report.finish != Finish::LogCut {
        let end = End {
            icount: report.icount,
            events: recording.log(&bytes)?.end().index,
            state: report.digest,
            vouched: recording.evidence(report.icount)?.behind(from),
        };
        // The whole directory is synced before it is published.
        seal(half, &end, &LogSum::of(&bytes), false, &Notes::default())?;
    }
    Ok(Range {
        parent: recording.dir().to_owned(),
        from,
        to: report.icount,
        ends,
    })
}

/// The place in a slice's log at which its snapshot goes on: after the count of the instructions
/// before it, and after the events at the start of every log.
fn start(log: &Log<'_>, from: Icount) -> LogPlace {
    let mut events = log.events();
    let mut place = events.position();
    while let Some(Ok(record)) = events.next() {
        let before = match record.event {
            Event::Instruction { .. } => Icount::new(record.icount) <= from,
            Event::Checkpoint(Checkpoint::Init | Checkpoint::Reset) => from == Icount::ZERO,
            _ => false,
        };
        if !before {
            break;
        }
        place = events.position();
    }
    place.into()
}

fn digests(
    known: &Digests,
    half: &Path,
    from: Icount,
    report: &Report,
    log: &[u8],
) -> Result<(), Error> {
    let path = half.join(DIGESTS);
    // The whole slice is synced before it gets its name.
    let file = create_file(&path, false)?;
    let mut writer = DigestWriter::create(path, file)?;
    let range = from + 1..=report.icount;
    for (icount, digest) in known.along().iter().filter(|(at, _)| range.contains(at)) {
        writer.add(*icount, *digest)?;
    }
    if report.finish != Finish::LogCut {
        writer.add_last(report.icount, report.digest)?;
        writer.add_log(log)?;
    }
    writer.finish()
}

fn manifest(recording: &Recording, range: Range) -> Result<Manifest, Error> {
    let dir = &range.parent;
    let parent = dir
        .canonicalize()
        .map_err(Error::file(dir, "resolve its path"))?;
    let mut new = recording.manifest.clone();
    new.slice = Some(Range { parent, ..range });
    Ok(new)
}
