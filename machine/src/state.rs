//! The state of the machine as bytes, for digests and snapshots.
//!
//! All state except RAM is one value with one encoding. A digest hashes that encoding and a
//! snapshot stores it, so a device cannot be in one and missing from the other. RAM is handled page
//! by page.

use crate::bus::Devices;
use crate::clock::Clock;
use crate::cpu::Hart;
use crate::machine::Machine;
use crate::ram::{OutOfMemory, PAGE, Ram};
use crate::schedule::Schedule;
use crate::units::{Digest, Icount};
use crate::virtio::VirtioMmio;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_128;

/// Version of the encoding of [`Machine::save`]. A test fixes the shape that belongs to it. A new
/// type of virtio device, behind the others, leaves it.
pub const FORMAT: u32 = 1;

/// Why a machine cannot be restored from saved state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The bytes do not decode in the encoding of [`FORMAT`].
    #[error("it is no state of a machine, or is damaged")]
    Damaged,
    /// The state belongs to a machine with another configuration. The text names the parts that
    /// differ.
    #[error("it is the state of another machine: {0} differ")]
    OtherMachine(&'static str),
}

/// A part of the machine in the encoding of [`FORMAT`].
///
/// # Panics
/// Never: each part is plain data without sequences of unknown length, and writing to a vector
/// cannot fail. A fallback to an empty encoding would make different states compare equal.
pub fn encoded(part: &impl Serialize) -> Vec<u8> {
    match postcard::to_stdvec(part) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("a part of the machine cannot be encoded: {error}"),
    }
}

/// All state except RAM.
#[derive(Serialize, Deserialize)]
struct State<'a> {
    icount: Icount,
    clock: Cow<'a, Clock>,
    harts: Cow<'a, [Hart]>,
    schedule: Cow<'a, Schedule>,
    devices: Cow<'a, Devices>,
}

impl State<'_> {
    /// The parts in which it differs from the configuration of `machine`; `None` if it fits.
    fn mismatch(&self, machine: &Machine) -> Option<&'static str> {
        let ids = |harts: &[Hart]| harts.iter().map(|hart| hart.id).collect::<Vec<_>>();
        let devices = &machine.bus.devices;
        if ids(&self.harts) != ids(&machine.harts)
            || self.schedule.current() >= self.harts.len()
            || self.harts.iter().any(|hart| hart.x[0] != 0)
        {
            Some("harts")
        } else if !self.clock.has_same_shift(&machine.clock) {
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

    /// All state except RAM, in the encoding of [`FORMAT`].
    pub fn save(&self) -> Vec<u8> {
        encoded(&self.state())
    }

    /// The digest of the whole state. Equal states have equal digests on every host.
    pub fn digest(&mut self) -> Digest {
        self.save_with_digest().1
    }

    /// The results of [`Machine::save`] and [`Machine::digest`]. It encodes the state only once.
    pub fn save_with_digest(&mut self) -> (Vec<u8>, Digest) {
        let ram = self.bus.ram.digest();
        self.tlbs.iter_mut().for_each(|tlb| tlb.flush_stores());
        let state = self.save();
        let digest = xxh3_128(&[state.as_slice(), &ram.to_le_bytes()].concat());
        (state, Digest::new(digest))
    }

    /// All state except RAM, as a serializable tree. It serves to show where two states differ.
    pub fn inspect(&self) -> impl Serialize + '_ {
        self.state()
    }

    /// A hash of all state except RAM and the seed of the entropy device. The seed differs between
    /// any two recordings of the same machine.
    pub fn hash_without_seed(&self) -> u128 {
        let mut devices = self.bus.devices.clone();
        devices.virtio.iter_mut().for_each(VirtioMmio::forget_seed);
        let state = State {
            devices: Cow::Owned(devices),
            ..self.state()
        };
        xxh3_128(&encoded(&state))
    }

    /// A hash of each page of RAM, in the order of the pages. The hash of a page of zeroes is zero.
    /// Otherwise the hash depends on the page number as well as on the content.
    pub fn page_hashes(&mut self) -> &[u128] {
        self.digest();
        self.bus.ram.hashes()
    }

    /// The page hashes as of the last call of [`Machine::digest`].
    pub fn known_page_hashes(&self) -> &[u128] {
        self.bus.ram.hashes()
    }

    /// The bytes of a page of RAM; `None` if there is no page of that number.
    pub fn page(&self, page: u32) -> Option<&[u8]> {
        self.bus.ram.get(u64::from(page) * PAGE as u64, PAGE)
    }

    /// Power-cycles the machine: all state is as [`Machine::new`] made it. Probes, the kick flag
    /// and the way of execution stay.
    ///
    /// # Errors
    /// [`OutOfMemory`] if the host has no memory for the RAM any more. Then the machine has none,
    /// and must not be used.
    pub fn rewind(&mut self) -> Result<(), OutOfMemory> {
        // Free the old RAM first, so that the peak is not twice the size.
        self.bus.ram = Ram::none();
        let power_on = std::mem::take(&mut self.power_on);
        let (kick, probes) = (self.kick.clone(), std::mem::take(&mut self.probes));
        let execution = self.blocks.execution();
        *self = Self::new(&self.config, power_on)?;
        (self.kick, self.probes) = (kick, probes);
        self.reapply_probes();
        self.set_execution(execution);
        Ok(())
    }

    /// Overwrites a page of RAM with [`PAGE`] bytes. Returns false, and changes nothing, if there
    /// is no such page or `bytes` has another length.
    pub fn restore_page(&mut self, page: u32, bytes: &[u8]) -> bool {
        bytes.len() == PAGE && self.bus.ram.place(u64::from(page) * PAGE as u64, bytes)
    }

    /// Restores state from [`Machine::save`]. The caller restores RAM first, page by page.
    ///
    /// # Errors
    /// [`StateError`] if the bytes are damaged or belong to another machine. Then nothing has
    /// changed.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let (state, rest) =
            postcard::take_from_bytes::<State<'_>>(state).map_err(|_| StateError::Damaged)?;
        if !rest.is_empty() {
            return Err(StateError::Damaged);
        }
        if let Some(parts) = state.mismatch(self) {
            return Err(StateError::OtherMachine(parts));
        }
        self.icount = state.icount;
        self.clock = state.clock.into_owned();
        self.harts = state.harts.into_owned();
        self.schedule = state.schedule.into_owned();
        self.bus.devices = state.devices.into_owned();
        self.reapply_probes();
        self.drop_caches();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
