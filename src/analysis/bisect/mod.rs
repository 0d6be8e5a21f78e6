//! The hunt: the first instruction after which the states of two replays differ.
//!
//! Both are replayed in lockstep from the last place at which they are known to be the same. Their
//! states are compared at growing distances; where they differ, both go back to the last place at
//! which they did not, by snapshots that lie in a temporary folder, and go on in smaller steps,
//! down to one instruction. In small steps every instruction is watched, so a difference that is
//! gone again before the next comparison is found, too.

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
use machine::Fault;
use replay_format::Log;
use side::Side;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

/// States that are compared in a range before it is narrowed.
const STEPS: u64 = 256;
/// Instructions of a step in which each is watched, at most. So of a range of 100 million all are,
/// which takes seconds; recorded digests are less far apart.
const WATCHED: u64 = 400_000;
/// Starting a thread takes about as long as executing so many instructions.
const WORTH_A_THREAD: u64 = 20_000;

/// A recording that takes part.
#[derive(Debug, Clone, Copy)]
pub struct Source<'r, 'l> {
    /// It.
    pub recording: &'r Recording,
    /// Its log.
    pub log: &'l Log<'l>,
    /// For tests: an instruction that goes wrong.
    pub fault: Option<Fault>,
    /// Hear what else there is to say.
    pub notes: &'r Notes,
}

impl Source<'_, '_> {
    /// The instruction count at which it begins.
    fn start(&self) -> u64 {
        let slice = self.recording.manifest.slice.as_ref();
        slice.map_or(0, |range| range.from)
    }
}

/// What of two states is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// All of it.
    Everything,
    /// What instructions of the guest compute with: registers and RAM.
    Guest,
}

/// What a hunt came to.
#[derive(Debug)]
pub struct Bisection<'l> {
    /// The first instruction after which the states differ; `None`: no state that was compared
    /// differs.
    pub parting: Option<FirstDifference<'l>>,
    /// If at first only devices differ: the first instruction after which registers or RAM do.
    pub noticed: Option<FirstDifference<'l>>,
    /// The instruction count up to which the states are known to be the same; `None`: they differ
    /// from the start.
    pub same_at: Option<u64>,
    /// Every instruction up to there was watched, so nothing was missed.
    pub closely: bool,
    /// Places at which the states were compared.
    pub compared: u64,
    /// How often a replay went back.
    pub restarts: u64,
    /// Instructions that were executed for it.
    pub replayed: u64,
    /// Where the planted fault first went wrong.
    pub fault_at: Option<u64>,
}

/// What is known before a hunt, and how it is to go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// What the recorded digests tell.
    pub known: Bracket,
    /// The instruction count at which the logs part.
    pub part: Option<u64>,
    /// Every instruction is watched, however long it takes.
    pub closely: bool,
}

/// Both sides, and what was done.
struct Pair<'l> {
    sides: [Side<'l>; 2],
    compared: u64,
    closely: bool,
}

impl Pair<'_> {
    /// Whether both are in one state, and both or neither at their ends.
    fn agree(&mut self, view: View) -> bool {
        self.compared += 1;
        let [one, two] = &mut self.sides;
        one.icount() == two.icount()
            && one.ended().is_some() == two.ended().is_some()
            && one.fingerprint(view) == two.fingerprint(view)
    }

    /// Brings both to a place, from wherever that is quickest.
    fn at(&mut self, icount: u64) -> Result<(), Error> {
        let far = icount.abs_diff(self.sides[0].icount()) >= WORTH_A_THREAD;
        self.both(far, |side| side.at(icount))
    }

    /// Brings both from `same`, where they agree, to a place further on.
    fn go(&mut self, same: u64, icount: u64) -> Result<(), Error> {
        let watched = self.closely || icount - same <= WATCHED;
        self.both(icount - same >= WORTH_A_THREAD, |side| {
            side.watch_instructions(watched);
            side.go(icount)
        })
    }

    /// Does something with both; what takes long, side by side.
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

    /// From `same`, where both are and agree: the last count up to `end` at which they agree, if
    /// they do not one instruction later.
    fn narrow(&mut self, view: View, mut same: u64, end: u64) -> Result<Option<u64>, Error> {
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
            // The logs often tell where to look: right behind the start.
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

/// Hunts.
///
/// # Errors
/// What keeps one of the two from being replayed. That one leaves its recording is a result.
pub fn bisect<'l>(sources: [Source<'_, 'l>; 2], trail: Known) -> Result<Bisection<'l>, Error> {
    let Known {
        known,
        part,
        closely,
    } = trail;
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
    // Where the logs part before a digest that is the same, the states may have differed in
    // between.
    let digest = known
        .same_at
        .filter(|same| !closely && part.is_none_or(|part| *same <= part));
    let first = digest.unwrap_or(0).max(start);
    // One further: that one run is over where the other goes on is a difference, too.
    let last = one.log.end().icount.max(two.log.end().icount) + 1;
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
    let (mut parting, mut noticed) = (None, None);
    if agree {
        let found = pair.narrow(View::Everything, same, end)?;
        same = pair.sides[0].icount().min(end);
        if let Some(at) = found {
            same = at;
            parting = Some(first_difference::look(
                &mut pair.sides,
                [one.log, two.log],
                at,
                &symbols,
            )?);
            if pair.agree(View::Guest) {
                // Not as far as it could be: behind the range it would be long, and say little.
                if let Some(at) = pair.narrow(View::Guest, at + 1, last)? {
                    let seen =
                        first_difference::look(&mut pair.sides, [one.log, two.log], at, &symbols)?;
                    noticed = Some(seen);
                }
            }
        }
    }
    pair.sides.iter_mut().try_for_each(Side::check_images)?;
    let effort = pair.sides.each_ref().map(Side::effort);
    Ok(Bisection {
        parting,
        noticed,
        same_at: agree.then_some(same),
        closely,
        compared: pair.compared,
        restarts: effort.iter().map(|effort| effort.restarts).sum(),
        replayed: effort.iter().map(|effort| effort.replayed).sum(),
        fault_at: pair.sides[1].fault_at(),
    })
}

/// Replays a recording from its start, and holds its states against the recorded digests, up to the
/// first that differs.
///
/// # Errors
/// What keeps it from being replayed.
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
    // The last is of the machine behind all that was due at its end.
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
        side.go(source.log.end().icount.saturating_add(1))?;
    }
    side.check_images()?;
    Ok((bracket, side.ended().cloned()))
}
