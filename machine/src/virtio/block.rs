//! Block device (section 5.2).
//!
//! The data of a write leaves guest memory when the request is submitted. The data of a read
//! reaches guest memory only when the request completes. An invalid request is answered at once,
//! without the host.

use super::backend::{Backend, Live};
use super::chain::Chain;
use super::error::{DeviceError, Fault};
use super::memory::{Dma, Segment, gather, scatter, total};
use crate::device::Context;
use crate::inputs::{Arrival, BlockOp, BlockRequest, BlockResult, Output};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use virtio_bindings::virtio_blk::*;
use virtio_bindings::virtio_ids::VIRTIO_ID_BLOCK;

const QUEUE: u16 = 128;
/// Size of a sector in bytes. Requests address the disk in sectors.
pub(super) const SECTOR: u64 = 512;
/// Size of a request header in bytes: type, reserved, sector.
const HEADER: u64 = 16;
/// Most data bytes of one request. A larger request gets an I/O error.
pub(super) const DATA_MAX: u64 = 64 << 20;
/// Data bytes in flight at which further requests wait in the queue.
pub(super) const IN_FLIGHT_MAX: u64 = 32 << 20;
/// Most sectors that one request discards or fills with zeroes: 1 GiB.
const SECTORS_MAX: u32 = 1 << 21;

/// A request that the host works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct InFlight {
    head: u16,
    /// The buffers for the data of a read and then the status.
    writable: Vec<Segment>,
    /// Number of data bytes of a read or a write.
    data: u64,
    read: bool,
}

/// The configuration of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockConfig {
    /// Number of the drive, in the order of the command line.
    pub drive: u8,
    /// Size in bytes, a multiple of 512.
    pub size: u64,
    /// The guest cannot write to it.
    pub read_only: bool,
    /// Serial number, at most 20 bytes.
    pub serial: String,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Block {
    drive: u8,
    /// Size in bytes, a multiple of [`SECTOR`].
    size: u64,
    read_only: bool,
    serial: [u8; VIRTIO_BLK_ID_BYTES as usize],
    /// Requests in flight, by their number.
    in_flight: BTreeMap<u64, InFlight>,
    /// Number of the next request. A reset does not change it.
    next_id: u64,
    /// Requests wait in the queue until fewer bytes are in flight.
    stalled: bool,
}

/// How a request is handled.
enum Action {
    /// Submit it to the host. It reads this number of bytes.
    Submit(BlockOp, u64),
    /// Answer it at once, with a status and data.
    Answer(u32, Vec<u8>),
}

use Action::{Answer, Submit};

const REFUSED: Action = Answer(VIRTIO_BLK_S_IOERR, Vec::new());
const UNSUPPORTED: Action = Answer(VIRTIO_BLK_S_UNSUPP, Vec::new());

impl Block {
    pub(super) fn new(config: &BlockConfig) -> Self {
        let mut id = [0; VIRTIO_BLK_ID_BYTES as usize];
        for (to, from) in id.iter_mut().zip(config.serial.bytes()) {
            *to = from;
        }
        Self {
            drive: config.drive,
            size: config.size - config.size % SECTOR,
            read_only: config.read_only,
            serial: id,
            in_flight: BTreeMap::new(),
            next_id: 0,
            stalled: false,
        }
    }

    fn bytes_in_flight(&self) -> u64 {
        self.in_flight.values().map(|request| request.data).sum()
    }

    /// Handles requests from the queue until it is empty or enough bytes are in flight.
    fn work(&mut self, live: &mut Live<'_>, cx: &mut Context<'_>) -> Result<(), Fault> {
        self.stalled = false;
        for _ in 0..live.waiting(0)? {
            let Some(chain) = live.pop(0, u32::MAX.into())? else {
                break;
            };
            if self
                .in_flight
                .values()
                .any(|other| other.head == chain.head)
            {
                return Err(DeviceError::HeadInUse(chain.head).into());
            }
            let under_way = self.bytes_in_flight();
            let data = chain.readable_len().saturating_add(chain.writable_len());
            if under_way > 0 && under_way.saturating_add(data) > IN_FLIGHT_MAX {
                live.unpop(0, 1);
                self.stalled = true;
                break;
            }
            self.request(chain, live, cx)?;
        }
        live.settle(0, false);
        Ok(())
    }

