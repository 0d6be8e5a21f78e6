//! Virtio devices on the virtio-mmio transport (Virtual I/O Device specification 1.2; all sections
//! named in this module are of that document).
//!
//! A device handles a notification at once: everything from the notification to the interrupt
//! happens at the instruction that wrote the register. Input from outside, such as the completion
//! of a disk request or a frame, arrives between two instructions, through
//! [`crate::Machine::arrive`].

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

/// Defines the two enums of device types, from one row per type.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $config:ty => $device:ty,)*) => {
        /// The configuration of a device in a virtio-mmio slot.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum VirtioConfig {
            $($(#[$doc])* $kind($config),)*
        }

        /// A device of one of the types.
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

// Saved state depends on the order. A new type at the end leaves `state::FORMAT`; any other change
// of a row raises it.
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
