//! Tests of the transport and of queues, with correct and with faulty drivers.

mod devices;
mod malformed;
mod random;

use super::testing::Bench;
use super::{BlockConfig, ConsoleConfig, NetConfig, RngConfig, VirtioConfig};
use virtio_bindings::virtio_mmio::*;

/// A disk of 1 MiB.
fn disk() -> VirtioConfig {
    VirtioConfig::Block(BlockConfig {
        drive: 3,
        size: 1 << 20,
        read_only: false,
        serial: "rr-0".to_owned(),
    })
}

fn net() -> VirtioConfig {
    VirtioConfig::Net(NetConfig {
        adapter: 1,
        mac: [2, 3, 4, 5, 6, 7],
    })
}

fn rng() -> VirtioConfig {
    VirtioConfig::Rng(RngConfig { seed: [9; 32] })
}

fn console() -> VirtioConfig {
    VirtioConfig::Console(ConsoleConfig { port: 1 })
}

#[test]
fn the_transport_identifies_itself() {
    for (config, id, queues) in [
        (disk(), 2, 1),
        (net(), 1, 2),
        (rng(), 4, 1),
        (console(), 3, 2),
    ] {
        let mut bench = Bench::new(&config);
        assert_eq!(bench.read(VIRTIO_MMIO_MAGIC_VALUE), 0x7472_6976);
        assert_eq!(bench.read(VIRTIO_MMIO_VERSION), 2);
        assert_eq!(bench.read(VIRTIO_MMIO_DEVICE_ID), id);
        for queue in 0..3 {
            bench.write(VIRTIO_MMIO_QUEUE_SEL, queue);
            let max = bench.read(VIRTIO_MMIO_QUEUE_NUM_MAX);
            assert_eq!(max > 0, queue < queues);
        }
        // Registers need 32-bit accesses. The configuration space allows bytes.
        assert!(bench.dev.read(0, 1).is_err());
        assert!(bench.try_write(0x70, 1, 1).is_err());
        let whole = bench.dev.read(0x100, 4).unwrap();
        let bytes = (0..4).map(|i| bench.dev.read(0x100 + i, 1).unwrap() << (8 * i));
        assert_eq!(whole, bytes.sum::<u64>());
    }
}

#[test]
fn features_that_were_not_offered_are_not_agreed_on() {
    let mut bench = Bench::new(&disk());
    bench.negotiate(1 << 32 | 1 << 34);
    assert_eq!(bench.read(VIRTIO_MMIO_STATUS), 3);
    bench.negotiate(1 << 32 | 1 << 28);
    assert_eq!(bench.read(VIRTIO_MMIO_STATUS), 11);
    // The negotiated features do not change.
    bench.write(VIRTIO_MMIO_DRIVER_FEATURES, u32::MAX);
    bench.write(VIRTIO_MMIO_STATUS, 15);
    assert_eq!(bench.read(VIRTIO_MMIO_STATUS), 15);
}

#[test]
fn a_reset_by_the_driver_makes_the_device_as_new() {
    for config in [disk(), net(), rng(), console()] {
        let mut bench = Bench::started(&config, 1 << 29);
        bench.write(VIRTIO_MMIO_STATUS, 0);
        assert_eq!(bench.dev, Bench::new(&config).dev);
    }
}

#[test]
fn an_empty_slot_has_no_device() {
    let read = |offset| super::read_empty(offset, 4).unwrap();
    assert_eq!((read(0), read(4), read(8)), (0x7472_6976, 2, 0));
    assert_eq!((read(0x70), read(0x100), read(0x10)), (0, 0, 0));
}
