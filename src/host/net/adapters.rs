//! The networks of a guest's adapters. They share one limit on the frames that wait for the guest.

use super::{NetError, NetHandle, NetdevOptions};
use crate::host::device::{Handled, HostDevice, OnArrival};
use crate::notes::Notes;
use machine::inputs::{Arrival, DeviceOutput};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Frames that wait for the guest at most. Further frames are dropped, as on a full wire.
const WAITING: usize = 1024;

/// The open networks, by the number of their adapter.
#[derive(Debug)]
pub struct Adapters {
    networks: Vec<NetHandle>,
    /// The number of frames that wait for the guest.
    waiting: Arc<AtomicUsize>,
}

impl Adapters {
    /// Opens the networks of the adapters. Their frames go to `on_arrival`.
    ///
    /// # Errors
    /// As for [`NetHandle::open`].
    pub fn open<'a>(
        adapters: impl Iterator<Item = &'a NetdevOptions>,
        notes: &Notes,
        on_arrival: &OnArrival,
    ) -> Result<Self, NetError> {
        let waiting = Arc::new(AtomicUsize::new(0));
        let open = |(adapter, netdev)| {
            let (on_arrival, waiting) = (Arc::clone(on_arrival), Arc::clone(&waiting));
            let on_frame = move |data| {
                // Relaxed is enough: the count guards no other data.
                if waiting.load(Ordering::Relaxed) < WAITING {
                    waiting.fetch_add(1, Ordering::Relaxed);
                    on_arrival(Arrival::Frame { adapter, data });
                }
            };
            NetHandle::open(netdev, notes, Box::new(on_frame))
        };
        Ok(Self {
            networks: (0u8..).zip(adapters).map(open).collect::<Result<_, _>>()?,
            waiting,
        })
    }
}

impl HostDevice for Adapters {
    fn output(&mut self, output: &DeviceOutput) -> Handled {
        let DeviceOutput::Frame { adapter, frame } = output else {
            return Handled::Declined;
        };
        let Some(network) = self.networks.get(usize::from(*adapter)) else {
            return Handled::Declined;
        };
        network.send(frame.clone());
        Handled::MayAnswer
    }

    fn arrived(&mut self, arrival: &Arrival) {
        if let Arrival::Frame { .. } = arrival {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