    fn request(
        &mut self,
        chain: Chain,
        live: &mut Live<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        let Some(room) = chain.writable_len().checked_sub(1) else {
            return Err(DeviceError::NoRoom.into());
        };
        let header = gather(&live.dma, &chain.readable, 0, HEADER);
        let (Some(kind), Some(sector)) = (number(&header, 0, 4), number(&header, 8, 8)) else {
            return Err(DeviceError::ShortRequest(chain.readable_len()).into());
        };
        match self.action(kind as u32, sector, &chain, room, &live.dma) {
            Answer(status, data) => {
                let written = finish(&mut live.dma, &chain.writable, status, &data);
                live.push(0, chain.head, written);
            }
            Submit(op, to_read) => {
                let id = u64::from(self.drive) << 56 | self.next_id;
                self.next_id += 1;
                let written = match &op {
                    BlockOp::Write { data, .. } => data.len() as u64,
                    _ => 0,
                };
                let request = InFlight {
                    head: chain.head,
                    writable: chain.writable,
                    data: to_read + written,
                    read: matches!(op, BlockOp::Read { .. }),
                };
                self.in_flight.insert(id, request);
                let drive = self.drive;
                let request = BlockRequest { drive, id, op };
                cx.inputs.output(cx.at, Output::Block(request))?;
            }
        }
        Ok(())
    }

    /// The byte offset of a request's range; `None` if the range is not within the disk.
    fn place(&self, sector: u64, len: u64) -> Option<u64> {
        let offset = sector.checked_mul(SECTOR)?;
        (offset.checked_add(len)? <= self.size).then_some(offset)
    }

    fn action(&self, kind: u32, sector: u64, chain: &Chain, room: u64, dma: &Dma<'_>) -> Action {
        let payload = chain.readable_len() - HEADER;
        let transfer = |len: u64| {
            let good = len.is_multiple_of(SECTOR) && (1..=DATA_MAX).contains(&len);
            self.place(sector, len).filter(|_| good)
        };
        match kind {
            VIRTIO_BLK_T_IN => match transfer(room) {
                Some(offset) => {
                    let len = room as u32;
                    Submit(BlockOp::Read { offset, len }, room)
                }
                None => REFUSED,
            },
            VIRTIO_BLK_T_OUT if !self.read_only => match transfer(payload) {
                Some(offset) => {
                    let data = gather(dma, &chain.readable, HEADER, payload);
                    Submit(BlockOp::Write { offset, data }, 0)
                }
                None => REFUSED,
            },
            VIRTIO_BLK_T_OUT => REFUSED,
            VIRTIO_BLK_T_FLUSH => Submit(BlockOp::Flush, 0),
            VIRTIO_BLK_T_GET_ID => {
                // As many bytes as the buffers have room for (section 5.2.6).
                let id = self.serial.iter().copied();
                Answer(VIRTIO_BLK_S_OK, id.take(room as usize).collect())
            }
            VIRTIO_BLK_T_DISCARD | VIRTIO_BLK_T_WRITE_ZEROES if self.read_only => REFUSED,
            VIRTIO_BLK_T_DISCARD | VIRTIO_BLK_T_WRITE_ZEROES => {
                let range = gather(dma, &chain.readable, HEADER, 17);
                self.range_action(kind == VIRTIO_BLK_T_DISCARD, &range)
            }
            _ => UNSUPPORTED,
        }
    }

