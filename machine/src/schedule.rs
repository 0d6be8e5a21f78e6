//! The schedule of the harts: they execute in turns of a number of instructions each.
//!
//! The interleaving is part of the machine's definition. The current hart and the rest of its turn
//! are machine state, so a run may stop at any instruction and continue without a difference.

use crate::cpu::Hart;
use serde::{Deserialize, Serialize};

/// Instructions in a turn of a machine with several harts and no chaos schedule.
pub const QUANTUM: u64 = 5000;
/// Instructions in the longest turn of a chaos schedule.
const CHAOS_MAX: u64 = 10_000;
/// Short turns of a chaos schedule, as (share, limit): one turn in `share` has at most `limit`
/// instructions.
const CHAOS_SHORT: [(u64, u64); 3] = [(16, 4), (8, 64), (4, 1000)];

/// The current turn, and the generator of the next ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    current: u8,
    /// Instructions left in the turn.
    left: u64,
    /// State of the random generator of a chaos schedule; `None` without chaos.
    chaos: Option<u64>,
}

impl Schedule {
    /// A schedule whose first turn belongs to hart 0. `chaos` is the seed of a chaos schedule.
    pub(crate) fn new(harts: usize, chaos: Option<u64>) -> Self {
        let mut schedule = Self {
            current: 0,
            left: 0,
            chaos,
        };
        schedule.restart(harts);
        schedule
    }

    /// Gives hart 0 a new turn, as at a reset. The random generator is not reseeded.
    pub(crate) fn restart(&mut self, harts: usize) {
        self.current = 0;
        self.left = self.quantum(harts);
    }

    /// Index of the hart that has the current turn.
    pub(crate) fn current(&self) -> usize {
        usize::from(self.current)
    }

    /// Instructions left in the turn. A new turn has at least 1.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Takes `count` executed instructions off the turn.
    pub(crate) fn ran(&mut self, count: u64) {
        self.left = self.left.saturating_sub(count);
    }

    /// The hart that executes next. A new turn begins when the old one is over or its hart waits.
    /// Returns `None`, and changes nothing, if no hart can run.
    pub(crate) fn choose(&mut self, harts: &mut [Hart]) -> Option<usize> {
        let current = self.current();
        let runnable = |index: usize| harts.get(index).is_some_and(Hart::runnable);
        if self.left > 0 && runnable(current) {
            return Some(current);
        }
        let in_order = (1..=harts.len()).map(|step| (current + step) % harts.len());
        let candidates: Vec<usize> = in_order.filter(|&index| runnable(index)).collect();
        let first = *candidates.first()?;
        let next = match &mut self.chaos {
            Some(state) => {
                let pick = draw(state, candidates.len() as u64) as usize;
                candidates.get(pick).copied().unwrap_or(first)
            }
            None => first,
        };
        // Drop the reservation: no other hart can store between LR and SC, so SC checks no memory.
        if let Some(hart) = harts.get_mut(current) {
            hart.reservation = None;
        }
        self.current = next as u8;
        self.left = self.quantum(harts.len());
        Some(next)
    }

    /// Draws the length of a turn. A single hart has one endless turn.
    fn quantum(&mut self, harts: usize) -> u64 {
        match &mut self.chaos {
            _ if harts < 2 => u64::MAX,
            None => QUANTUM,
            Some(state) => {
                let short = CHAOS_SHORT
                    .into_iter()
                    .find(|(share, _)| draw(state, *share) == 0);
                1 + draw(state, short.map_or(CHAOS_MAX, |(_, most)| most))
            }
        }
    }
}

/// A random number below `bound`, which must be small: an additive generator, mixed twice.
fn draw(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        mixed = (mixed ^ mixed >> 29).wrapping_mul(factor);
    }
    (mixed ^ mixed >> 32) % bound.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harts(count: u8) -> Vec<Hart> {
        (0..count).map(|id| Hart::new(id, 0)).collect()
    }

    #[test]
    fn turns_go_round_and_skip_waiting_harts() {
        let mut harts = harts(3);
        let mut schedule = Schedule::new(3, None);
        harts[0].reservation = Some(8);
        assert_eq!(schedule.choose(&mut harts), Some(0));
        schedule.ran(QUANTUM - 1);
        assert_eq!(schedule.choose(&mut harts), Some(0));
        assert_eq!(harts[0].reservation, Some(8));
        schedule.ran(1);
        harts[1].waiting = true;
        assert_eq!(schedule.choose(&mut harts), Some(2));
        assert_eq!(harts[0].reservation, None);
        harts[2].waiting = true;
        assert_eq!(schedule.choose(&mut harts), Some(0), "it yields at once");
        harts[0].waiting = true;
        let before = schedule.clone();
        assert_eq!(schedule.choose(&mut harts), None);
        assert_eq!(schedule, before);
    }

    #[test]
    fn chaos_is_a_function_of_its_seed() {
        let turns = |seed| {
            let mut harts = harts(4);
            let mut schedule = Schedule::new(4, Some(seed));
            let turn = |_| {
                let hart = schedule.choose(&mut harts);
                let length = schedule.left();
                schedule.ran(length);
                (hart, length)
            };
            (0..1000).map(turn).collect::<Vec<_>>()
        };
        let one = turns(1);
        assert_eq!(one, turns(1));
        assert_ne!(one, turns(2));
        assert!(
            one.iter()
                .all(|(_, length)| (1..=CHAOS_MAX).contains(length))
        );
        let short = one.iter().filter(|(_, length)| *length < 5).count();
        assert!((20..200).contains(&short), "{short}");
    }
}
