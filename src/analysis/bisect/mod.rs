//! Bisection: finds the first instruction after which the states of two replays differ.
//!
//! Both recordings are replayed in lockstep from the last place where their states are known to
//! agree. The states are compared at growing distances. Where they differ, both go back to the last
//! place where they agreed, by checkpoints in a temporary folder, and go on in smaller steps, down
//! to one instruction. In small steps a witness follows every instruction, so a difference that is
//! gone again before the next comparison is found too.

mod first_difference;
mod listing;
mod side;

pub use first_difference::{Difference, FirstDifference, Input, MemoryRange};
pub use listing::Line;

use crate::analysis::diff::Bracket;
use crate::analysis::symbols::Symbols;
use crate::error::Error;
use crate::host::signals;
use crate::notes::Notes;
use crate::recording::Recording;
use crate::recording::digests::Digests;
pub use crate::timeline::Ending;
use machine::{Fault, Icount};
use replay_format::Log;
use side::Side;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

/// The number of comparisons in a range before it is narrowed.
const STEPS: u64 = 256;
/// The largest step, in instructions, in which a witness follows every instruction. With this, all
/// instructions of a range of 100 million are followed, which takes seconds. Recorded digests are
/// closer together than that.
const WATCHED: u64 = 400_000;
/// The number of instructions that take about as long as starting a thread.
const WORTH_A_THREAD: u64 = 20_000;

/// One of the two recordings.
#[derive(Debug, Clone, Copy)]
pub struct Source<'r, 'l> {
    /// The recording.
    pub recording: &'r Recording,
    /// Its log.
    pub log: &'l Log<'l>,
    /// For tests: an instruction that gives a wrong result.
    pub fault: Option<Fault>,
    /// Takes the messages for the user.
    pub notes: &'r Notes,
}

impl Source<'_, '_> {
    /// The instruction count at which the recording begins.
    fn start(&self) -> Icount {
        let slice = self.recording.manifest.slice.as_ref();
        slice.map_or(Icount::ZERO, |range| range.from)
    }
}

/// The part of a state that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// The whole state.
    Everything,
    /// The state that the guest's instructions work on: registers and RAM.
    Guest,
}

/// The result of a bisection.
#[derive(Debug)]
pub struct Bisection<'l> {
    /// The first instruction after which the states differ; `None`: no compared state differs.
    pub difference: Option<FirstDifference<'l>>,
    /// If only devices differ at first: the first instruction after which registers or RAM differ.
    pub guest_difference: Option<FirstDifference<'l>>,
    /// The instruction count up to which the states are known to agree; `None`: they differ from
    /// the start.
    pub same_at: Option<Icount>,
    /// True if a witness followed every instruction up to there, so that no difference was missed.
    pub closely: bool,
    /// The number of places at which the states were compared.
    pub compared: u64,
    /// How often a replay went back.
    pub restarts: u64,
    /// The number of instructions that were executed for the bisection.
    pub replayed: u64,
    /// The instruction count at which the planted fault first gave a wrong result.
    pub fault_at: Option<Icount>,
}

/// What is known before a bisection, and how thorough it must be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// The range that the recorded digests give.
    pub known: Bracket,
    /// The instruction count at which the logs first differ.
    pub part: Option<Icount>,
    /// A witness follows every instruction, however long that takes.
    pub closely: bool,
}

/// Both sides, and the effort so far.
struct Pair<'l> {
    sides: [Side<'l>; 2],
    compared: u64,
    closely: bool,
}

impl Pair<'_> {
    /// True if both are in one state, and if both have ended or neither has.
    fn agree(&mut self, view: View) -> bool {
        self.compared += 1;
        let [one, two] = &mut self.sides;
        one.icount() == two.icount()
            && one.ended().is_some() == two.ended().is_some()
            && one.fingerprint(view) == two.fingerprint(view)
    }

    /// Brings both to a place, each by the fastest way.
    fn at(&mut self, icount: Icount) -> Result<(), Error> {
        let far = icount.distance(self.sides[0].icount()) >= WORTH_A_THREAD;
        self.both(far, |side| side.at(icount))
    }

    /// Brings both from `same`, where they agree, forward to a place.
    fn go(&mut self, same: Icount, icount: Icount) -> Result<(), Error> {
        let watched = self.closely || icount - same <= WATCHED;
        self.both(icount - same >= WORTH_A_THREAD, |side| {
            side.watch_instructions(watched);
            side.go(icount)
        })
    }

    /// Runs `work` on both sides, on two threads if it takes long.
    fn both(
        &mut self,
        long: bool,
        work: impl Fn(&mut Side<'_>) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let [one, two] = &mut self.sides;
        if !long {
            return work(one).and_then(|()| work(two));
        }
        thread::scope(|scope| {
            let other = thread::Builder::new().spawn_scoped(scope, || work(one));
            let mine = work(two);
            let other = other.map_err(Error::host("start a thread"))?;
            other.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            mine
        })
    }

    /// Searches from `same`, where both are and agree. Returns the last count up to `end` at which
    /// they agree, if they differ one instruction later.
    fn narrow(
        &mut self,
        view: View,
        mut same: Icount,
        end: Icount,
    ) -> Result<Option<Icount>, Error> {
        let mut differ = None;
        loop {
            let end = differ.unwrap_or(end);
            if end <= same {
                return Ok(None);
            }
            if end - same == 1 && differ.is_some() {
                return Ok(Some(same));
            }
            let most = ((end - same) / STEPS).clamp(1, u64::MAX);
            // The first steps are small: if the logs differ, the states often differ right after
            // the start.
            let mut step = if differ.is_some() { most } else { 1 };
            self.sides.iter_mut().try_for_each(Side::checkpoint)?;
            loop {
                let next = same.saturating_add(step).min(end);
                self.go(same, next)?;
                if !self.agree(view) {
                    differ = Some(next);
                    break;
                }
                same = next;
                if next == end {
                    return Ok(None);
                }
                step = step.saturating_mul(2).clamp(1, most);
            }
            if differ == Some(same + 1) {
                return Ok(Some(same));
            }
            self.at(same)?;
        }
    }
}

