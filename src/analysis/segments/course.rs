//! A replay over segments that follow on each other.

use super::{Replayed, Segment, Verdict};
use crate::error::Error;
use crate::host::serial::{Backend, Output};
use crate::recording::digests::Digests;
use crate::recording::snapshot::{Chain, Snapshot};
use crate::recording::{DIGESTS, LOG, Recording};
use crate::run::checkpoints::Relay;
use crate::run::driver::Finish;
use crate::run::drives::Disks;
use crate::run::open::Opened;
use crate::session::Report;
use crate::session::context::Company;
use crate::session::launch::{ReplayHow, go};
use replay_format::Log;

/// A recording that is open, and segments of it.
pub(super) struct Course<'a> {
    pub(super) recording: &'a Recording,
    /// Its log.
    pub(super) bytes: &'a [u8],
    pub(super) log: &'a Log<'a>,
    pub(super) digests: &'a Digests,
    pub(super) opened: &'a Opened<'a>,
    pub(super) segments: &'a [Segment],
}

/// Hears what a segment came to, by its place; says whether the replay goes on into the next.
pub(super) type Ended<'e> = &'e mut (dyn FnMut(usize, Verdict) -> bool + Send);

impl Course<'_> {
    /// Replays from a snapshot through the segment in this place, and on as long as `ended` wants. False: that was interrupted.
    ///
    /// # Errors
    /// Whatever keeps it from being replayed.
    pub(super) fn replay(
        &self,
        place: usize,
        chain: Option<&Chain>,
        company: Company<'_>,
        ended: Ended<'_>,
    ) -> Result<bool, Error> {
        let how = ReplayHow::default();
        let disks = Disks::replay(self.recording)?.open(None)?;
        let ready = self
            .opened
            .switch_on(disks, &how, self.log, Output::null())?;
        let ready = ready.at(chain, &how)?;
        let mut under_way = UnderWay {
            course: self,
            first: place,
            began: ready.from,
            at: Some(place),
            ended,
            failure: None,
        };
        let company = Company {
            relay: Some(&mut under_way),
            ..company.shorter()
        };
        let report = go(self.recording, None, ready, (&Backend::Null, None), company);
        under_way.finish(report)
    }
}

/// Such a replay.
struct UnderWay<'c, 'e> {
    course: &'c Course<'c>,
    /// The place of the segment that it was begun for.
    first: usize,
    /// The instruction count at which it began.
    began: u64,
    /// The place of the segment that it is in; none once it goes no further.
    at: Option<usize>,
    ended: Ended<'e>,
    failure: Option<Error>,
}

impl Relay for UnderWay<'_, '_> {
    fn ahead(&self) -> Option<&Snapshot> {
        self.course.segments.get(self.at?)?.stop.as_ref()
    }

    fn reached(&mut self, digests: u64) -> bool {
        let Some((place, segment)) = self.segment() else {
            return false;
        };
        let Some(stop) = &segment.stop else {
            return false;
        };
        let known = self.along(self.began, segment.to);
        if digests != known {
            let reason = format!(
                "only {digests} of {known} state digests belong to this run; restore it from a copy"
            );
            let path = self.course.recording.path(DIGESTS);
            self.failure = Some(Error::recording(&path, reason));
            self.at = None;
            return false;
        }
        let replayed = Replayed {
            icount: stop.icount,
            virtual_time: stop.virtual_time,
            digest: stop.digest.clone(),
            began: self.began_for(place, segment),
            digests: self.along(segment.from, segment.to),
            cut: false,
        };
        let goes_on = (self.ended)(place, Verdict::Same(replayed));
        self.at = goes_on.then_some(place + 1);
        goes_on
    }
}

impl<'c> UnderWay<'c, '_> {
    fn segment(&self) -> Option<(usize, &'c Segment)> {
        let place = self.at?;
        Some((place, self.course.segments.get(place)?))
    }

    /// Digests that are known between two instruction counts.
    fn along(&self, from: u64, to: u64) -> u64 {
        let along = self.course.digests.along().iter();
        along.filter(|(at, _)| (from + 1..=to).contains(at)).count() as u64
    }

    fn began_for(&self, place: usize, segment: &Segment) -> u64 {
        match place == self.first {
            true => self.began,
            false => segment.from,
        }
    }

    /// It has ended like this.
    fn finish(self, report: Result<Report, Error>) -> Result<bool, Error> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let Some((place, segment)) = self.segment() else {
            return report.map(|report| report.finish != Finish::Interrupted);
        };
        let verdict = match report {
            Err(Error::Diverged(divergence)) => Verdict::Diverged(divergence),
            Err(error) => return Err(error),
            Ok(report) if report.finish == Finish::Interrupted => return Ok(false),
            Ok(report) => {
                let recording = self.course.recording;
                recording.check_whole(self.course.bytes, self.began, &report)?;
                if let Some(stop) = &segment.stop {
                    let reason = format!(
                        "ends at icount {}, before the snapshot `{}`; restore it from a copy",
                        report.icount, stop.name
                    );
                    return Err(Error::recording(&recording.path(LOG), reason));
                }
                let before = self.along(self.began, segment.from);
                Verdict::Same(Replayed {
                    icount: report.icount,
                    virtual_time: report.virtual_time,
                    digest: format!("{:032x}", report.digest),
                    began: self.began_for(place, segment),
                    digests: report.digests_checked.saturating_sub(before),
                    cut: report.finish == Finish::LogCut,
                })
            }
        };
        (self.ended)(place, verdict);
        Ok(true)
    }
}
