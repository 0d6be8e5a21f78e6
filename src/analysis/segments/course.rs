//! Replays consecutive segments on one timeline.

use super::{Replayed, Segment, Verdict};
use crate::divergence::Divergence;
use crate::error::{Error, RecordingFault};
use crate::recording::digests::Digests;
use crate::recording::place::Place;
use crate::recording::snapshot::{Chain, Snapshot};
use crate::recording::{DIGESTS, LOG, Recording};
use crate::run::drives::Drives;
use crate::run::open::OpenRecording;
use crate::run::report::Finish;
use crate::timeline::{Ending, Options, Timeline};
use machine::Icount;
use replay_format::Log;

/// An open recording and its segments.
pub(super) struct Course<'a> {
    pub(super) recording: &'a Recording,
    /// Its log.
    pub(super) log: &'a Log<'a>,
    pub(super) digests: &'a Digests,
    pub(super) opened: &'a OpenRecording<'a>,
    pub(super) segments: &'a [Segment],
}

/// Takes the result of the segment at this place. Returns whether the replay goes on into the next
/// segment.
pub(super) type Ended<'e> = &'e mut (dyn FnMut(usize, Verdict) -> bool + Send);

impl<'a> Course<'a> {
    /// Replays from a snapshot through the segment at this place, and on as long as `ended` returns
    /// true. False: the replay was cancelled.
    ///
    /// # Errors
    /// If the recording cannot be replayed.
    pub(super) fn replay<'l>(
        &self,
        first: usize,
        chain: Option<&Chain>,
        options: Options<'l>,
        ended: Ended<'_>,
    ) -> Result<bool, Error>
    where
        'a: 'l,
    {
        let disks = Drives::replay(self.recording)?.open(None)?;
        let mut timeline = Timeline::of(self.opened, disks, self.log, options)?;
        timeline.goto_snapshot(chain)?;
        for (place, segment) in self.segments.iter().enumerate().skip(first) {
            let began = match place == first {
                true => timeline.began(),
                false => segment.from,
            };
            let Some(stop) = &segment.stop else {
                return match self.to_the_end(timeline, began, segment) {
                    Err(Error::Cancelled) => Ok(false),
                    verdict => {
                        ended(place, verdict?);
                        Ok(true)
                    }
                };
            };
            let verdict = match self.to_snapshot(&mut timeline, began, segment, stop) {
                Err(Error::Cancelled) => return Ok(false),
                Ok(None) => return Err(self.ends_early(timeline, stop)),
                Ok(Some(verdict)) => verdict,
                Err(error) => return Err(error),
            };
            if !ended(place, verdict) {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Replays up to the snapshot at the end of a segment; `None`: the run ends before it.
    fn to_snapshot(
        &self,
        timeline: &mut Timeline<'_>,
        began: Icount,
        segment: &Segment,
        stop: &Snapshot,
    ) -> Result<Option<Verdict>, Error> {
        match timeline.run_to(Place::of(stop, self.log)) {
            Err(Error::Diverged(divergence)) => return Ok(Some(Verdict::Diverged(divergence))),
            other => other?,
        }
        if timeline.ended().is_some() {
            return Ok(None);
        }
        if timeline.icount() > stop.icount {
            let icount = stop.icount;
            let fault = RecordingFault::OtherSnapshot { icount };
            return Err(Error::recording(&self.recording.path(LOG), fault));
        }
        let digest = timeline.machine_mut().digest();
        if stop.digest != digest.to_string() {
            let machine = timeline.machine();
            let wanted = format!("{}, as of the snapshot here", stop.digest);
            let divergence = Divergence::of_state(machine.moment(), wanted, digest);
            return Ok(Some(Verdict::Diverged(
                divergence.with_instruction(machine),
            )));
        }
        let (checked, known) = (
            timeline.digests_checked(),
            self.along(timeline.began(), segment.to),
        );
        if checked != known {
            let fault = RecordingFault::DigestsOfSegment { checked, known };
            return Err(Error::recording(&self.recording.path(DIGESTS), fault));
        }
        Ok(Some(Verdict::Same(Replayed {
            icount: stop.icount,
            virtual_time: stop.virtual_time,
            digest: stop.digest.clone(),
            began,
            digests: self.along(segment.from, segment.to),
            cut: false,
        })))
    }

    fn to_the_end(
        &self,
        mut timeline: Timeline<'_>,
        began: Icount,
        segment: &Segment,
    ) -> Result<Verdict, Error> {
        let before = self.along(timeline.began(), segment.from);
        let finish = timeline.run_to_end();
        let report = finish.and_then(|finish| timeline.close(finish));
        match report {
            Err(Error::Diverged(divergence)) => Ok(Verdict::Diverged(divergence)),
            Err(error) => Err(error),
            Ok(report) => Ok(Verdict::Same(Replayed {
                icount: report.icount,
                virtual_time: report.virtual_time,
                digest: report.digest.to_string(),
                began,
                digests: report.digests_checked.saturating_sub(before),
                cut: report.finish == Finish::LogCut,
            })),
        }
    }

    /// The error for a run that ends before one of its snapshots. If the log is damaged, it says
    /// so.
    fn ends_early(&self, timeline: Timeline<'_>, stop: &Snapshot) -> Error {
        let finish = match timeline.ended() {
            Some(Ending::Finished(finish)) => *finish,
            _ => Finish::Reached,
        };
        match timeline.close(finish) {
            Err(error) => error,
            Ok(report) => {
                let fault = RecordingFault::EndsBefore {
                    at: report.icount,
                    snapshot: stop.name.clone(),
                };
                Error::recording(&self.recording.path(LOG), fault)
            }
        }
    }

    /// The number of digests between two instruction counts.
    fn along(&self, from: Icount, to: Icount) -> u64 {
        let along = self.digests.along().iter();
        along.filter(|(at, _)| (from + 1..=to).contains(at)).count() as u64
    }
}
