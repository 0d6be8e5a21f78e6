//! Tests of saving and restoring machine state.

use super::*;
use crate::cpu::{Mode, Power};
use crate::inputs::Arrival;
use crate::virtio::{ConsoleConfig, DeviceError, Ring, RngConfig, VirtioConfig, testing};
use crate::{Config, PowerOn, Request};
use serde_reflection::{Samples, Tracer, TracerConfig};
use xxhash_rust::xxh3::xxh3_64;

fn machine(harts: u8, virtio: Vec<VirtioConfig>) -> Machine {
    let config = Config {
        harts,
        virtio,
        ..Config::new(4 * PAGE as u64)
    };
    let segments = vec![(crate::bus::RAM_BASE, vec![1; 16])];
    let power_on = PowerOn {
        segments,
        ..PowerOn::default()
    };
    Machine::new(&config, power_on)
}

/// The names, the order and the types of all fields and variants are fixed.
#[test]
fn the_shape_belongs_to_the_format() {
    let mut tracer = Tracer::new(TracerConfig::default().record_samples_for_structs(false));
    let samples = Samples::new();
    // Trace each enum by itself: a trace of its container sees only one variant.
    tracer.trace_type::<Mode>(&samples).unwrap();
    tracer.trace_type::<Power>(&samples).unwrap();
    tracer.trace_type::<Request>(&samples).unwrap();
    tracer.trace_type::<Ring>(&samples).unwrap();
    tracer.trace_type::<DeviceError>(&samples).unwrap();
    testing::trace_kinds(&mut tracer, &samples);
    tracer.trace_type::<State<'static>>(&samples).unwrap();
    let registry = tracer.registry().unwrap();
    let shape = xxh3_64(format!("{registry:?}").as_bytes());
    assert_eq!(
        (FORMAT, format!("{shape:016x}").as_str()),
        (1, "257133c2cf41349a"),
        "what is saved has changed: raise FORMAT, and put the new numbers here"
    );
}

#[test]
fn state_comes_back() {
    let mut old = machine(2, vec![VirtioConfig::Rng(RngConfig { seed: [7; 32] })]);
    old.warp(12_345);
    let (port, data) = (0, b"abc".to_vec());
    old.arrive(&Arrival::Serial { port, data }).unwrap();
    old.restore_page(2, &[9; PAGE]);
    let (digest, state) = (old.digest(), old.save());
    let mut new = machine(2, vec![VirtioConfig::Rng(RngConfig { seed: [8; 32] })]);
    new.restore_page(2, &[9; PAGE]);
    assert_ne!(new.digest(), digest);
    new.restore(&state).unwrap();
    assert_eq!(new.digest(), digest);
    new.rewind();
    assert_eq!(
        new.digest(),
        machine(2, vec![VirtioConfig::Rng(RngConfig { seed: [8; 32] })]).digest()
    );
}

#[test]
fn state_of_others_is_refused() {
    let state = machine(2, Vec::new()).save();
    let mut other = machine(1, Vec::new());
    assert_eq!(
        other.restore(&state),
        Err(StateError::OtherMachine("harts"))
    );
    let mut other = machine(2, vec![VirtioConfig::Console(ConsoleConfig { port: 1 })]);
    assert_eq!(
        other.restore(&state),
        Err(StateError::OtherMachine("devices"))
    );
    let mut same = machine(2, Vec::new());
    for cut in 0..state.len() {
        assert_eq!(same.restore(&state[..cut]), Err(StateError::Damaged));
    }
    assert!(!same.restore_page(4, &[0; PAGE]));
    assert!(!same.restore_page(0, &[0; 3]));
}
