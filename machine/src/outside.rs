//! What comes from outside to the virtio devices, between two instructions.
//!
//! None of these calls moves the instruction count. What they change is seen by the guest at its
//! next instruction.

use crate::inputs::BlockResult;
use crate::machine::Machine;
use crate::virtio::{DeviceError, VirtioMmio};

impl Machine {
    /// The host is done with request `id` of disk `drive`: data read reaches guest memory now. A
    /// request that the guest has forgotten, by a reset, is without effect.
    pub fn block_complete(&mut self, drive: u8, id: u64, result: BlockResult) {
        let bus = &mut self.bus;
        for disk in &mut bus.devices.virtio {
            if disk.drive() == Some(drive) {
                disk.block_complete(id, &result, &mut bus.ram);
            }
        }
    }

    /// An Ethernet frame of 1 to 65 535 bytes arrives at network adapter `adapter`. It waits while
    /// the guest has no buffer for it; with 256 frames waiting, or no driver, it is dropped.
    pub fn net_receive(&mut self, adapter: u8, frame: &[u8]) {
        let bus = &mut self.bus;
        for net in &mut bus.devices.virtio {
            if net.adapter() == Some(adapter) {
                net.net_receive(frame, &mut bus.ram);
            }
        }
    }

    /// Bytes arrive at the virtio console whose port this is; false where there is none.
    pub fn console_input(&mut self, port: u8, data: &[u8]) -> bool {
        let bus = &mut self.bus;
        let mut consoles = bus.devices.virtio.iter_mut();
        let console = consoles.find(|device| device.console_port() == Some(port));
        match console {
            Some(console) => {
                console.console_input(data, &mut bus.ram);
                true
            }
            None => false,
        }
    }

    /// Bytes that arrived at the virtio console of this port and that the guest has yet to take.
    pub fn console_backlog(&self, port: u8) -> usize {
        let mut devices = self.bus.devices.virtio.iter();
        let console = devices.find(|device| device.console_port() == Some(port));
        console.map_or(0, VirtioMmio::console_backlog)
    }

    /// The virtio devices that the guest's driver has broken since power-on: slot, how often, and
    /// the last reason. For a message; the machine goes on.
    pub fn virtio_errors(&self) -> impl Iterator<Item = (usize, u64, &DeviceError)> {
        let devices = self.bus.devices.virtio.iter().enumerate();
        devices.filter_map(|(slot, device)| Some((slot, device.errors(), device.last_error()?)))
    }
}
