//! Network device (section 5.1): Ethernet frames without offloads.

use super::backend::{Backend, Live};
use super::error::{DeviceError, Fault};
use super::memory::{gather, scatter};
use super::queue::feature::VERSION_1;
use crate::device::Context;
use crate::inputs::{Arrival, DeviceOutput, Output};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use virtio_bindings::virtio_ids::VIRTIO_ID_NET;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_STATUS, VIRTIO_NET_S_LINK_UP,
};

const RECEIVE: usize = 0;
const QUEUE: u16 = 256;
/// Most received frames that wait for the guest.
pub(super) const BACKLOG: usize = 256;
/// Longest frame in bytes, in both directions.
pub(super) const FRAME_MAX: usize = 0xffff;
/// Most buffer bytes of one transmit request.
const SEND_MAX: u64 = 128 << 10;

/// The configuration of a network adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetConfig {
    /// Number of the adapter, in the order of the command line.
    pub adapter: u8,
    /// MAC address.
    pub mac: [u8; 6],
}

/// A network adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Net {
    adapter: u8,
    mac: [u8; 6],
    /// Received frames for which the guest has no buffers yet.
    backlog: VecDeque<Vec<u8>>,
    /// Number of dropped frames: they were too long, the queue was full, or there was no driver.
    pub(super) dropped: u64,
}

impl Net {
    pub(super) fn new(config: &NetConfig) -> Self {
        Self {
            adapter: config.adapter,
            mac: config.mac,
            backlog: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Queues a received frame. `up`: the driver is ready.
    fn enqueue(&mut self, frame: &[u8], up: bool) {
        let good = up && (1..=FRAME_MAX).contains(&frame.len()) && self.backlog.len() < BACKLOG;
        if good {
            self.backlog.push_back(frame.to_vec());
        } else {
            self.dropped += 1;
        }
    }

    /// Moves received frames to the guest's buffers.
    fn receive(&mut self, live: &mut Live<'_>) -> Result<(), DeviceError> {
        while let Some(frame) = self.backlog.front() {
            match deliver(frame, live)? {
                Delivery::Wait => break,
                Delivery::Done => {}
                Delivery::Impossible => self.dropped += 1,
            }
            self.backlog.pop_front();
        }
        live.settle(RECEIVE, !self.backlog.is_empty());
        Ok(())
    }
}

enum Delivery {
    /// There are not enough buffers now.
    Wait,
    Done,
    /// There cannot be enough buffers at any time.
    Impossible,
}

fn deliver(frame: &[u8], live: &mut Live<'_>) -> Result<Delivery, DeviceError> {
    let header = header_len(live.features);
    let merge = live.features & 1 << VIRTIO_NET_F_MRG_RXBUF != 0;
    let need = (header + frame.len()) as u64;
    let (mut chains, mut room) = (Vec::new(), 0u64);
    while room < need {
        let popped = chains.len() as u16;
        let more = merge || chains.is_empty();
        let Some(chain) = (if more {
            live.pop(RECEIVE, u32::MAX.into())?
        } else {
            None
        }) else {
            live.unpop(RECEIVE, popped);
            // The driver cannot add to a full queue. Without mergeable buffers a frame has one
            // chain.
            let size = live.queues.get(RECEIVE).map_or(0, |queue| queue.size);
            let full = popped > 0 && (!merge || u32::from(popped) == size);
            return Ok(if full {
                Delivery::Impossible
            } else {
                Delivery::Wait
            });
        };
        if chain.writable_len() == 0 {
            return Err(DeviceError::NoRoom);
        }
        room += chain.writable_len();
        chains.push(chain);
    }
    // Flags, GSO type and lengths are zero; num_buffers follows (section 5.1.6).
    let mut data = vec![0; header];
    if let Some(count) = data.get_mut(10..12) {
        count.copy_from_slice(&(chains.len() as u16).to_le_bytes());
    }
    data.extend_from_slice(frame);
    let mut rest = data.as_slice();
    for chain in &chains {
        let len = rest.len().min(chain.writable_len() as usize);
        let (part, behind) = rest.split_at(len);
        scatter(&mut live.dma, &chain.writable, 0, part);
        live.push(RECEIVE, chain.head, len as u32);
        rest = behind;
    }
    Ok(Delivery::Done)
}

/// Size of the header before each frame in bytes. The legacy header has num_buffers only with
/// mergeable buffers (section 5.1.6.1).
fn header_len(features: u64) -> usize {
    match features & (VERSION_1 | 1 << VIRTIO_NET_F_MRG_RXBUF) {
        0 => 10,
        _ => 12,
    }
}

impl Backend for Net {
    fn id(&self) -> u32 {
        VIRTIO_ID_NET
    }

    fn features(&self) -> u64 {
        1 << VIRTIO_NET_F_MAC | 1 << VIRTIO_NET_F_STATUS | 1 << VIRTIO_NET_F_MRG_RXBUF
    }

    fn queues(&self) -> &'static [u16] {
        &[QUEUE, QUEUE]
    }

    /// Configuration layout: MAC address and status (section 5.1.4).
    fn config(&self) -> Vec<u8> {
        let mut bytes = self.mac.to_vec();
        bytes.extend((VIRTIO_NET_S_LINK_UP as u16).to_le_bytes());
        bytes
    }

    fn notify(
        &mut self,
        queue: usize,
        live: &mut Live<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        if queue == RECEIVE {
            return Ok(self.receive(live)?);
        }
        let header = header_len(live.features) as u64;
        for _ in 0..live.waiting(queue)? {
            let Some(chain) = live.pop(queue, SEND_MAX)? else {
                break;
            };
            let len = chain.readable_len();
            if len < header {
                return Err(DeviceError::ShortRequest(len).into());
            }
            let frame = gather(&live.dma, &chain.readable, header, len);
            match frame.len() {
                1..=FRAME_MAX => {
                    let adapter = self.adapter;
                    let output = Output::Device(DeviceOutput::Frame { adapter, frame });
                    cx.inputs.output(cx.at, output)?;
                }
                _ => self.dropped += 1,
            }
            live.push(queue, chain.head, 0);
        }
        live.settle(queue, false);
        Ok(())
    }

    fn arrive(
        &mut self,
        arrival: &Arrival,
        live: Option<&mut Live<'_>>,
    ) -> Result<bool, DeviceError> {
        let Arrival::Frame { adapter, data } = arrival else {
            return Ok(false);
        };
        if *adapter != self.adapter {
            return Ok(false);
        }
        self.enqueue(data, live.is_some());
        if let Some(live) = live {
            self.receive(live)?;
        }
        Ok(true)
    }

    fn reset(&mut self) {
        self.backlog.clear();
    }
}
