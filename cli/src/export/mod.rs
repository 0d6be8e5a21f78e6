//! The content of a log or a recording in the formats of other tools, one file each.

pub(crate) mod chrome;
pub(crate) mod pcap;
pub(crate) mod serial;
pub(crate) mod time;
pub(crate) mod tracks;
