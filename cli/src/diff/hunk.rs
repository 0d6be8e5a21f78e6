//! The first difference between two logs, with its context.

use std::collections::VecDeque;

use replay_format::Log;
use replay_format::diff::{Diff, Edit, Tally};
use rr::analysis::bisect::Bisection;
use rr::analysis::diff::{Bracket, Setting};

use crate::args::kinds::Kinds;
use crate::output::progress::Progress;

/// The largest number of differing events that are printed.
const SHOWN: usize = 24;

/// Two logs and the result of comparing them.
#[derive(Debug)]
pub(crate) struct Compared<'l, 'a> {
    pub(crate) names: [String; 2],
    pub(crate) logs: [&'l Log<'a>; 2],
    pub(crate) hunk: Hunk<'a>,
    pub(crate) tally: Tally,
    /// The kinds that are compared.
    pub(crate) kinds: Kinds,
    pub(crate) recorded: Option<Recorded<'l>>,
}

impl Compared<'_, '_> {
    /// True if only one of two recordings has a digest of its last state.
    pub(crate) fn one_ended(&self) -> bool {
        let recorded = self.recorded.as_ref();
        recorded.is_some_and(|recorded| recorded.one_ended)
    }

    /// True if nothing differs of all that is compared. Two logs that end at different counts
    /// differ, too.
    pub(crate) fn is_same(&self) -> bool {
        let [one, two] = self
            .logs
            .map(|log| (log.end().icount, log.error().is_none()));
        let recorded = self.recorded.as_ref();
        self.tally.places == 0
            && one == two
            && recorded.is_none_or(|recorded| {
                recorded.settings.is_empty() && recorded.digests.differ_at.is_none()
            })
    }
}

/// The result of comparing two recordings apart from their logs.
#[derive(Debug)]
pub(crate) struct Recorded<'l> {
    pub(crate) settings: Vec<Setting>,
    pub(crate) digests: Bracket,
    /// True if only one of them has a digest of its last state.
    pub(crate) one_ended: bool,
    pub(crate) bisection: Option<Bisection<'l>>,
}

/// The setting in which any two recordings differ. Bisection ignores differences that come from it
/// alone.
pub(crate) const SEED: &str = "machine.rng_seed";

/// The lines around the first difference.
#[derive(Debug, Default)]
pub(crate) struct Hunk<'a> {
    /// Context, differing events, context.
    pub(crate) edits: Vec<Edit<'a>>,
    /// True if more events differ after these lines.
    pub(crate) cut: bool,
}

/// The result of comparing two logs.
pub(crate) struct Logs<'a> {
    pub(crate) hunk: Hunk<'a>,
    pub(crate) tally: Tally,
}

/// Compares two logs, and keeps the first difference with `context` events around it. `bytes` is
/// the length of the longer log, for the progress bar.
pub(crate) fn compare(diff: Diff<'_>, context: usize, bytes: u64) -> Logs<'_> {
    let mut tally = Tally::new(&diff.skipped());
    let mut before = VecDeque::new();
    let mut hunk = Hunk::default();
    let mut open = true;
    let mut differing = 0;
    let mut progress = Progress::new(bytes);
    for edit in diff {
        tally.add(&edit);
        let same = matches!(edit, Edit::Both(..));
        let (Edit::Both(record, _) | Edit::First(record) | Edit::Second(record)) = &edit;
        progress.at(record.offset);
        if !open {
            continue;
        }
        if tally.places == 0 {
            before.push_back(edit);
            if before.len() > context {
                before.pop_front();
            }
            continue;
        }
        hunk.edits.extend(before.drain(..));
        // As in `diff -u`: differences are shown as one if no more than the context of both is
        // between them.
        if same && tally.tail > 2 * context as u64 || !same && differing == SHOWN {
            open = false;
            hunk.cut = !same;
            continue;
        }
        differing += usize::from(!same);
        hunk.edits.push(edit);
    }
    let kept = hunk.edits.iter().rev();
    let tail = kept
        .take_while(|edit| matches!(edit, Edit::Both(..)))
        .count();
    hunk.edits
        .truncate(hunk.edits.len() - tail.saturating_sub(context));
    Logs { hunk, tally }
}
