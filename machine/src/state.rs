//! The state of the machine as bytes: for digests, and for snapshots.
//!
//! All state but RAM is one value, and its encoding is both what a digest hashes and what a snapshot keeps. So a
//! device cannot be in the one and forgotten in the other. RAM goes page by page.

use crate::bus::Devices;
use crate::clock::Clock;
use crate::cpu::Hart;
use crate::machine::Machine;
use crate::ram::{PAGE, Ram};
use crate::schedule::Schedule;
use crate::units::{Digest, Icount};
use crate::virtio::VirtioMmio;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_128;

/// Version of the encoding of [`Machine::save`]. A test knows the shape that belongs to it.
pub const FORMAT: u32 = 1;

/// Why saved state is not this machine's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The bytes are no state of this format.
    #[error("it is no state of a machine, or is damaged")]
    Damaged,
    /// It is the state of a machine with other parts.
    #[error("it is the state of another machine: {0} differ")]
    OtherMachine(&'static str),
}

/// Parts of a machine in the encoding of [`FORMAT`].
///
/// # Panics
/// Never: parts are plain data without sequences of unknown length, and a vector takes all bytes.
/// If it did fail, a digest of nothing would be equal on both sides of a comparison.
pub fn encoded(part: &impl Serialize) -> Vec<u8> {
    match postcard::to_stdvec(part) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("a part of the machine cannot be encoded: {error}"),
    }
}

/// All state but RAM.
#[derive(Serialize, Deserialize)]
struct State<'a> {
    icount: Icount,
    clock: Cow<'a, Clock>,
    harts: Cow<'a, [Hart]>,
    schedule: Cow<'a, Schedule>,
    devices: Cow<'a, Devices>,
}

impl State<'_> {
    /// What keeps it from being the state of `machine`.
    fn misfit(&self, machine: &Machine) -> Option<&'static str> {
        let ids = |harts: &[Hart]| harts.iter().map(|hart| hart.id).collect::<Vec<_>>();
        let devices = &machine.bus.devices;
        if ids(&self.harts) != ids(&machine.harts)
            || self.schedule.current() >= self.harts.len()
            || self.harts.iter().any(|hart| hart.x[0] != 0)
        {
            Some("harts")
        } else if !self.clock.runs_like(&machine.clock) {
            Some("clocks")
        } else if !self.devices.same_board(devices) {
            Some("devices")
        } else {
            None
        }
    }
}

impl Machine {
    fn state(&self) -> State<'_> {
        State {
            icount: self.icount,
            clock: Cow::Borrowed(&self.clock),
            harts: Cow::Borrowed(&self.harts),
            schedule: Cow::Borrowed(&self.schedule),
            devices: Cow::Borrowed(&self.bus.devices),
        }
    }

    /// All state but RAM, in the encoding of [`FORMAT`].
    pub fn save(&self) -> Vec<u8> {
        encoded(&self.state())
    }

    /// The digest of the whole state: equal states have equal digests, on any host.
    pub fn digest(&mut self) -> Digest {
        self.save_with_digest().1
    }

    /// What [`Machine::save`] and [`Machine::digest`] give, at the price of one.
    pub fn save_with_digest(&mut self) -> (Vec<u8>, Digest) {
        let ram = self.bus.ram.digest();
        self.tlbs.iter_mut().for_each(|tlb| tlb.flush_stores());
        let state = self.save();
        let digest = xxh3_128(&[state.as_slice(), &ram.to_le_bytes()].concat());
        (state, Digest::new(digest))
    }

    /// All state but RAM, as a tree: for showing what differs.
    pub fn inspect(&self) -> impl Serialize + '_ {
        self.state()
    }

    /// A hash of all state but RAM, and but the seed of the entropy device: two recordings of one machine differ in it
    /// from the start.
    pub fn hash_without_seed(&self) -> u128 {
        let mut devices = self.bus.devices.clone();
        devices.virtio.iter_mut().for_each(VirtioMmio::forget_seed);
        let state = State {
            devices: Cow::Owned(devices),
            ..self.state()
        };
        xxh3_128(&encoded(&state))
    }

    /// A hash of each page of RAM, in order; that of a page of zeroes is zero. Pages at different places
    /// have different hashes, also where their content is the same.
    pub fn page_hashes(&mut self) -> &[u128] {
        self.digest();
        self.bus.ram.hashes()
    }

    /// The same as they were when [`Machine::digest`] was last called.
    pub fn known_page_hashes(&self) -> &[u128] {
        self.bus.ram.hashes()
    }

    /// The bytes of a page of RAM, by its number; `None` where there is none.
    pub fn page(&self, page: u32) -> Option<&[u8]> {
        self.bus.ram.get(u64::from(page) * PAGE as u64, PAGE)
    }

    /// Switches the machine off and on: everything is as [`Machine::new`] made it, but probes stay.
    pub fn rewind(&mut self) {
        // Before the new RAM is there, so that there is never twice as much.
        self.bus.ram = Ram::new(0);
        let power_on = std::mem::take(&mut self.power_on);
        let (kick, probes) = (self.kick.clone(), std::mem::take(&mut self.probes));
        let execution = self.blocks.execution();
        *self = Self::new(&self.config, power_on);
        (self.kick, self.probes) = (kick, probes);
        self.probes_moved();
        self.set_execution(execution);
    }

    /// Fills a page of RAM with [`PAGE`] bytes; false, and no effect, where that is no page.
    pub fn restore_page(&mut self, page: u32, bytes: &[u8]) -> bool {
        bytes.len() == PAGE && self.bus.ram.place(u64::from(page) * PAGE as u64, bytes)
    }

    /// Takes on state from [`Machine::save`], for a machine whose RAM is already what it was then.
    ///
    /// # Errors
    /// If it is not the state of a machine like this; then nothing has changed.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let (state, rest) =
            postcard::take_from_bytes::<State<'_>>(state).map_err(|_| StateError::Damaged)?;
        if !rest.is_empty() {
            return Err(StateError::Damaged);
        }
        if let Some(parts) = state.misfit(self) {
            return Err(StateError::OtherMachine(parts));
        }
        self.icount = state.icount;
        self.clock = state.clock.into_owned();
        self.harts = state.harts.into_owned();
        self.schedule = state.schedule.into_owned();
        self.bus.devices = state.devices.into_owned();
        self.probes_moved();
        self.drop_caches();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
