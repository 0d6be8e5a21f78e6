//! Tests of each device with a correct driver.

use super::super::block::{DATA_MAX, IN_FLIGHT_MAX};
use super::super::net::BACKLOG;
use super::super::testing::{BUFFERS, Bench, INDIRECT, NEXT, WRITE, available, used};
use super::*;
use crate::inputs::{BlockOp, BlockResult, DeviceOutput};

const ID: u64 = 3 << 56;
const HEADER: u64 = BUFFERS;
const DATA: u64 = BUFFERS + 0x1000;
const STATUS: u64 = BUFFERS + 0x800;

/// Submits a block request: type, sector, and the buffers between header and status.
fn request(bench: &mut Bench, kind: u32, sector: u64, buffers: &[(u64, u32, u16)]) -> u16 {
    let mut header = kind.to_le_bytes().to_vec();
    header.extend([0; 4]);
    header.extend(sector.to_le_bytes());
    bench.put(HEADER, &header);
    bench.put(STATUS, &[0xff]);
    let chain = [&[(HEADER, 16, 0)], buffers, &[(STATUS, 1, WRITE)]].concat();
    let head = bench.offer(0, &chain);
    bench.notify(0);
    head
}

/// The status of a request that is answered at once.
fn answer(bench: &mut Bench, kind: u32, sector: u64, buffers: &[(u64, u32, u16)]) -> u8 {
    request(bench, kind, sector, buffers);
    assert_eq!(bench.outside.blocks, [], "the host is not asked");
    assert_eq!(bench.take_used(0).len(), 1);
    bench.bytes(STATUS, 1)[0]
}

fn take_op(bench: &mut Bench) -> (u64, BlockOp) {
    let request = bench.outside.blocks.remove(0);
    assert_eq!((request.drive, request.id >> 56), (3, 3));
    (request.id, request.op)
}

#[test]
fn data_read_reaches_memory_at_completion() {
    let mut bench = Bench::started(&disk(), 0);
    bench.put(DATA, &[0xee; 1024]);
    // The buffers are not aligned to sectors.
    let buffers = [(DATA, 100, WRITE), (DATA + 100, 924, WRITE)];
    let head = request(&mut bench, 0, 5, &buffers);
    let (id, op) = take_op(&mut bench);
    let expected = BlockOp::Read {
        offset: 5 * 512,
        len: 1024,
    };
    assert_eq!((id, op), (ID, expected));
    assert_eq!(bench.bytes(DATA, 1024), [0xee; 1024]);
    assert!(!bench.interrupted());
    let data: Vec<u8> = (0..1024).map(|i| i as u8).collect();
    bench.complete(id, BlockResult::Done(data.clone()));
    assert_eq!(bench.bytes(DATA, 1024), data);
    assert_eq!(bench.bytes(STATUS, 1), [0]);
    assert!(bench.interrupted());
    assert_eq!(bench.take_used(0), [(head.into(), 1025)]);
}

#[test]
fn data_written_leaves_memory_at_submission() {
    let mut bench = Bench::started(&disk(), 0);
    bench.put(DATA, &[7; 512]);
    let head = request(&mut bench, 1, 9, &[(DATA, 512, 0)]);
    bench.put(DATA, &[8; 512]);
    let (id, op) = take_op(&mut bench);
    let expected = BlockOp::Write {
        offset: 9 * 512,
        data: vec![7; 512],
    };
    assert_eq!(op, expected);
    bench.complete(id, BlockResult::Error);
    assert_eq!(bench.bytes(STATUS, 1), [1]);
    assert_eq!(bench.take_used(0), [(head.into(), 1)]);
}

