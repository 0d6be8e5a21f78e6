//! The translation caches of the harts.
//!
//! A pure cache: the pages of the tables it was filled from are watched, and a store to one of them
//! empties it, so a guest cannot tell it from no cache at all. That is what makes a run the same
//! from whatever snapshot it goes on.

use super::Mode;
pub(crate) use machine_jit::tlb::{Kind, Space, Tlb};

/// The set for accesses in `mode`; `sum` matters in supervisor mode alone.
pub(super) fn space(mode: Mode, sum: bool) -> Space {
    Space::new(match mode {
        Mode::User => 0,
        Mode::Supervisor => 1 + u8::from(sum),
        Mode::Machine => 3,
    })
}

/// The translation caches of all harts, seen from the one that executes: a page that one hart's
/// cache depends on, or that code comes from, is watched in the stores of all.
pub(crate) struct Tlbs<'a> {
    /// Of the hart that executes.
    pub(crate) own: &'a mut Tlb,
    /// Of the harts with lower numbers, and of those with higher ones.
    others: [&'a mut [Box<Tlb>]; 2],
}

impl<'a> Tlbs<'a> {
    /// The caches `all`, seen from hart `own`; `None` where there is no such hart.
    pub(crate) fn new(all: &'a mut [Box<Tlb>], own: usize) -> Option<Self> {
        let (lower, rest) = all.split_at_mut_checked(own)?;
        let (own, higher) = rest.split_first_mut()?;
        Some(Self {
            own,
            others: [lower, higher],
        })
    }

    fn others(&mut self) -> impl Iterator<Item = &mut Tlb> {
        self.others
            .iter_mut()
            .flat_map(|part| part.iter_mut())
            .map(Box::as_mut)
    }

    /// [`Tlb::protect`] for every hart.
    pub(crate) fn protect(&mut self, offset: u64) {
        self.own.protect(offset);
        self.others().for_each(|tlb| tlb.protect(offset));
    }

    /// [`Tlb::flush`] for every hart.
    pub(crate) fn flush(&mut self) {
        self.own.flush();
        self.others().for_each(Tlb::flush);
    }

    /// Whether there is one hart alone.
    pub(crate) fn alone(&self) -> bool {
        self.others.iter().all(|part| part.is_empty())
    }
}
