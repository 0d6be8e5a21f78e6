//! The first difference between two logs, with its context.

use std::collections::VecDeque;

use replay_format::Log;
use replay_format::diff::{Diff, Edit, Tally};
use rr::analysis::bisect::Bisection;
use rr::analysis::diff::{Bracket, Setting};

use crate::args::kinds::Kinds;
use crate::output::progress::Progress;

/// Events that differ that are shown at most.
const SHOWN: usize = 24;

/// Two logs, compared.
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
    /// Whether nothing differs of what is compared. Two logs that end at different counts differ,
    /// too.
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

/// What two recordings have beyond their logs.
#[derive(Debug)]
pub(crate) struct Recorded<'l> {
    pub(crate) settings: Vec<Setting>,
    pub(crate) digests: Bracket,
    pub(crate) bisection: Option<Bisection<'l>>,
}

/// The setting in which any two recordings differ. Bisection ignores differences that come from it
/// alone.
pub(crate) const SEED: &str = "machine.rng_seed";

/// The lines that are shown of the first difference.
#[derive(Debug, Default)]
pub(crate) struct Hunk<'a> {
    /// Context, what differs, context.
    pub(crate) edits: Vec<Edit<'a>>,
    /// Whether more events differ behind these lines.
    pub(crate) cut: bool,
}

/// The result of comparing two logs.
pub(crate) struct Logs<'a> {
    pub(crate) hunk: Hunk<'a>,
    pub(crate) tally: Tally,
}

/// Goes through two logs, and keeps the first difference with so much context. `bytes`: those of
/// the longer.
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
        // As in `diff -u`: differences with no more than the context of both between them are shown
        // as one.
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