#[test]
fn flush_discard_zeroes_and_id() {
    let mut bench = Bench::started(&disk(), 0);
    request(&mut bench, 4, 0, &[]);
    assert_eq!(take_op(&mut bench).1, BlockOp::Flush);
    let mut range = 6u64.to_le_bytes().to_vec();
    range.extend(2u32.to_le_bytes());
    range.extend(0u32.to_le_bytes());
    bench.put(DATA, &range);
    let (offset, len) = (6 * 512, 1024);
    request(&mut bench, 11, 0, &[(DATA, 16, 0)]);
    assert_eq!(take_op(&mut bench).1, BlockOp::Discard { offset, len });
    let mut bench = Bench::started(&disk(), 0);
    range[12] = 1;
    bench.put(DATA, &range);
    request(&mut bench, 13, 0, &[(DATA, 16, 0)]);
    let unmap = true;
    assert_eq!(
        take_op(&mut bench).1,
        BlockOp::WriteZeroes { offset, len, unmap }
    );
    // A discard must not set flags.
    assert_eq!(answer(&mut bench, 11, 0, &[(DATA, 16, 0)]), 2);
    assert_eq!(answer(&mut bench, 8, 0, &[(DATA, 20, WRITE)]), 0);
    assert_eq!(
        bench.bytes(DATA, 20),
        *b"rr-0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    );
}

#[test]
fn bad_requests_are_answered_without_the_host() {
    let mut bench = Bench::started(&disk(), 0);
    let read = [(DATA, 512, WRITE)];
    assert_eq!(answer(&mut bench, 0, 2048, &read), 1, "beyond the end");
    assert_eq!(answer(&mut bench, 0, u64::MAX, &read), 1, "overflow");
    assert_eq!(answer(&mut bench, 0, 0, &[(DATA, 511, WRITE)]), 1);
    assert_eq!(answer(&mut bench, 0, 0, &[]), 1, "no data");
    assert_eq!(answer(&mut bench, 1, 0, &[(DATA, 513, 0)]), 1);
    assert_eq!(answer(&mut bench, 99, 0, &[]), 2, "unknown");
    assert_eq!(answer(&mut bench, 11, 0, &[(DATA, 15, 0)]), 2);
    bench.put(DATA, &[0xff; 8]);
    bench.put(DATA + 8, &[1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        answer(&mut bench, 11, 0, &[(DATA, 16, 0)]),
        1,
        "beyond the end"
    );
    let read_only = VirtioConfig::Block(BlockConfig {
        drive: 3,
        size: 1 << 20,
        read_only: true,
        serial: String::new(),
    });
    let mut bench = Bench::started(&read_only, 0);
    assert_eq!(answer(&mut bench, 1, 0, &[(DATA, 512, 0)]), 1);
    assert_eq!(answer(&mut bench, 13, 0, &[(DATA, 16, 0)]), 1);
    assert_ne!(bench.read(VIRTIO_MMIO_DEVICE_FEATURES) & 1 << 5, 0);
    assert!(!bench.dev.needs_reset());
}

#[test]
fn completions_after_a_reset_are_swallowed() {
    let mut bench = Bench::started(&disk(), 0);
    request(&mut bench, 0, 0, &[(DATA, 512, WRITE)]);
    let (first, _) = take_op(&mut bench);
    bench.start(0);
    request(&mut bench, 0, 1, &[(DATA, 512, WRITE)]);
    let (second, _) = take_op(&mut bench);
    assert_eq!((first, second), (ID, ID + 1), "numbers do not come twice");
    let digest = bench.ram.digest();
    bench.complete(first, BlockResult::Done(vec![1; 512]));
    assert_eq!(bench.ram.digest(), digest);
    assert_eq!(bench.take_used(0), []);
    bench.complete(second, BlockResult::Done(vec![2; 512]));
    assert_eq!(bench.take_used(0).len(), 1);
    assert_eq!(bench.bytes(DATA, 512), [2; 512]);
}

#[test]
fn requests_wait_while_much_is_under_way() {
    let size = 2 * IN_FLIGHT_MAX;
    let config = VirtioConfig::Block(BlockConfig {
        drive: 3,
        size,
        read_only: false,
        serial: String::new(),
    });
    // 20 MiB each: the same half MiB forty times.
    let piece = (DATA, 0x8_0000, WRITE);
    let len = 40 * piece.1;
    let mut bench = Bench::started(&config, 1 << 28);
    let table = BUFFERS + 0x9_0000;
    for request in 0..3u64 {
        let header = BUFFERS + 0x100 * request;
        bench.put(header, &[0; 16]);
        let table = table + 0x1000 * request;
        bench.describe(table, header, 16, NEXT, 1);
        for index in 1..=40u16 {
            let at = table + 16 * u64::from(index);
            bench.describe(at, piece.0, piece.1, piece.2 | NEXT, index + 1);
        }
        bench.describe(table + 16 * 41, STATUS, 1, WRITE, 0);
        bench.offer(0, &[(table, 16 * 42, INDIRECT)]);
    }
    bench.notify(0);
    assert!(u64::from(len) < DATA_MAX);
    let (id, op) = take_op(&mut bench);
    assert_eq!(op, BlockOp::Read { offset: 0, len });
    assert_eq!(bench.outside.blocks, [], "the second waits");
    bench.tick();
    bench.notify(0);
    assert_eq!(bench.outside.blocks, []);
    bench.complete(id, BlockResult::Done(vec![0; len as usize]));
    bench.tick();
    assert_eq!(take_op(&mut bench).0, ID + 1);
    assert_eq!(bench.outside.blocks, []);
}

#[test]
fn event_index_suppresses_interrupts() {
    let mut bench = Bench::started(&console(), 1 << 29);
    let used_event = |queue| available(queue) + 4 + 2 * 8;
    let avail_event = |queue| used(queue) + 4 + 8 * 8;
    bench.put(used_event(1), &2u16.to_le_bytes());
    let mut interrupts = Vec::new();
    for _ in 0..5 {
        bench.offer(1, &[(DATA, 1, 0)]);
        bench.notify(1);
        interrupts.push(bench.interrupted());
    }
    // Only the one that passes the event.
    assert_eq!(interrupts, [false, false, true, false, false]);
    assert_eq!(bench.u16(avail_event(1)), 5);
    // Without the feature a flag says the same.
    let mut bench = Bench::started(&console(), 0);
    bench.put(available(1), &1u16.to_le_bytes());
    bench.offer(1, &[(DATA, 1, 0)]);
    bench.notify(1);
    assert!(!bench.interrupted());
    assert_eq!(bench.take_used(1).len(), 1);
}

#[test]
fn a_table_of_descriptors() {
    let mut bench = Bench::started(&console(), 1 << 28);
    bench.put(DATA, b"hello");
    let table = BUFFERS;
    bench.describe(table, DATA, 2, NEXT, 2);
    bench.describe(table + 32, DATA + 2, 3, 0, 0);
    bench.offer(1, &[(table, 48, INDIRECT)]);
    bench.notify(1);
    assert_eq!(bench.outside.serial, b"hello");
}

#[test]
fn console_input_waits_for_buffers() {
    let mut bench = Bench::new(&console());
    bench.input(b"before ");
    bench.start(0);
    bench.input(b"after");
    assert_eq!(bench.backlog(), 12);
    bench.offer(0, &[(DATA, 4, WRITE), (DATA + 4, 4, WRITE)]);
    bench.offer(0, &[(DATA + 8, 8, WRITE)]);
    bench.notify(0);
    assert_eq!(bench.bytes(DATA, 12), b"before after");
    assert_eq!(bench.take_used(0), [(0, 8), (2, 4)]);
    assert!(bench.interrupted());
}

#[test]
fn entropy_is_a_function_of_the_seed() {
    let run = |requests: &[u32]| {
        let mut bench = Bench::started(&rng(), 0);
        for &len in requests {
            bench.offer(0, &[(DATA, len, WRITE)]);
            bench.notify(0);
        }
        (bench.take_used(0), bench.bytes(DATA, 64).to_vec())
    };
    let (used, bytes) = run(&[64]);
    assert_eq!(used, [(0, 64)]);
    assert_eq!(run(&[64]).1, bytes);
    assert_ne!(run(&[64, 64]).1, bytes);
    assert_eq!(run(&[32, 32]).1[..32], bytes[32..]);
    // RFC 8439, appendix A.1, test vector 1: the key stream of a key of zeroes.
    let mut bench = Bench::started(&VirtioConfig::Rng(RngConfig { seed: [0; 32] }), 0);
    bench.offer(0, &[(DATA, 8, WRITE)]);
    bench.notify(0);
    let first = [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90];
    assert_eq!(bench.bytes(DATA, 8), first);
}

/// A frame from the network adapter.
fn sent(frame: &[u8]) -> DeviceOutput {
    let (adapter, frame) = (1, frame.to_vec());
    DeviceOutput::Frame { adapter, frame }
}

#[test]
fn frames_leave_without_their_header() {
    let mut bench = Bench::started(&net(), 0);
    bench.put(DATA, &[0xaa; 100]);
    bench.offer(1, &[(DATA, 5, 0), (DATA + 5, 67, 0)]);
    bench.notify(1);
    assert_eq!(bench.outside.others, [sent(&[0xaa; 60])]);
    assert_eq!(bench.take_used(1), [(0, 0)]);
    let mac: Vec<u8> = (0..6)
        .map(|i| bench.dev.read(0x100 + i, 1).unwrap() as u8)
        .collect();
    assert_eq!(mac, [2, 3, 4, 5, 6, 7]);
    assert_eq!(bench.dev.read(0x106, 2).unwrap(), 1, "the link is up");
}

#[test]
fn frames_arrive_in_one_buffer_or_in_several() {
    for (features, count) in [(1 << 15, 3u32), (0, 1)] {
        let mut bench = Bench::started(&net(), features);
        let frame: Vec<u8> = (0..100).collect();
        bench.receive(&frame);
        let size = 112 / count + 2;
        for index in 0..count {
            assert_eq!(bench.take_used(0), [], "not before there is room");
            bench.offer(0, &[(DATA + u64::from(index * size), size, WRITE)]);
            bench.notify(0);
        }
        assert_eq!(bench.take_used(0).len() as u32, count);
        let mut header = [0; 12];
        header[10] = count as u8;
        assert_eq!(bench.bytes(DATA, 12), header);
        assert_eq!(bench.bytes(DATA + 12, 100), frame);
        assert!(bench.interrupted());
    }
}

#[test]
fn frames_without_a_place_are_dropped_and_counted() {
    let mut bench = Bench::new(&net());
    bench.receive(&[1; 60]);
    assert_eq!(bench.dropped(), 1, "nobody is there");
    bench.start(0);
    for _ in 0..BACKLOG + 2 {
        bench.receive(&[1; 60]);
    }
    assert_eq!(bench.dropped(), 3);
    // A buffer that can never hold the frame: all frames go, the buffer stays.
    bench.offer(0, &[(DATA, 20, WRITE)]);
    bench.notify(0);
    assert_eq!(bench.dropped(), 3 + BACKLOG as u64);
    assert_eq!(bench.take_used(0), []);
    assert!(!bench.dev.needs_reset());
}

/// xv6 negotiates with the low half of the features alone, and leaves version 1 out.
#[test]
fn a_driver_from_before_version_1() {
    let mut bench = Bench::new(&net());
    bench.negotiate(0);
    bench.place(1, 8);
    bench.write(VIRTIO_MMIO_QUEUE_READY, 1);
    bench.write(VIRTIO_MMIO_STATUS, 15);
    assert_eq!(bench.read(VIRTIO_MMIO_STATUS), 15);
    bench.put(DATA, &[0xbb; 70]);
    bench.offer(1, &[(DATA, 70, 0)]);
    bench.notify(1);
    let frame = sent(&[0xbb; 60]);
    assert_eq!(bench.outside.others, [frame], "its header has 10 bytes");
}

#[test]
fn a_driver_that_gives_up_gets_nothing() {
    let mut bench = Bench::started(&disk(), 0);
    request(&mut bench, 0, 0, &[(DATA, 512, WRITE)]);
    let (id, _) = take_op(&mut bench);
    bench.write(VIRTIO_MMIO_STATUS, 15 | 0x80);
    bench.write(VIRTIO_MMIO_STATUS, 11);
    bench.complete(id, BlockResult::Done(vec![1; 512]));
    assert_eq!(bench.bytes(DATA, 512), [0; 512]);
    // It can come back: the chain is its own again.
    bench.write(VIRTIO_MMIO_STATUS, 15);
    bench.publish(0, 0);
    bench.notify(0);
    assert_eq!(take_op(&mut bench).0, ID + 1);
}
