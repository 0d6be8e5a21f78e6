//! The TLBs of the harts.
//!
//! A TLB is a pure cache. A store to a page table that it depends on flushes it, so a guest cannot
//! observe it. Therefore a run does not depend on the snapshot from which it started.

use super::Mode;
pub(crate) use machine_jit::tlb::{Kind, Space, Tlb};

/// The set of entries for accesses in `mode`. `sum` matters only in S-mode.
pub(super) fn space(mode: Mode, sum: bool) -> Space {
    Space::new(match mode {
        Mode::User => 0,
        Mode::Supervisor => 1 + u8::from(sum),
        Mode::Machine => 3,
    })
}

/// The TLBs of all harts, for one hart that executes. A page that contains page tables or code must
/// be protected from cached stores in all of them.
pub(crate) struct Tlbs<'a> {
    /// The TLB of the hart that executes.
    pub(crate) own: &'a mut Tlb,
    /// The TLBs of the harts with lower indices, and of those with higher indices.
    others: [&'a mut [Box<Tlb>]; 2],
}

impl<'a> Tlbs<'a> {
    /// Splits `all` for hart `own`; `None` if there is no such hart.
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

    /// Does [`Tlb::protect`] on the TLB of every hart.
    pub(crate) fn protect(&mut self, offset: u64) {
        self.own.protect(offset);
        self.others().for_each(|tlb| tlb.protect(offset));
    }

    /// Does [`Tlb::flush`] on the TLB of every hart.
    pub(crate) fn flush(&mut self) {
        self.own.flush();
        self.others().for_each(Tlb::flush);
    }

    /// Whether the machine has only one hart.
    pub(crate) fn alone(&self) -> bool {
        self.others.iter().all(|part| part.is_empty())
    }
}
