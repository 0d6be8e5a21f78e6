//! Fuzz target: an arbitrary driver of the console device.
#![no_main]

use libfuzzer_sys::fuzz_target;
use machine::virtio::{ConsoleConfig, VirtioConfig};
use machine_fuzz::drive;

fuzz_target!(|data: &[u8]| {
    let config = VirtioConfig::Console(ConsoleConfig { port: 1 });
    drive(&config, data);
});
