//! The host's parts of the machine's devices: one table, by which a run starts them.

use crate::error::Error;
use crate::host::device::{HostDevice, OnArrival};
use crate::host::net::Adapters;
use crate::notes::Notes;
use crate::recording::options::MachineOptions;
use crate::run::mailbox::{Mailbox, Message};
use std::sync::Arc;

/// The host's part of the devices of a type; `None`: it has none for this machine.
type Part = Option<Box<dyn HostDevice>>;

/// Starts the host's part of the devices of a type.
type Start = fn(&MachineOptions, &Notes, &OnArrival) -> Result<Part, Error>;

/// One row for each type of device, but for disks and the serial port: their output has results.
const TABLE: [Start; 1] = [networks];

/// Starts the host's parts of the machine's devices. Their arrivals go to the mailbox.
///
/// # Errors
/// If the host refuses one of them.
pub fn start(
    options: &MachineOptions,
    notes: &Notes,
    mailbox: &Arc<Mailbox>,
) -> Result<Vec<Box<dyn HostDevice>>, Error> {
    let mailbox = Arc::clone(mailbox);
    let on_arrival: OnArrival = Arc::new(move |arrival| mailbox.post(Message::Arrival(arrival)));
    let parts = TABLE.iter().map(|start| start(options, notes, &on_arrival));
    parts.filter_map(Result::transpose).collect()
}

fn networks(options: &MachineOptions, notes: &Notes, to: &OnArrival) -> Result<Part, Error> {
    let adapters = Adapters::open(options.adapters(), notes, to)?;
    Ok(Some(Box::new(adapters)))
}
