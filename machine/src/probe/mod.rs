//! What looks at execution from outside: one interface for all of it. The `debug` room acts on it.
//!
//! A probe is the debugger's, not the machine's: no snapshot, digest or log knows of it, and the
//! guest cannot tell whether there is one. Loading a snapshot, [`rewind`](crate::Machine::rewind)
//! and a reset leave it where it is, and a copy of a machine has the same.
//!
//! | probe | what it does | what it costs |
//! |---|---|---|
//! | [`Probe::Breakpoint`] | stops in front of an instruction | its page is interpreted |
//! | [`Probe::Watch`] | stops behind an access | accesses to its pages are looked at |
//! | [`Probe::Catch`] | stops behind a trap | nothing |
//! | [`Probe::Step`] | stops behind every instruction | each is executed alone |
//! | [`Probe::Witness`] | hashes what every instruction leaves behind | each is executed alone |
//! | [`Probe::Fault`] | makes an instruction go wrong | the same, from its place on |
//!
//! A stop is [`Exit::Stopped`](crate::Exit::Stopped), at an exact instruction count, which is the
//! same on all tiers. Where there are several at one place, each [`run`](crate::Machine::run) gives
//! one, and nothing is executed in between: accesses in their order, then a trap, then a step, then
//! a breakpoint at the instruction that is next.
//!
//! # The rule at a breakpoint
//!
//! It stops in front of its instruction, and going on from there executes that: a place at which a
//! breakpoint has stopped is passed, as in gdb and rr. A run that merely begins at a place, because
//! the last one ended there by its count, stops there. A debugger that came to a place in another
//! way, and goes on from it, says so by [`pass_breakpoints`](crate::Machine::pass_breakpoints).
//! Where an interrupt is due, it is taken first, and the breakpoint stops when the instruction's
//! turn has come. An instruction that cannot be fetched stops nothing: it traps, and is met again
//! if its page is there.

mod breakpoint;
mod fault;
mod stop;
mod watch;

pub use breakpoint::{AddressSpace, Breakpoint};
pub(crate) use fault::Planted;
pub use fault::{Fault, FaultError};
pub use stop::{Cause, Stop};
pub(crate) use watch::Listener;
pub use watch::{Access, Accessor, WatchHit, WatchKind, Watchpoint};

use crate::units::{Icount, VirtAddr};
use breakpoint::Breakpoints;
use std::collections::{BTreeSet, VecDeque};

/// Something that looks at execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// A virtual address of code.
    Breakpoint(Breakpoint),
    /// A physical range of data.
    Watch(Watchpoint),
    /// A trap: gdb's catchpoint. A call of the SBI that the machine itself serves counts as one.
    Catch(Cause),
    /// Every instruction of these harts, trapping ones included.
    Step(Harts),
    /// A running hash of what every instruction leaves behind: [`crate::Machine::witness`].
    Witness,
    /// An instruction is to go wrong; where it did is [`crate::Machine::fault_at`].
    Fault(Fault),
}

/// Whose instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harts {
    /// Those of all harts.
    All,
    /// Those of the hart with this id.
    One(u8),
}

/// A place in front of an instruction: instructions executed, hart, and its pc.
pub(crate) type Place = (Icount, u8, u64);

/// All probes of a machine, and what they have to say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probes {
    pub(crate) breakpoints: Breakpoints,
    pub(crate) watchpoints: BTreeSet<Watchpoint>,
    catches: BTreeSet<Cause>,
    steps: BTreeSet<Harts>,
    /// The hash so far.
    pub(crate) witness: Option<u64>,
    pub(crate) fault: Option<Planted>,
    /// Stops at the place where the machine is, which nobody has been told of yet.
    pub(crate) pending: VecDeque<Stop>,
    /// Where no breakpoint stops.
    pub(crate) passed: Vec<Place>,
}

impl Probes {
    /// Inserts a probe; what must follow in caches is the caller's. A witness begins anew where
    /// there is one; a fault takes the place of another.
    pub(crate) fn insert(&mut self, probe: Probe) {
        match probe {
            Probe::Breakpoint(point) => {
                self.breakpoints.0.insert(point);
            }
            Probe::Watch(point) => {
                self.watchpoints.insert(point);
            }
            Probe::Catch(cause) => {
                self.catches.insert(cause);
            }
            Probe::Step(harts) => {
                self.steps.insert(harts);
            }
            Probe::Witness => self.witness = Some(0),
            Probe::Fault(fault) => self.fault = Some(Planted::new(fault)),
        }
    }

    /// Removes a probe, if it is there; what must follow in caches is the caller's.
    pub(crate) fn remove(&mut self, probe: Probe) {
        match probe {
            Probe::Breakpoint(point) => {
                self.breakpoints.0.remove(&point);
            }
            Probe::Watch(point) => {
                self.watchpoints.remove(&point);
            }
            Probe::Catch(cause) => {
                self.catches.remove(&cause);
            }
            Probe::Step(harts) => {
                self.steps.remove(&harts);
            }
            Probe::Witness => self.witness = None,
            Probe::Fault(fault) => {
                self.fault.take_if(|planted| planted.fault == fault);
            }
        }
    }

    /// Whether there is a stop that nobody has been told of.
    pub(crate) fn stopped(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether there is a stop behind every instruction of `hart`.
    pub(crate) fn steps(&self, hart: u8) -> bool {
        self.steps.contains(&Harts::All) || self.steps.contains(&Harts::One(hart))
    }

    /// A trap was taken: stops if that is wanted.
    pub(crate) fn trapped(&mut self, hart: u8, pc: u64, cause: Cause, tval: u64) {
        if self.catches.contains(&cause) {
            let stop = Stop::Trap {
                hart,
                pc: VirtAddr::new(pc),
                cause,
                tval,
            };
            self.pending.push_back(stop);
        }
    }

    /// Stops in front of the instruction at `place`, unless that is passed.
    pub(crate) fn stop_before(&mut self, place: Place) -> bool {
        if self.passed.contains(&place) {
            return false;
        }
        let (_, hart, pc) = place;
        let pc = VirtAddr::new(pc);
        self.pending.push_back(Stop::Breakpoint { hart, pc });
        self.passed = vec![place];
        true
    }

    /// The machine has been put elsewhere.
    pub(crate) fn moved(&mut self) {
        self.pending.clear();
        self.passed.clear();
    }
}
