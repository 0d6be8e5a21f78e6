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

pub use block::BlockConfig;
pub use console::ConsoleConfig;
pub use error::{DeviceError, Ring};
pub use mmio::VirtioMmio;
pub(crate) use mmio::read_empty;
pub use net::NetConfig;
pub use rng::RngConfig;

use backend::Backend;
use serde::{Deserialize, Serialize};

/// Makes the two enums of the kinds of devices from a row a kind.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $config:ty => $device:ty,)*) => {
        /// What sits in one of the eight virtio-mmio slots.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum VirtioConfig {
            $($(#[$doc])* $kind($config),)*
        }

        /// A device of one of the kinds that there are.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub(in crate::virtio) enum Kind {
            $($kind($device),)*
        }

        impl Kind {
            fn new(config: &VirtioConfig) -> Self {
                match config {
                    $(VirtioConfig::$kind(config) => Self::$kind(<$device>::new(config)),)*
                }
            }

            fn backend(&self) -> &dyn Backend {
                match self { $(Self::$kind(device) => device,)* }
            }

            fn backend_mut(&mut self) -> &mut dyn Backend {
                match self { $(Self::$kind(device) => device,)* }
            }
        }
    };
}

// The order is that of saved state: a new kind comes last.
kinds! {
    /// A disk.
    Block: BlockConfig => block::Block,
    /// A network adapter.
    Net: NetConfig => net::Net,
    /// A source of entropy.
    Rng: RngConfig => rng::Rng,
    /// A console, as a second serial port.
    Console: ConsoleConfig => console::Console,
}
