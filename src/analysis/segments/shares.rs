//! Divides the legs of a recording among several replays.
//!
//! A replay that reaches the end of a leg goes on into the next one, unless another replay has
//! begun that. So a replay loads a snapshot only to begin, and the time of a leg need not be known
//! beforehand: a replay without work takes over the rest of the legs that lie before another
//! replay.

use std::ops::Range;

/// The number of instructions that take about as long as beginning at a snapshot.
const BEGINNING: u64 = 100_000_000;

/// The state of a leg.
#[derive(Debug)]
enum State<W> {
    /// No replay has begun it.
    Free,
    /// This replay is in it.
    Taken(W),
    Over,
}

/// The legs of a recording, and the replays in them. `W` identifies a replay.
#[derive(Debug)]
pub(super) struct Shares<W> {
    /// The first and last instruction count of each leg, and its state.
    legs: Vec<(Range<u64>, State<W>)>,
}

impl<W> Shares<W> {
    /// All legs are free.
    pub(super) fn new(legs: impl Iterator<Item = Range<u64>>) -> Self {
        let legs = legs.map(|leg| (leg, State::Free)).collect();
        Self { legs }
    }

    /// Gives a replay without work the leg where it helps most. `None`: its help would come too
    /// late. `at` tells the instruction count of the other replays.
    pub(super) fn begin(&mut self, replay: W, at: impl Fn(&W) -> u64) -> Option<usize> {
        let mut best: Option<(u64, usize)> = None;
        let mut from = 0;
        while from < self.legs.len() {
            let free = self.legs.iter().skip(from);
            let len = free
                .take_while(|(_, state)| matches!(state, State::Free))
                .count();
            if len > 0 {
                let (gain, leg) = self.gain(from..from + len, &at);
                if gain > best.map_or(0, |(gain, _)| gain) {
                    best = Some((gain, leg));
                }
            }
            from += len + 1;
        }
        let (_, leg) = best?;
        self.legs.get_mut(leg)?.1 = State::Taken(replay);
        Some(leg)
    }

    /// The gain of beginning in these free legs, instead of leaving them to the replay that comes
    /// to them: the instructions that need not be waited for, and the leg to begin with.
    fn gain(&self, free: Range<usize>, at: impl Fn(&W) -> u64) -> (u64, usize) {
        let before = free.start.checked_sub(1).and_then(|leg| self.legs.get(leg));
        let Some((leg, State::Taken(replay))) = before else {
            // No replay comes to them.
            return (u64::MAX, free.start);
        };
        let rest = leg.end - at(replay).clamp(leg.start, leg.end);
        let length = |legs: Range<usize>| {
            let legs = self.legs.get(legs).unwrap_or_default();
            legs.iter().map(|(leg, _)| leg.end - leg.start).sum::<u64>()
        };
        let alone = rest + length(free.clone());
        let shared = |from: &usize| {
            let (taken, left) = (length(*from..free.end), length(free.start..*from));
            (BEGINNING + taken).max(rest + left)
        };
        let from = free.clone().min_by_key(shared).unwrap_or(free.start);
        (alone.saturating_sub(shared(&from)), from)
    }

    /// Notes that a leg is done and its replay wants to go on. True if the next leg is free, and
    /// now its own.
    pub(super) fn go_on(&mut self, leg: usize) -> bool {
        let was = self.over(leg);
        match (was, self.legs.get_mut(leg + 1)) {
            (Some(State::Taken(replay)), Some((_, next @ State::Free))) => {
                *next = State::Taken(replay);
                true
            }
            _ => false,
        }
    }

    /// Notes that a leg is done and its replay stops.
    pub(super) fn stop(&mut self, leg: usize) {
        self.over(leg);
    }

    fn over(&mut self, leg: usize) -> Option<State<W>> {
        let (_, state) = self.legs.get_mut(leg)?;
        Some(std::mem::replace(state, State::Over))
    }

