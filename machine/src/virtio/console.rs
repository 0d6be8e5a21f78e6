//! Console device (section 5.3) with its one port.

use super::backend::{Backend, Live};
use super::error::{DeviceError, Fault};
use super::memory::scatter;
use crate::device::Context;
use crate::inputs::{Arrival, Output};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use virtio_bindings::virtio_ids::VIRTIO_ID_CONSOLE;

const RECEIVE: usize = 0;
/// The most bytes that the guest may send at once.
const SEND_MAX: u64 = 1 << 20;

/// A console to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleConfig {
    /// Number of the serial port at the door, from 1: 0 is the UART.
    pub port: u8,
}

/// A console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Console {
    /// Its number at the door.
    port: u8,
    /// Bytes that arrived and that the guest has no buffer for yet. None is ever refused.
    pub(super) backlog: VecDeque<u8>,
}

impl Console {
    pub(super) fn new(config: &ConsoleConfig) -> Self {
        Self {
            port: config.port,
            backlog: VecDeque::new(),
        }
    }

    /// Hands waiting bytes to the guest's buffers.
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

    /// Columns, rows, ports and emergency write: none of these features is offered.
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

    /// Bytes are taken whether or not a driver is there.
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

    /// What has arrived stays: drivers reset the device when they probe.
    fn reset(&mut self) {}
}
