//! The serial input in a log.

use std::collections::BTreeMap;
use std::io::{self, Write};

use replay_format::{AsyncEvent, Event, Log};

/// Writes the input of all devices, in the order of the log. Returns the bytes of each device.
/// `None`: input that the machine asked for, whose device the log does not name.
pub(crate) fn of_log(log: &Log<'_>, out: &mut dyn Write) -> io::Result<BTreeMap<Option<u8>, u64>> {
    let mut devices = BTreeMap::new();
    for record in log.events().map_while(Result::ok) {
        let (device, data) = match record.event {
            Event::Async {
                event: AsyncEvent::CharRead { device, data },
                ..
            } => (Some(device), data),
            Event::CharReadAll(data) => (None, data),
            _ => continue,
        };
        out.write_all(data)?;
        *devices.entry(device).or_default() += data.len() as u64;
    }
    Ok(devices)
}
