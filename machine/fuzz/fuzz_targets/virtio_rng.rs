//! Fuzz target: an arbitrary driver of the entropy device.
#![no_main]

use libfuzzer_sys::fuzz_target;
use machine::virtio::{RngConfig, VirtioConfig};
use machine_fuzz::drive;

fuzz_target!(|data: &[u8]| {
    let config = VirtioConfig::Rng(RngConfig { seed: [0; 32] });
    drive(&config, data);
});
