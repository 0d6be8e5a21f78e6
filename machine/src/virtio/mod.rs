//! Virtio devices on the virtio-mmio transport (Virtual I/O Device specification 1.2; the sections
//! named in this module are of that document).
//!
//! A device acts when it is notified, and at once: everything between notification and interrupt
//! falls on the one instruction that wrote the register. What comes from outside (a disk that is
//! done, a frame, a key) arrives between instructions, through [`crate::Machine`].

mod backend;
mod block;
mod chain;
mod console;
mod error;
mod memory;
mod mmio;
mod net;
mod queue;
mod rng;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use error::{DeviceError, Ring};
pub use mmio::VirtioMmio;
pub(crate) use mmio::read_empty;

use serde::{Deserialize, Serialize};

/// What sits in one of the eight virtio-mmio slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VirtioConfig {
    /// A disk.
    Block {
        /// Which, in the order of the command line.
        drive: u8,
        /// Its size in bytes, a multiple of 512.
        size: u64,
        /// The guest may not write.
        read_only: bool,
        /// Its serial number, 20 bytes at most.
        serial: String,
    },
    /// A network adapter.
    Net {
        /// Which, in the order of the command line.
        adapter: u8,
        /// Its hardware address.
        mac: [u8; 6],
    },
    /// A source of entropy.
    Rng {
        /// All of its bytes are a function of this.
        seed: [u8; 32],
    },
    /// A console, as a second serial port.
    Console {
        /// Number of the port for [`Inputs::serial_write`](crate::inputs::Inputs::serial_write).
        port: u8,
    },
}
