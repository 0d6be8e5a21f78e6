//! Tests of the board: its rows do not overlap, and bus and devicetree agree with them.

use super::*;
use crate::boot::{self, BootConfig};
use crate::bus::{Bus, BusError, Devices};
use crate::device::{Context, plic};
use crate::fdt::tests::{Properties, cells, parse};
use crate::inputs::Moment;
use crate::ram::Ram;
use crate::units::{Icount, VirtAddr};
use crate::virtio::testing::Outside;
use crate::virtio::{RngConfig, VirtioConfig};
use std::collections::{BTreeMap, BTreeSet};

/// A row as the devicetree has it: base, size, and interrupt source at the PLIC.
type Window = (u64, u64, Option<u32>);

fn windows_of_the_board() -> BTreeMap<String, Window> {
    let window = |(_, row): (Part, Row)| {
        let name = format!("{}@{:x}", row.name, row.base);
        (name, (row.base.get(), row.size, row.source))
    };
    rows().map(window).collect()
}

/// The rows that a guest reads from the devicetree.
fn windows_of_the_tree(tree: &Properties) -> BTreeMap<String, Window> {
    let nodes = tree.keys().filter_map(|path| {
        let node = path.strip_prefix("/soc/")?.strip_suffix("/reg")?;
        let &[high, base, size_high, size] = cells(tree, path).as_slice() else {
            panic!("{path}: not one range");
        };
        assert_eq!((high, size_high), (0, 0), "{path}");
        let source = format!("/soc/{node}/interrupts");
        let source = tree.contains_key(&source).then(|| cells(tree, &source)[0]);
        Some((node.to_owned(), (base.into(), size.into(), source)))
    });
    nodes.collect()
}

/// The devicetree of a machine with a device in every slot.
fn tree() -> Properties {
    let kernel = [0x6f, 0, 0, 0];
    let slots: Vec<u8> = (0..VIRTIO_SLOTS).collect();
    let config = BootConfig {
        bios: Some(&kernel),
        virtio_slots: &slots,
        ..BootConfig::new(1 << 20)
    };
    let plan = boot::plan(&config).unwrap();
    let blob = plan.segments.iter().find(|s| s.addr == plan.fdt_addr);
    parse(&blob.unwrap().bytes)
}

#[test]
fn the_device_tree_agrees_with_the_board() {
    assert_eq!(windows_of_the_tree(&tree()), windows_of_the_board());
}

#[test]
fn rows_share_neither_addresses_nor_sources() {
    let all: Vec<Row> = rows().map(|(_, row)| row).collect();
    for (place, one) in all.iter().enumerate() {
        assert!(0 < one.registers && one.registers <= one.size, "{one:?}");
        assert!(
            one.base + one.size <= RAM_BASE && one.base > ROM_BASE,
            "{one:?}"
        );
        for other in &all[place + 1..] {
            let apart = one.base + one.size <= other.base || other.base + other.size <= one.base;
            assert!(apart, "{one:?} and {other:?}");
        }
    }
    let sources: Vec<u32> = all.iter().filter_map(|row| row.source).collect();
    let different: BTreeSet<_> = sources.iter().copied().collect();
    assert_eq!(different.len(), sources.len(), "{sources:?}");
    assert!(different.iter().all(|id| (1..=plic::SOURCES).contains(id)));
    assert_eq!(virtio(VIRTIO_SLOTS), None);
}

/// The bus responds from the base to the end of the registers, and no further.
#[test]
fn the_bus_answers_where_the_board_says() {
    let config = vec![VirtioConfig::Rng(RngConfig { seed: [0; 32] }); VIRTIO_SLOTS.into()];
    let mut bus = Bus {
        ram: Ram::new(1 << 16).unwrap(),
        rom: Vec::new(),
        devices: Devices::new(1, None, &config),
    };
    let mut inputs = Outside::default();
    let mut answers = |address| {
        let at = Moment {
            icount: Icount::ZERO,
            hart: 0,
            pc: VirtAddr::new(0),
        };
        let mut cx = Context {
            now: 0,
            at,
            inputs: &mut inputs,
        };
        // A register may reject one size; then it accepts another.
        [1, 2, 4, 8]
            .into_iter()
            .any(|size| bus.read(address, size, &mut cx) != Err(BusError::Fault))
    };
    for (part, row) in rows() {
        assert!(answers(row.base), "{row:?}");
        let behind = row.base + row.registers;
        assert_eq!(answers(behind), find(behind, 1).is_some(), "{row:?}");
        assert_eq!(find(row.base, 1), Some((part, 0)));
        assert_eq!(find(row.base + (row.registers - 1), 2), None, "{row:?}");
    }
    assert_eq!(find(PhysAddr::new(u64::MAX), 8), None);
    assert_eq!(find(RAM_BASE, 1), None);
}

/// Each device raises the interrupt source that the devicetree names.
#[test]
fn a_device_interrupts_by_the_source_of_its_row() {
    let mut devices = Devices::new(1, None, &[]);
    let serial = cells(&tree(), "/soc/serial@10000000/interrupts")[0];
    devices.plic.set_level(serial, true);
    let raised = devices.plic.clone();
    let mut devices = Devices::new(1, None, &[]);
    // Enable "received data available".
    devices.uart.ier = 1;
    devices.uart.push_input(b"x", 0);
    devices.route_interrupts();
    assert_eq!(devices.plic, raised);
}
