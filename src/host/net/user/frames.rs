//! The cable to the guest as smoltcp's device: two queues of frames.

use super::wire::{ETHERNET, MTU};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use std::collections::VecDeque;

/// Frames to and from an interface of smoltcp.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// To the interface.
    pub(crate) incoming: VecDeque<Vec<u8>>,
    /// From the interface.
    pub(crate) outgoing: Vec<Vec<u8>>,
}

/// A frame for the interface.
#[derive(Debug)]
pub(crate) struct Received(Vec<u8>);

/// Takes a frame from the interface.
#[derive(Debug)]
pub(crate) struct Room<'a>(&'a mut Vec<Vec<u8>>);

impl Device for Frames {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Room<'_>)> {
        let frame = self.incoming.pop_front()?;
        Some((Received(frame), Room(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        Some(Room(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = ETHERNET + MTU;
        capabilities
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}
