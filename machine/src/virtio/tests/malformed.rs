//! Tests of drivers that violate the specification: only the device fails, and a reset recovers it.

use super::super::DeviceError as E;
use super::super::Ring;
use super::super::testing::{
    BUFFERS, Bench, INDIRECT, NEXT, RAM, RAM_BASE, SIZE, WRITE, available, descriptors, used,
};
use super::*;
use crate::units::PhysAddr;

const INDIRECT_DESC: u64 = 1 << 28;

/// Runs `act` on a console that is ready, and expects that the device fails with `expected`.
fn broken(features: u64, expected: E, act: impl FnOnce(&mut Bench)) {
    let mut bench = Bench::started(&console(), features);
    act(&mut bench);
    bench.notify(1);
    assert_eq!(bench.dev.last_error(), Some(&expected));
    assert!(bench.dev.needs_reset());
    assert_eq!(bench.read(VIRTIO_MMIO_STATUS), 15 | 0x40);
    assert_eq!(bench.read(VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
    // The driver cannot clear DEVICE_NEEDS_RESET, and the device does nothing more.
    bench.write(VIRTIO_MMIO_STATUS, 15);
    bench.notify(1);
    assert_eq!((bench.dev.errors(), bench.dev.needs_reset()), (1, true));
    assert_eq!(bench.outside.serial, []);
    bench.start(features);
    bench.put(BUFFERS, b"well");
    bench.offer(1, &[(BUFFERS, 4, 0)]);
    bench.notify(1);
    assert_eq!(bench.outside.serial, b"well");
    assert!(!bench.dev.needs_reset());
    assert_eq!(bench.dev.last_error(), Some(&expected), "for a message");
}

#[test]
fn a_chain_that_loops() {
    broken(0, E::ChainTooLong(SIZE.into()), |bench| {
        bench.describe(descriptors(1), BUFFERS, 1, NEXT, 1);
        bench.describe(descriptors(1) + 16, BUFFERS, 1, NEXT, 0);
        bench.publish(1, 0);
    });
    broken(INDIRECT_DESC, E::ChainTooLong(2), |bench| {
        bench.describe(BUFFERS, BUFFERS, 1, NEXT, 0);
        bench.offer(1, &[(BUFFERS, 32, INDIRECT)]);
    });
}

#[test]
fn descriptors_beyond_their_table() {
    let outside = |index, len| E::DescriptorOutside { index, len };
    broken(0, outside(SIZE, SIZE.into()), |bench| {
        bench.publish(1, SIZE)
    });
    broken(0, outside(77, SIZE.into()), |bench| {
        bench.describe(descriptors(1), BUFFERS, 1, NEXT, 77);
        bench.publish(1, 0);
    });
    broken(INDIRECT_DESC, outside(2, 2), |bench| {
        bench.describe(BUFFERS, BUFFERS, 1, NEXT, 2);
        bench.offer(1, &[(BUFFERS, 32, INDIRECT)]);
    });
}

#[test]
fn buffers_outside_ram() {
    for (address, len) in [
        (0, 1),
        (RAM_BASE - 1, 2),
        (RAM_BASE + RAM - 1, 2),
        (RAM_BASE + RAM, 1),
        (u64::MAX, 2),
        (RAM_BASE + 1, RAM as u32),
    ] {
        let at = PhysAddr::new(address);
        broken(0, E::BufferOutside { address: at, len }, |bench| {
            bench.offer(1, &[(address, len, 0)]);
        });
    }
    for address in [0, RAM_BASE - 16, RAM_BASE + RAM - 8, u64::MAX] {
        broken(
            INDIRECT_DESC,
            E::IndirectOutside {
                address: PhysAddr::new(address),
                len: 16,
            },
            |bench| {
                bench.offer(1, &[(address, 16, INDIRECT)]);
            },
        );
    }
}

#[test]
fn lengths_that_overflow() {
    let half = RAM as u32 / 2;
    broken(0, E::TooManyBytes(1 << 20), |bench| {
        bench.offer(
            1,
            &[(RAM_BASE, half, 0), (RAM_BASE, half, 0), (RAM_BASE, 1, 0)],
        );
    });
    let mut bench = Bench::started(&rng(), 0);
    bench.offer(0, &[(RAM_BASE, u32::MAX, WRITE)]);
    bench.notify(0);
    assert!(bench.dev.needs_reset());
}

#[test]
fn tables_in_tables() {
    broken(INDIRECT_DESC, E::NestedIndirect, |bench| {
        bench.describe(BUFFERS, BUFFERS, 16, INDIRECT, 0);
        bench.offer(1, &[(BUFFERS, 16, INDIRECT)]);
    });
    broken(INDIRECT_DESC, E::NestedIndirect, |bench| {
        bench.offer(1, &[(BUFFERS, 16, INDIRECT), (BUFFERS, 1, 0)]);
    });
    broken(0, E::IndirectNotNegotiated, |bench| {
        bench.offer(1, &[(BUFFERS, 16, INDIRECT)]);
    });
    for len in [0, 15, 17, 16 * 1025] {
        broken(INDIRECT_DESC, E::IndirectLength(len), |bench| {
            bench.offer(1, &[(BUFFERS, len, INDIRECT)]);
        });
    }
}

#[test]
fn reading_behind_writing() {
    broken(0, E::ReadableAfterWritable, |bench| {
        bench.offer(1, &[(BUFFERS, 1, WRITE), (BUFFERS, 1, 0)]);
    });
}

#[test]
fn an_index_that_jumps() {
    let size = SIZE;
    for to in [SIZE + 1, 0xffff] {
        broken(0, E::IndexJump { from: 0, to, size }, |bench| {
            bench.put(available(1) + 2, &to.to_le_bytes());
        });
    }
}

#[test]
fn queues_that_cannot_be() {
    let ready = |act: &dyn Fn(&mut Bench)| {
        let mut bench = Bench::new(&console());
        bench.negotiate(1 << 32);
        bench.place(1, SIZE.into());
        act(&mut bench);
        bench.write(VIRTIO_MMIO_QUEUE_READY, 1);
        assert_eq!(bench.read(VIRTIO_MMIO_QUEUE_READY), 0);
        assert!(!bench.dev.irq(), "no interrupt before DRIVER_OK");
        assert!(bench.dev.needs_reset());
        *bench.dev.last_error().unwrap()
    };
    for size in [0, 3, 128, 0x1_0008, u32::MAX] {
        let error = ready(&|bench| bench.write(VIRTIO_MMIO_QUEUE_NUM, size));
        assert_eq!(error, E::QueueSize { size, max: 64 });
    }
    let rings = [
        (
            Ring::Descriptors,
            VIRTIO_MMIO_QUEUE_DESC_LOW,
            8,
            descriptors(1),
        ),
        (
            Ring::Available,
            VIRTIO_MMIO_QUEUE_AVAIL_LOW,
            1,
            available(1),
        ),
        (Ring::Used, VIRTIO_MMIO_QUEUE_USED_LOW, 2, used(1)),
    ];
    for (ring, low, off, place) in rings {
        let address = place + off;
        let error = ready(&|bench| bench.write(low, address as u32));
        let address = PhysAddr::new(address);
        assert_eq!(error, E::RingUnaligned { ring, address });
        for address in [0, RAM_BASE + RAM - 16, 0xffff_fff0] {
            let error = ready(&|bench| bench.write(low, address as u32));
            let address = PhysAddr::new(address);
            assert_eq!(error, E::RingOutside { ring, address });
        }
        let address = PhysAddr::new(place | 0xffff_ffff << 32);
        let error = ready(&|bench| bench.write(low + 4, u32::MAX));
        assert_eq!(error, E::RingOutside { ring, address });
    }
}

#[test]
fn requests_without_room_or_header() {
    let broken = |config: &VirtioConfig, queue: usize, chain: &[(u64, u32, u16)]| {
        let mut bench = Bench::started(config, 0);
        bench.offer(queue, chain);
        bench.notify(queue);
        assert!(bench.outside.blocks.is_empty() && bench.outside.others.is_empty());
        *bench.dev.last_error().unwrap()
    };
    let short = |len| E::ShortRequest(len);
    assert_eq!(broken(&disk(), 0, &[(BUFFERS, 16, 0)]), E::NoRoom);
    let chain = [(BUFFERS, 15, 0), (BUFFERS, 1, WRITE)];
    assert_eq!(broken(&disk(), 0, &chain), short(15));
    assert_eq!(broken(&net(), 1, &[(BUFFERS, 11, 0)]), short(11));
    assert_eq!(broken(&rng(), 0, &[(BUFFERS, 16, 0)]), E::NoRoom);
}

#[test]
fn a_chain_that_is_offered_twice() {
    let mut bench = Bench::started(&disk(), 0);
    bench.put(BUFFERS, &[4]);
    let head = bench.offer(0, &[(BUFFERS, 16, 0), (BUFFERS + 16, 1, WRITE)]);
    bench.publish(0, head);
    bench.notify(0);
    assert_eq!(bench.outside.blocks.len(), 1);
    assert_eq!(bench.dev.last_error(), Some(&E::HeadInUse(head)));
}
