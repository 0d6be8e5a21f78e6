//! Console device (section 5.3) with one port.

use super::backend::{Backend, Live};
use super::error::{DeviceError, Fault};
use super::memory::scatter;
use crate::device::Context;
use crate::inputs::{Arrival, Output};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use virtio_bindings::virtio_ids::VIRTIO_ID_CONSOLE;

const RECEIVE: usize = 0;
/// Most bytes of one transmit request.
const SEND_MAX: u64 = 1 << 20;

/// The configuration of a console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleConfig {
    /// Number of the serial port, from 1 on. The UART is port 0.
    pub port: u8,
}

/// A console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Console {
    /// Number of the serial port.
    port: u8,
    /// Received bytes for which the guest has no buffer yet. It accepts any number.
    pub(super) backlog: VecDeque<u8>,
}

impl Console {
    pub(super) fn new(config: &ConsoleConfig) -> Self {
        Self {
            port: config.port,
            backlog: VecDeque::new(),
        }
    }

    /// Moves received bytes to the guest's buffers.
    fn receive(&mut self, live: &mut Live<'_>) -> Result<(), DeviceError> {
        while !self.backlog.is_empty() {
            let Some(chain) = live.pop(RECEIVE, u32::MAX.into())? else {
                break;
            };
            let room = usize::try_from(chain.writable_len()).unwrap_or(usize::MAX);
            if room == 0 {
                return Err(DeviceError::NoRoom);
            }
            let len = room.min(self.backlog.len());
            let data: Vec<u8> = self.backlog.drain(..len).collect();
            scatter(&mut live.dma, &chain.writable, 0, &data);
            live.push(RECEIVE, chain.head, len as u32);
        }
        live.settle(RECEIVE, !self.backlog.is_empty());
        Ok(())
    }
}

impl Backend for Console {
    fn id(&self) -> u32 {
        VIRTIO_ID_CONSOLE
    }

    fn features(&self) -> u64 {
        0
    }

    fn queues(&self) -> &'static [u16] {
        &[64, 64]
    }

    /// Configuration layout. The features for columns, rows, ports and emergency write are not
    /// offered.
    fn config(&self) -> Vec<u8> {
        vec![0; 12]
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
        for _ in 0..live.waiting(queue)? {
            let Some(chain) = live.pop(queue, SEND_MAX)? else {
                break;
            };
            for segment in &chain.readable {
                let data = live.dma.get(segment.address, segment.len as usize);
                let (port, data) = (self.port, data.unwrap_or_default());
                cx.inputs.output(cx.at, Output::Serial { port, data })?;
            }
            live.push(queue, chain.head, 0);
        }
        live.settle(queue, false);
        Ok(())
    }

    /// Received bytes are kept even without a driver.
    fn arrive(
        &mut self,
        arrival: &Arrival,
        live: Option<&mut Live<'_>>,
    ) -> Result<bool, DeviceError> {
        let Arrival::Serial { port, data } = arrival else {
            return Ok(false);
        };
        if *port != self.port {
            return Ok(false);
        }
        self.backlog.extend(data);
        if let Some(live) = live {
            self.receive(live)?;
        }
        Ok(true)
    }

    /// Received bytes are kept, because drivers reset the device when they probe.
    fn reset(&mut self) {}
}
