//! Probes observe or alter execution from outside: breakpoints, watchpoints and the like. The
//! module `debug` carries them out.
//!
//! A probe belongs to the debugger and not to the machine. It is in no snapshot, digest or log, and
//! the guest cannot detect it. It stays when a snapshot is loaded, at a
//! [`rewind`](crate::Machine::rewind), and at a reset. A clone of a machine has the same probes.
//!
//! | probe | effect | cost |
//! |---|---|---|
//! | [`Probe::Breakpoint`] | stops before an instruction | its page is interpreted |
//! | [`Probe::Watch`] | stops after an access | accesses to its pages are checked |
//! | [`Probe::Catch`] | stops after a trap | nothing |
//! | [`Probe::Step`] | stops after every instruction | each instruction runs alone |
//! | [`Probe::Witness`] | hashes the result of every instruction | each instruction runs alone |
//! | [`Probe::Fault`] | makes an instruction give a wrong result | the same, from its icount on |
//!
//! A stop is [`Exit::Stopped`](crate::Exit::Stopped), at an exact icount that does not depend on
//! the way of execution. If several stops are due at one icount, each [`run`](crate::Machine::run)
//! returns one of them and executes nothing in between. The order is: accesses in their order, a
//! trap, a step, and then a breakpoint at the next instruction.
//!
//! # The rule at a breakpoint
//!
//! A breakpoint stops before its instruction, and the next run executes the instruction, as in gdb
//! and rr. A run that merely starts at a breakpoint, because the previous run ended there by its
//! icount, does stop there. A debugger that has moved to an icount in another way calls
//! [`pass_breakpoints`](crate::Machine::pass_breakpoints) to continue from it. If an interrupt is
//! due, it is taken first, and the breakpoint stops when its instruction is next again. A
//! breakpoint does not stop at an instruction whose fetch faults: that traps, and the breakpoint
//! stops at the retry if the page is then present.

mod breakpoint;
mod fault;
mod stop;
mod watch;

pub use breakpoint::{AddressSpace, Breakpoint};
pub(crate) use fault::InjectedFault;
pub use fault::{Fault, FaultError};
pub use stop::{Cause, Stop};
pub(crate) use watch::Watchpoints;
pub use watch::{Access, Accessor, WatchHit, WatchKind, Watchpoint};

use crate::units::{Icount, VirtAddr};
use breakpoint::Breakpoints;
use std::collections::{BTreeSet, VecDeque};

/// One way of observing or altering execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Stop at a virtual address of code.
    Breakpoint(Breakpoint),
    /// Stop at accesses to a range of physical addresses.
    Watch(Watchpoint),
    /// Stop at a trap (gdb's catchpoint). An SBI call to the machine itself counts as a trap.
    Catch(Cause),
    /// Stop after every instruction of these harts, including those that trap.
    Step(Harts),
    /// Keep a running hash of the results of all instructions: [`crate::Machine::witness`].
    Witness,
    /// Inject a fault. [`crate::Machine::fault_at`] says at which icount it happened.
    Fault(Fault),
}

/// A choice of harts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harts {
    /// All harts.
    All,
    /// The hart with this id.
    One(u8),
}

/// A point before an instruction: icount, hart id, and pc.
pub(crate) type Place = (Icount, u8, u64);

/// All probes of a machine, and the stops that they have caused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probes {
    pub(crate) breakpoints: Breakpoints,
    pub(crate) watchpoints: BTreeSet<Watchpoint>,
    catches: BTreeSet<Cause>,
    steps: BTreeSet<Harts>,
    /// The running hash of the witness; `None` without one.
    pub(crate) witness: Option<u64>,
    pub(crate) fault: Option<InjectedFault>,
    /// Stops at the current icount that no run has returned yet.
    pub(crate) pending: VecDeque<Stop>,
    /// Points at which breakpoints do not stop.
    pub(crate) passed: Vec<Place>,
}

impl Probes {
    /// Inserts a probe. A new witness starts a new hash, and a new fault replaces the old one. The
    /// caller updates the caches.
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
            Probe::Fault(fault) => self.fault = Some(InjectedFault::new(fault)),
        }
    }

    /// Removes a probe if it is inserted. The caller updates the caches.
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
                self.fault.take_if(|injected| injected.fault == fault);
            }
        }
    }

    /// Whether there is a stop that no run has returned yet.
    pub(crate) fn stopped(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether every instruction of `hart` causes a stop.
    pub(crate) fn steps(&self, hart: u8) -> bool {
        self.steps.contains(&Harts::All) || self.steps.contains(&Harts::One(hart))
    }

    /// Records a trap that was taken, as a stop if a probe catches it.
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

    /// Records a stop before the instruction at `place` unless the point is in `passed`.
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

    /// Drops stops and passed points: the machine has moved to another point of the run.
    pub(crate) fn clear_stops(&mut self) {
        self.pending.clear();
        self.passed.clear();
    }
}
