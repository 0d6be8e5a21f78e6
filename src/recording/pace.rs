//! `pace.tsv`: how fast a recording went on the host. People read it, and `rr inspect --plot` draws
//! it.
//!
//! After a header line, each line has three decimal numbers with tabs between them: the instruction
//! count, and the time that the host had spent up to there since the start of the run, in ns of its
//! clock and in ns of CPU time of the vCPU thread. No column ever falls. Two lines with equal times
//! say that the time between them is unknown.
//!
//! The file is about the host alone: the guest does not depend on it, no digest covers it, and no
//! replay reads it.

use crate::error::{Error, RecordingFault};
use crate::host::map::{MapError, MappedFile};
use machine::Icount;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HEADER: &str = "icount\twall_ns\tcpu_ns\n";
/// The least time between two lines, so that the file stays small however often a line is asked
/// for.
const EVERY: Duration = Duration::from_millis(1);

/// An instruction count, and the time that the host had spent up to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// Instruction count.
    pub icount: Icount,
    /// ns of the host's clock since the start of the run.
    pub wall: u64,
    /// ns of CPU time of the vCPU thread.
    pub cpu: u64,
}

impl Pace {
    /// Reads what [`PaceWriter`] wrote, without a half line at the end, which a killed recording
    /// leaves. `None` if there is no such file, as in older recordings and in slices.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub fn read(path: &Path) -> Result<Option<Vec<Self>>, Error> {
        match MappedFile::open(path) {
            Err(MapError::Missing { .. }) => Ok(None),
            file => parse(&file?)
                .map(Some)
                .map_err(|line| Error::recording(path, RecordingFault::Pace { line })),
        }
    }

    fn of_line(line: &[u8]) -> Option<Self> {
        let mut numbers = str::from_utf8(line).ok()?.split('\t').map(str::parse);
        let mut next = || numbers.next()?.ok();
        let (icount, wall, cpu) = (Icount::new(next()?), next()?, next()?);
        let pace = Self { icount, wall, cpu };
        numbers.next().is_none().then_some(pace)
    }

    fn is_before(&self, next: &Self) -> bool {
        self.icount <= next.icount && self.wall <= next.wall && self.cpu <= next.cpu
    }
}

/// Parses the whole lines. The error is the number of the damaged line, from 1.
fn parse(bytes: &[u8]) -> Result<Vec<Pace>, usize> {
    let Some(rest) = bytes.strip_prefix(HEADER.as_bytes()) else {
        let killed = HEADER.as_bytes().starts_with(bytes);
        return killed.then(Vec::new).ok_or(1);
    };
    let mut known: Vec<Pace> = Vec::new();
    let mut lines = rest.split(|byte| *byte == b'\n');
    // The text after the last line end is no whole line.
    lines.next_back();
    for (number, line) in lines.enumerate() {
        let pace = Pace::of_line(line);
        let pace = pace.filter(|pace| known.last().is_none_or(|last| last.is_before(pace)));
        known.push(pace.ok_or(number + 2)?);
    }
    Ok(known)
}

/// Writes `pace.tsv`.
pub struct PaceWriter {
    path: PathBuf,
    file: BufWriter<File>,
    started: Instant,
    /// The host's time spent on parts of the run that were given up, in ns: of its clock, of CPU
    /// time.
    given_up: (u64, u64),
    last: Pace,
}

