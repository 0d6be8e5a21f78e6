//! A fuzzed driver of virtio devices: the fuzzer's input decides on register accesses, queues in
//! memory, notifications, and arrivals.

use machine::device::Context;
use machine::inputs::{
    Arrival, BlockOp, BlockRequest, BlockResult, DeviceOutput, Halted, Inputs, Mark, Moment, Output,
};
use machine::ram::Ram;
use machine::virtio::{VirtioConfig, VirtioMmio};
use machine::{Icount, VirtAddr};
use std::collections::VecDeque;

const RAM_BASE: u64 = machine::bus::RAM_BASE.get();
const RAM: u64 = 1 << 18;
const QUEUE_SIZE: u16 = 8;
const AT: Moment = Moment {
    icount: Icount::ZERO,
    hart: 0,
    pc: VirtAddr::new(0),
};

/// The inputs of the machine. They keep the requests to the disk, and ignore other output.
#[derive(Default)]
struct Outside(VecDeque<BlockRequest>);

impl Inputs for Outside {
    fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
        Err(Halted)
    }
    fn output(&mut self, _: Moment, output: Output<'_>) -> Result<(), Halted> {
        match output {
            Output::Serial { .. } => {}
            Output::Block(request) => self.0.push_back(request),
            Output::Device(DeviceOutput::Frame { frame, .. }) => {
                assert!((1..=0xffff).contains(&frame.len()));
            }
            Output::Device(_) => {}
        }
        Ok(())
    }
    fn mark(&mut self, _: Moment, _: Mark) -> Result<(), Halted> {
        Err(Halted)
    }
}

/// The fuzzer's input. It reads as zeroes after its end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn number(&mut self, len: usize) -> u64 {
        let (now, later) = self.0.split_at(len.min(self.0.len()));
        self.0 = later;
        now.iter()
            .fold(0, |value, &byte| value << 8 | u64::from(byte))
    }
}

struct Bench {
    device: VirtioMmio,
    ram: Ram,
    outside: Outside,
    /// Next available index of each queue.
    next: [u16; 2],
}

fn descriptors(queue: usize) -> u64 {
    RAM_BASE + 0x1000 * (queue as u64 + 1)
}

impl Bench {
    fn write(&mut self, offset: u64, value: u32) {
        let inputs = &mut self.outside;
        let mut cx = Context {
            now: 0,
            at: AT,
            inputs,
        };
        let value = u64::from(value);
        let _ = self.device.write(offset, 4, value, &mut self.ram, &mut cx);
    }

    fn put(&mut self, address: u64, data: &[u8]) {
        self.ram.write(address - RAM_BASE, data);
    }

    /// Negotiates features and sets up queues as a correct driver does. `features` is the low half.
    fn start(&mut self, features: u32) {
        self.next = [0; 2];
        for (offset, value) in [(0x70, 0), (0x70, 3), (0x24, 0), (0x20, features)] {
            self.write(offset, value);
        }
        self.write(0x24, 1);
        self.write(0x20, 1);
        self.write(0x70, 11);
        for queue in 0..2 {
            let at = descriptors(queue);
            self.put(at + 0x400, &[0; 4]);
            self.put(at + 0x800, &[0; 4]);
            self.write(0x30, queue as u32);
            self.write(0x38, QUEUE_SIZE.into());
            for (low, place) in [(0x80, at), (0x90, at + 0x400), (0xa0, at + 0x800)] {
                self.write(low, place as u32);
                self.write(low + 4, (place >> 32) as u32);
            }
            self.write(0x44, 1);
        }
        self.write(0x70, 15);
    }

    fn describe(&mut self, bytes: &mut Bytes<'_>) {
        let index = bytes.number(1);
        let at = descriptors((index >> 7) as usize) + 16 * (index & 0x1f);
        let place = match bytes.number(1) {
            0..240 => RAM_BASE + 4 * bytes.number(2),
            _ => bytes.number(8),
        };
        let len = match bytes.number(1) {
            0..240 => bytes.number(2) as u32,
            _ => bytes.number(4) as u32,
        };
        let mut data = place.to_le_bytes().to_vec();
        data.extend(len.to_le_bytes());
        data.extend([bytes.number(1) as u8 & 7, 0, bytes.number(1) as u8, 0]);
        self.put(at, &data);
    }

    fn publish(&mut self, queue: usize, head: u16) {
        let index = self.next[queue];
        let ring = descriptors(queue) + 0x400;
        self.put(
            ring + 4 + 2 * u64::from(index % QUEUE_SIZE),
            &head.to_le_bytes(),
        );
        self.next[queue] = index.wrapping_add(1);
        self.put(ring + 2, &self.next[queue].to_le_bytes());
    }

    fn complete(&mut self, good: bool) {
        let Some(request) = self.outside.0.pop_front() else {
            return;
        };
        let result = match request.op {
            _ if !good => BlockResult::Error,
            BlockOp::Read { len, .. } => BlockResult::Done(vec![0x5a; len as usize]),
            _ => BlockResult::Done(Vec::new()),
        };
        let BlockRequest { drive, id, .. } = request;
        self.device
            .arrive(&Arrival::Block { drive, id, result }, &mut self.ram);
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.number(1) {
            0..16 => self.start(bytes.number(4) as u32),
            16..32 => self.write(4 * bytes.number(1), bytes.number(4) as u32),
            32..48 => {
                let size = 1 << (bytes.number(1) % 4);
                let _ = self.device.read(bytes.number(2) % 0x200, size);
            }
            48..112 => self.describe(bytes),
            112..160 => {
                let head = bytes.number(1) as u16;
                self.publish(usize::from(head >> 7 & 1), head & 0x7f);
            }
            160..176 => {
                let address = RAM_BASE + bytes.number(2);
                let value = bytes.number(2).to_le_bytes();
                self.put(address, &value[..2]);
            }
            176..224 => self.write(0x50, bytes.number(1) as u32 & 1),
            224..240 => {
                let data = vec![0x33; bytes.number(2) as usize];
                let frame = Arrival::Frame {
                    adapter: 0,
                    data: data.clone(),
                };
                self.device.arrive(&frame, &mut self.ram);
                self.device
                    .arrive(&Arrival::Serial { port: 1, data }, &mut self.ram);
            }
            byte => self.complete(byte & 1 == 0),
        }
    }
}

/// Runs a device with the fuzzer's input. It must never panic, and all its state must be saved.
pub fn drive(config: &VirtioConfig, data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut bench = Bench {
        device: VirtioMmio::new(config),
        ram: Ram::new(RAM).unwrap(),
        outside: Outside::default(),
        next: [0; 2],
    };
    bench.start(1 << 29 | 1 << 28);
    while !bytes.0.is_empty() {
        bench.step(&mut bytes);
    }
    let saved = postcard::to_stdvec(&bench.device).expect("plain data");
    let restored: VirtioMmio = postcard::from_bytes(&saved).expect("it was just saved");
    assert_eq!(restored, bench.device);
    assert!(!bench.device.needs_reset() || bench.device.last_error().is_some());
}
