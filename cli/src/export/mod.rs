//! What a log or a recording holds, in the formats of other tools: one file a format.

pub(crate) mod chrome;
pub(crate) mod pcap;
pub(crate) mod serial;
pub(crate) mod time;
pub(crate) mod tracks;
