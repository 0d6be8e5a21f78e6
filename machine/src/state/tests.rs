//! Tests of saving and restoring machine state.

use super::*;
use crate::cpu::{Mode, Power};
use crate::inputs::Arrival;
use crate::virtio::{ConsoleConfig, DeviceError, Ring, RngConfig, VirtioConfig, testing};
use crate::{Config, PowerOn, Request};
use serde_reflection::{
    ContainerFormat, Format, FormatHolder, Named, Registry, Samples, Tracer, TracerConfig,
    VariantFormat,
};
use std::collections::BTreeMap;
use std::fmt::Debug;
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
    Machine::new(&config, power_on).unwrap()
}

/// The shape of saved state in [`FORMAT`], without the device types of virtio.
const REST: (u32, &str) = (1, "dcfc2f2319789195");

/// The shape of each device type of virtio in [`FORMAT`], in the order of `kinds!`. A new type is a
/// new line at the end, and `FORMAT` stays: state without the type decodes as before, and an older
/// program refuses state with it.
const ROWS: &[(&str, &str)] = &[
    ("Block", "7ee022451d71d2a6"),
    ("Net", "f43620c0e2b282a4"),
    ("Rng", "a2dcf6c8ba3a353d"),
    ("Console", "f6b4e37796c2adc9"),
];

/// The shapes of saved state, traced from its types.
fn shapes() -> (Vec<(String, String)>, String) {
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
    let Some(ContainerFormat::Enum(kinds)) = registry.get(KINDS) else {
        panic!("{KINDS} is no enum of the state");
    };
    let row = |kind: &Named<VariantFormat>| (kind.name.clone(), shape(&registry, &kind.value));
    let rows = kinds.values().map(row).collect();
    let state = Format::TypeName("State".to_owned());
    (rows, shape(&registry, &state))
}

/// The name of the enum of device types.
const KINDS: &str = "Kind";

/// A hash of a type and of all types in it, but not of [`KINDS`]: the names, the order and the
/// types of all fields and variants.
fn shape(registry: &Registry, of: &(impl FormatHolder + Debug)) -> String {
    let mut inner = BTreeMap::new();
    let mut names = names(of);
    while let Some(name) = names.pop() {
        if name != KINDS && !inner.contains_key(&name) {
            names.extend(self::names(&registry[&name]));
            inner.insert(name.clone(), &registry[&name]);
        }
    }
    let text = format!("{of:?} {inner:?}");
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

/// The named types directly in a type.
fn names(of: &impl FormatHolder) -> Vec<String> {
    let mut names = Vec::new();
    let mut look = |format: &Format| {
        if let Format::TypeName(name) = format {
            names.push(name.clone());
        }
        Ok(())
    };
    of.visit(&mut look).unwrap();
    names
}

/// What must be done about the device types that are not as in the table.
fn todo(found: &[(String, String)], table: &[(&str, &str)]) -> Result<(), String> {
    for (number, row) in table.iter().enumerate() {
        let same = |(name, shape): &(String, String)| (name.as_str(), shape.as_str()) == *row;
        if !found.get(number).is_some_and(same) {
            let name = row.0;
            return Err(format!(
                "device type {number} was {name}, and is changed, moved or gone: raise FORMAT, and \
                 make the table this one: {found:?}"
            ));
        }
    }
    match &found[table.len()..] {
        [] => Ok(()),
        new => Err(format!(
            "a new device type: FORMAT stays, and the table gets this at its end: {new:?}"
        )),
    }
}

#[test]
fn the_shape_belongs_to_the_format() {
    let (rows, rest) = shapes();
    assert_eq!(
        (FORMAT, rest.as_str()),
        REST,
        "what is saved has changed: raise FORMAT, and put the new numbers here"
    );
    assert_eq!(todo(&rows, ROWS), Ok(()));
}

#[test]
fn a_new_device_type_leaves_the_format_and_a_changed_one_does_not() {
    let own = |(name, shape): &(&str, &str)| (name.to_string(), shape.to_string());
    let with = |change: fn(&mut Vec<(String, String)>)| {
        let mut rows: Vec<_> = ROWS.iter().map(own).collect();
        change(&mut rows);
        todo(&rows, ROWS).unwrap_err()
    };
    let appended = with(|rows| rows.push(("New".to_owned(), "0".to_owned())));
    assert!(appended.contains("FORMAT stays"), "{appended}");
    for wrong in [
        with(|rows| rows.insert(0, ("New".to_owned(), "0".to_owned()))),
        with(|rows| rows.swap(0, 1)),
        with(|rows| drop(rows.pop())),
        with(|rows| drop(rows.remove(0))),
        with(|rows| rows[1].0 = "Other".to_owned()),
        with(|rows| rows[1].1 = "0".to_owned()),
    ] {
        assert!(wrong.contains("raise FORMAT"), "{wrong}");
    }
}

/// A device type of a newer program is refused. This is why a new one can leave the format.
#[test]
fn an_unknown_device_type_is_refused() {
    let types = shapes().0.len();
    for number in 0..128u8 {
        let mut bytes = [0; 256];
        bytes[0] = number;
        let known = usize::from(number) < types;
        assert_eq!(testing::is_kind(&bytes), known, "device type {number}");
    }
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
    new.rewind().unwrap();
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