/// Finds the first instruction after which the states of two replays differ.
///
/// # Errors
/// If one of the recordings cannot be replayed. A divergence from its recording is a result, and no
/// error.
pub fn bisect<'l>(sources: [Source<'_, 'l>; 2], given: Known) -> Result<Bisection<'l>, Error> {
    let Known {
        known,
        part,
        closely,
    } = given;
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = signals::raise(&stop).map_err(Error::host("listen to signals"))?;
    let [one, two] = sources;
    let mut sides = [one, two].map(|source| Side::open(source, &stop));
    if let [Ok(one), Ok(two)] = &mut sides {
        one.leave_seeds_out(two);
    }
    let [first, second] = sides;
    let mut pair = Pair {
        sides: [first?, second?],
        compared: 0,
        closely,
    };
    let symbols = Symbols::of(one.recording);
    let start = one.start().max(two.start());
    // If the logs differ before a digest that agrees, the states may have differed in between.
    let digest = known
        .same_at
        .filter(|same| !closely && part.is_none_or(|part| *same <= part));
    let first = digest.unwrap_or(Icount::ZERO).max(start);
    // One further, because it is a difference if one run ends where the other goes on.
    let last = one.log.end().icount.max(two.log.end().icount);
    let last = Icount::new(last) + 1;
    let mut end = known.differ_at.map_or(last, |at| at.max(first));
    let mut same = part
        .filter(|part| !closely && *part > first && *part < end)
        .unwrap_or(first);
    pair.at(same)?;
    let mut agree = pair.agree(View::Everything);
    if !agree && same > first {
        (end, same) = (same, first);
        pair.at(same)?;
        agree = pair.agree(View::Everything);
    }
    let (mut difference, mut guest_difference) = (None, None);
    if agree {
        let found = pair.narrow(View::Everything, same, end)?;
        same = pair.sides[0].icount().min(end);
        if let Some(at) = found {
            same = at;
            difference = Some(first_difference::look(
                &mut pair.sides,
                [one.log, two.log],
                at,
                &symbols,
            )?);
            if pair.agree(View::Guest) {
                // Not further than this range: after it the search would be long, and tell little.
                if let Some(at) = pair.narrow(View::Guest, at + 1, last)? {
                    let seen =
                        first_difference::look(&mut pair.sides, [one.log, two.log], at, &symbols)?;
                    guest_difference = Some(seen);
                }
            }
        }
    }
    pair.sides.iter_mut().try_for_each(Side::check_images)?;
    let effort = pair.sides.each_ref().map(Side::effort);
    Ok(Bisection {
        difference,
        guest_difference,
        same_at: agree.then_some(same),
        closely,
        compared: pair.compared,
        restarts: effort.iter().map(|effort| effort.restarts).sum(),
        replayed: effort.iter().map(|effort| effort.replayed).sum(),
        fault_at: pair.sides[1].fault_at(),
    })
}

/// Replays a recording from its start, and compares its states with the recorded digests, up to the
/// first that differs.
///
/// # Errors
/// If the recording cannot be replayed.
pub fn replayed(
    source: Source<'_, '_>,
    digests: &Digests,
) -> Result<(Bracket, Option<Ending>), Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = signals::raise(&stop).map_err(Error::host("listen to signals"))?;
    let mut side = Side::open(source, &stop)?;
    side.restart(source.start())?;
    let mut bracket = Bracket::default();
    let along = digests
        .along()
        .iter()
        .map(|&(icount, digest)| (icount, digest, false));
    // The last digest is of the state after all events at the end of the run.
    let last = digests
        .last()
        .map(|(icount, digest)| (icount, digest, true));
    for (icount, digest, last) in along.chain(last) {
        if icount < side.icount() {
            continue;
        }
        side.go(icount.saturating_add(last.into()))?;
        bracket.compared += 1;
        let finished = matches!(side.ended(), Some(Ending::Finished(_)));
        let there =
            side.icount() == icount && side.ended().is_some() == finished && finished == last;
        if !there || side.digest() != digest {
            bracket.differ_at = Some(icount);
            break;
        }
        bracket.same_at = Some(icount);
    }
    if bracket.differ_at.is_none() {
        side.go(Icount::new(source.log.end().icount).saturating_add(1))?;
    }
    side.check_images()?;
    Ok((bracket, side.ended().cloned()))
}
