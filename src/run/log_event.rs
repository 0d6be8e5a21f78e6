//! How an arrival stands in the log: one table, read both ways.

use crate::error::Error;
use crate::host::disk::drive_of;
use machine::inputs::{Arrival, BlockResult};
use replay_format::AsyncEvent;

/// What an event of the log brings to a machine.
pub(super) enum Brought {
    /// This arrival.
    Arrival(Arrival),
    /// The end of a request that the guest has yet to make.
    NotYet,
    /// Nothing that this machine has a device for.
    Nothing,
}

/// The event that holds an arrival.
pub(super) fn event_of(arrival: &Arrival) -> AsyncEvent<'_> {
    match arrival {
        Arrival::Serial { port, data } => AsyncEvent::CharRead {
            device: *port,
            data,
        },
        // The data of a request stands in the overlay, not in the log.
        Arrival::Block { id, .. } => AsyncEvent::Block { id: *id },
        Arrival::Frame { adapter, data } => AsyncEvent::Net {
            device: *adapter,
            flags: 0,
            data,
        },
    }
}

/// The arrival that an event holds; `completed` carries out a request of a disk, and returns `None`
/// where the guest has yet to make it.
///
/// # Errors
/// What `completed` returns.
pub(super) fn arrival_of(
    event: AsyncEvent<'_>,
    completed: impl FnOnce(u64) -> Result<Option<BlockResult>, Error>,
) -> Result<Brought, Error> {
    Ok(Brought::Arrival(match event {
        AsyncEvent::CharRead { device, data } => Arrival::Serial {
            port: device,
            data: data.to_vec(),
        },
        AsyncEvent::Block { id } => {
            let Some(result) = completed(id)? else {
                return Ok(Brought::NotYet);
            };
            let drive = drive_of(id);
            Arrival::Block { drive, id, result }
        }
        AsyncEvent::Net { device, data, .. } => Arrival::Frame {
            adapter: device,
            data: data.to_vec(),
        },
        _ => return Ok(Brought::Nothing),
    }))
}
