//! The events of arrivals: one table, which a recording writes and a replay reads.

use crate::error::Error;
use crate::host::disk::drive_of;
use crate::recording::log::LogSink;
use machine::Icount;
use machine::inputs::{Arrival, BlockResult};
use replay_format::{AsyncEvent, Checkpoint, Event};

/// What an event means for a machine.
pub(super) enum Brought {
    /// It holds this arrival.
    Arrival(Arrival),
    /// It completes a request that the guest has not made yet.
    NotYet,
    /// The machine has no device for it.
    Nothing,
}

/// Writes an arrival to the log, after the checkpoint that it belongs to.
///
/// # Errors
/// If the log could not be written.
pub(super) fn write(log: &mut LogSink, icount: Icount, arrival: &Arrival) -> Result<(), Error> {
    let checkpoint = Checkpoint::ClockVirtual;
    log.event(icount, &Event::Checkpoint(checkpoint))?;
    let (checkpoint, event) = (Some(checkpoint), event_of(arrival));
    log.event(icount, &Event::Async { checkpoint, event })
}

/// The event that holds an arrival.
fn event_of(arrival: &Arrival) -> AsyncEvent<'_> {
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

/// The arrival that an event holds. `completed` gives the result of a disk request, or `None` if
/// the guest has not made it yet.
///
/// # Errors
/// The errors of `completed`.
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