impl PaceWriter {
    /// Begins an empty file, at the start of the run.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(path: PathBuf, file: File) -> Result<Self, Error> {
        let mut writer = Self {
            path,
            file: BufWriter::new(file),
            started: Instant::now(),
            given_up: (0, 0),
            last: Pace::default(),
        };
        writer.begin(&[Pace::default()])?;
        Ok(writer)
    }

    fn begin(&mut self, paces: &[Pace]) -> Result<(), Error> {
        let header = self.file.write_all(HEADER.as_bytes());
        header.map_err(Error::file(&self.path, "write the pace"))?;
        paces.iter().try_for_each(|pace| self.put(*pace))
    }

    fn put(&mut self, pace: Pace) -> Result<(), Error> {
        let Pace { icount, wall, cpu } = pace;
        self.last = pace;
        writeln!(self.file, "{icount}\t{wall}\t{cpu}")
            .map_err(Error::file(&self.path, "write the pace"))
    }

    fn now(&self, icount: Icount) -> Pace {
        Pace {
            icount,
            wall: ns(self.started.elapsed()).saturating_sub(self.given_up.0),
            cpu: cpu_time().saturating_sub(self.given_up.1),
        }
    }

    /// Notes that the run is at this instruction count. A note soon after another is left out. Only
    /// the vCPU thread may call this.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn note(&mut self, icount: Icount) -> Result<(), Error> {
        let now = self.now(icount);
        match now.wall.saturating_sub(self.last.wall) < ns(EVERY) {
            true => Ok(()),
            false => self.put(now),
        }
    }

    /// Goes back to this instruction count, from which the run goes on in another way. The time
    /// spent after it is not counted. Only the vCPU thread may call this.
    ///
    /// # Errors
    /// If the file cannot be read or written. The content of a damaged file is lost.
    pub fn rewind(&mut self, icount: Icount) -> Result<(), Error> {
        self.flush()?;
        let mut known = Pace::read(&self.path).ok().flatten().unwrap_or_default();
        known.retain(|pace| pace.icount <= icount);
        let last = known.last().copied().unwrap_or_default();
        let file = self.file.get_mut();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .map_err(Error::file(&self.path, "rewind the pace"))?;
        self.begin(&known)?;
        let now = self.now(icount);
        self.given_up.0 += now.wall.saturating_sub(last.wall);
        self.given_up.1 += now.cpu.saturating_sub(last.cpu);
        self.put(Pace { icount, ..last })
    }

    /// Writes all buffered lines to the operating system.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.file
            .flush()
            .map_err(Error::file(&self.path, "write the pace"))
    }

    /// Notes that the run ends at this instruction count. Only the vCPU thread may call this.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(&mut self, icount: Icount) -> Result<(), Error> {
        self.put(self.now(icount))?;
        self.flush()
    }
}

/// CPU time of the calling thread, in ns.
fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    ns(seconds) + u64::try_from(time.tv_nsec).unwrap_or(0)
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    const FILE: &str =
        "icount\twall_ns\tcpu_ns\n0\t0\t0\n10\t2000\t1000\n10\t3000\t1000\n25\t4000\t1900\n";

    #[test]
    fn cut_anywhere_it_holds_its_whole_lines() {
        for end in 0..=FILE.len() {
            let known = parse(&FILE.as_bytes()[..end]).unwrap();
            let lines = FILE[..end].matches('\n').count();
            assert_eq!(known.len(), lines.saturating_sub(1), "{end}");
        }
        let last = Pace {
            icount: Icount::new(25),
            wall: 4000,
            cpu: 1900,
        };
        assert_eq!(parse(FILE.as_bytes()).unwrap().last(), Some(&last));
    }

    #[test]
    fn damage_has_a_line() {
        for (was, is, line) in [
            ("icount", "count", 1),
            ("10\t2000", "10\t-2000", 3),
            ("10\t3000", "10\t300", 4),
            ("1900", "1900\t1", 5),
            ("25\t", "9\t", 5),
            ("25\t4000\t", "\u{fffd}\t4000\t", 5),
            ("0\t0\t0\n", "\n", 2),
        ] {
            assert_eq!(
                parse(FILE.replacen(was, is, 1).as_bytes()),
                Err(line),
                "{is}"
            );
        }
        assert_eq!(parse(b"\xff\xfe"), Err(1));
    }

    #[test]
    fn going_back_gives_up_what_came_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pace.tsv");
        let mut writer =
            PaceWriter::create(path.clone(), File::create_new(&path).unwrap()).unwrap();
        for icount in [10, 20, 30] {
            std::thread::sleep(EVERY);
            writer.note(Icount::new(icount)).unwrap();
        }
        writer.note(Icount::new(31)).unwrap();
        writer.rewind(Icount::new(24)).unwrap();
        let at_24 = writer.last;
        std::thread::sleep(EVERY);
        writer.finish(Icount::new(26)).unwrap();
        let known = Pace::read(&path).unwrap().unwrap();
        let icounts: Vec<u64> = known.iter().map(|pace| pace.icount.get()).collect();
        assert_eq!(icounts, [0, 10, 20, 24, 26]);
        assert_eq!((known[3].wall, known[3].cpu), (known[2].wall, known[2].cpu));
        assert!(known[4].wall >= at_24.wall + ns(EVERY));
        // The file was damaged meanwhile: it begins anew.
        std::fs::write(&path, "gone").unwrap();
        writer.rewind(Icount::new(5)).unwrap();
        writer.finish(Icount::new(7)).unwrap();
        let known = Pace::read(&path).unwrap().unwrap();
        assert_eq!(
            (known.len(), known[0].icount.get(), known[0].wall),
            (2, 5, 0)
        );
    }
}
