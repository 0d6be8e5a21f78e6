//! Fuzz target: an arbitrary driver of the network device.
#![no_main]

use libfuzzer_sys::fuzz_target;
use machine::virtio::{NetConfig, VirtioConfig};
use machine_fuzz::drive;

fuzz_target!(|data: &[u8]| {
    let config = VirtioConfig::Net(NetConfig {
        adapter: 0,
        mac: [2, 0, 0, 0, 0, 1],
    });
    drive(&config, data);
});