    /// Handles a discard or write-zeroes request. It has one range, as the configuration space
    /// says.
    fn range_action(&self, discard: bool, range: &[u8]) -> Action {
        let fields = (
            number(range, 0, 8),
            number(range, 8, 4),
            number(range, 12, 4),
        );
        let (Some(sector), Some(count), Some(flags)) = fields else {
            return UNSUPPORTED;
        };
        let unmap = flags == u64::from(VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
        if range.len() != 16 || (flags != 0 && (discard || !unmap)) {
            return UNSUPPORTED;
        }
        let len = count * SECTOR;
        match self.place(sector, len) {
            Some(offset) if count <= u64::from(SECTORS_MAX) => match discard {
                true => Submit(BlockOp::Discard { offset, len }, 0),
                false => Submit(BlockOp::WriteZeroes { offset, len, unmap }, 0),
            },
            _ => REFUSED,
        }
    }

    /// Completes a request with the host's result.
    fn complete(&self, request: &InFlight, result: &BlockResult, live: &mut Live<'_>) {
        let (status, data) = match result {
            BlockResult::Done(data) if !request.read => (VIRTIO_BLK_S_OK, &data[..0]),
            // A short read is an error.
            BlockResult::Done(data) if data.len() as u64 == request.data => {
                (VIRTIO_BLK_S_OK, data.as_slice())
            }
            _ => (VIRTIO_BLK_S_IOERR, [].as_slice()),
        };
        let written = finish(&mut live.dma, &request.writable, status, data);
        live.push(0, request.head, written);
        live.settle(0, false);
    }
}

/// The little-endian number of `len` bytes at `at`.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + len)?.iter().rev();
    Some(bytes.fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// Writes the data, and the status into the last byte. Returns the length for the used ring.
fn finish(dma: &mut Dma<'_>, writable: &[Segment], status: u32, data: &[u8]) -> u32 {
    scatter(dma, writable, 0, data);
    let last = total(writable).saturating_sub(1);
    scatter(dma, writable, last, &[status as u8]);
    // The length must not include bytes that were not written (section 2.7.8.2).
    match data.len() as u64 == last {
        true => last as u32 + 1,
        false => data.len() as u32,
    }
}

impl Backend for Block {
    fn id(&self) -> u32 {
        VIRTIO_ID_BLOCK
    }

    fn features(&self) -> u64 {
        let read_only = u64::from(self.read_only) << VIRTIO_BLK_F_RO;
        let bits = [
            VIRTIO_BLK_F_SEG_MAX,
            VIRTIO_BLK_F_BLK_SIZE,
            VIRTIO_BLK_F_FLUSH,
            VIRTIO_BLK_F_DISCARD,
            VIRTIO_BLK_F_WRITE_ZEROES,
        ];
        bits.iter().fold(read_only, |all, bit| all | 1 << bit)
    }

    fn queues(&self) -> &'static [u16] {
        &[QUEUE]
    }

    /// Configuration layout (section 5.2.4). Fields of features that are not offered are zero.
    fn config(&self) -> Vec<u8> {
        let mut bytes = vec![0; 60];
        let mut put = |at: usize, value: &[u8]| {
            for (to, from) in bytes.iter_mut().skip(at).zip(value) {
                *to = *from;
            }
        };
        put(0, &(self.size / SECTOR).to_le_bytes());
        let fields = [
            (12, u32::from(QUEUE) - 2), // seg_max
            (20, SECTOR as u32),        // blk_size
            (36, SECTORS_MAX),          // max_discard_sectors
            (40, 1),                    // max_discard_seg
            (44, 1),                    // discard_sector_alignment
            (48, SECTORS_MAX),          // max_write_zeroes_sectors
            (52, 1),                    // max_write_zeroes_seg
            (56, 1),                    // write_zeroes_may_unmap
        ];
        for (at, value) in fields {
            put(at, &value.to_le_bytes());
        }
        bytes
    }

    fn notify(&mut self, _: usize, live: &mut Live<'_>, cx: &mut Context<'_>) -> Result<(), Fault> {
        self.work(live, cx)
    }

    /// A completion has no effect if a reset has dropped the request.
    fn arrive(
        &mut self,
        arrival: &Arrival,
        live: Option<&mut Live<'_>>,
    ) -> Result<bool, DeviceError> {
        let Arrival::Block { drive, id, result } = arrival else {
            return Ok(false);
        };
        if *drive != self.drive {
            return Ok(false);
        }
        let request = self.in_flight.remove(id);
        if let (Some(request), Some(live)) = (request, live) {
            self.complete(&request, result, live);
        }
        Ok(true)
    }

    /// Whether requests wait that can be handled now.
    fn ready(&self) -> bool {
        self.stalled && self.bytes_in_flight() < IN_FLIGHT_MAX
    }

    fn tick(&mut self, live: &mut Live<'_>, cx: &mut Context<'_>) -> Result<(), Fault> {
        self.work(live, cx)
    }

    fn reset(&mut self) {
        self.in_flight.clear();
        self.stalled = false;
    }
}
