//! Virtio devices on the virtio-mmio transport (Virtual I/O Device specification 1.2).

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