    /// The number of instructions that are done.
    pub(super) fn done(&self, at: impl Fn(&W) -> u64) -> u64 {
        let done = |(leg, state): &(Range<u64>, State<W>)| match state {
            State::Free => 0,
            State::Taken(replay) => at(replay).clamp(leg.start, leg.end) - leg.start,
            State::Over => leg.end - leg.start,
        };
        self.legs.iter().map(done).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A replay in the test: its place, its leg, and the time when its last step is done.
    #[derive(Debug, Clone, Copy)]
    struct Runner {
        leg: usize,
        at: u64,
    }

    /// Replays legs of these lengths with `jobs` replays at once; leg `i` takes `pace[i]` per
    /// instruction. Returns the total time, and the order in which legs were done. Time goes in
    /// steps of a million instructions at pace 1.
    fn replayed(lengths: &[u64], pace: &[u64], jobs: usize) -> (u64, Vec<usize>) {
        let mut start = 0;
        let legs: Vec<Range<u64>> = lengths
            .iter()
            .map(|length| {
                let leg = start..start + length;
                start = leg.end;
                leg
            })
            .collect();
        let mut shares = Shares::new(legs.iter().cloned());
        let mut runners: Vec<Option<Runner>> = vec![None; jobs];
        let (mut time, mut order) = (0, Vec::new());
        loop {
            for place in 0..jobs {
                if runners[place].is_none() {
                    let all = runners.clone();
                    let at = |replay: &usize| all[*replay].map_or(0, |runner| runner.at);
                    let begun = shares.begin(place, at);
                    runners[place] = begun.map(|leg| Runner {
                        leg,
                        // Loading a snapshot is like executing instructions before the leg.
                        at: legs[leg].start.wrapping_sub(BEGINNING / pace[leg]),
                    });
                }
            }
            if runners.iter().all(Option::is_none) {
                return (time, order);
            }
            for runner in &mut runners {
                let Some(Runner { leg, at }) = runner else {
                    continue;
                };
                *at = at.wrapping_add(1_000_000 / pace[*leg]);
                let end = legs[*leg].end;
                // A wrapped count is still before the leg.
                if *at < u64::MAX / 2 && *at >= end {
                    order.push(*leg);
                    match shares.go_on(*leg) {
                        true => *leg += 1,
                        false => *runner = None,
                    }
                }
            }
            time += 1_000_000;
            assert!(time < 1 << 40, "it does not end");
        }
    }

    proptest! {
        /// Each leg is done once, whatever its cost. Help makes a leg longer by no more than the
        /// cost of beginning.
        #[test]
        fn every_leg_once(
            legs in proptest::collection::vec((1u64..600, 1u64..6), 1..24),
            jobs in 1usize..5,
        ) {
            let lengths: Vec<u64> = legs.iter().map(|leg| leg.0 * 1_000_000).collect();
            let pace: Vec<u64> = legs.iter().map(|leg| leg.1).collect();
            let (alone, order) = replayed(&lengths, &pace, 1);
            prop_assert_eq!(order, (0..legs.len()).collect::<Vec<_>>());
            let (shared, mut order) = replayed(&lengths, &pace, jobs);
            order.sort_unstable();
            prop_assert_eq!(order, (0..legs.len()).collect::<Vec<_>>());
            prop_assert!(shared <= alone + 2 * BEGINNING, "{shared} alone {alone}");
        }
    }

    /// A quarter of the legs takes most of the time.
    #[test]
    fn unequal_legs_are_shared_evenly() {
        let lengths = [200_000_000; 20];
        let pace: Vec<u64> = (0..20).map(|leg| if leg < 5 { 4 } else { 1 }).collect();
        let (alone, _) = replayed(&lengths, &pace, 1);
        let (two, _) = replayed(&lengths, &pace, 2);
        let (four, _) = replayed(&lengths, &pace, 4);
        assert!(two * 100 < alone * 60, "{two} of {alone}");
        assert!(four * 100 < alone * 40, "{four} of {alone}");
    }

    #[test]
    fn what_a_divergence_leaves_is_begun_anew() {
        let mut shares = Shares::new([0..10, 10..20, 20..30].into_iter());
        assert_eq!(shares.begin(1, |_| 0), Some(0));
        // The help would come too late.
        assert_eq!(shares.begin(2, |_| 0), None);
        shares.stop(0);
        assert_eq!(shares.begin(1, |_| 0), Some(1));
        assert!(shares.go_on(1));
        assert!(!shares.go_on(2));
        assert_eq!(shares.begin(1, |_| 0), None);
        assert_eq!(shares.done(|_| 0), 30);
    }
}
