//! Fuzz target: an arbitrary driver of the block device.
#![no_main]

use libfuzzer_sys::fuzz_target;
use machine::virtio::{BlockConfig, VirtioConfig};
use machine_fuzz::drive;

fuzz_target!(|data: &[u8]| {
    let config = VirtioConfig::Block(BlockConfig {
        drive: 0,
        size: 1 << 20,
        read_only: false,
        serial: "fuzz".to_owned(),
    });
    drive(&config, data);
});
