//! The host: files, clocks, character devices. Nothing in here is known to the machine.

pub mod map;
