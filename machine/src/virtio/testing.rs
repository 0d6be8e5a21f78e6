//! A small driver for tests: it negotiates features, builds queues in RAM, and reads results.

use super::{Kind, VirtioConfig, VirtioMmio};
use crate::device::{AccessError, Context};
use crate::inputs::{
    Arrival, BlockRequest, BlockResult, DeviceOutput, Halted, Inputs, Mark, Moment, Output,
};
use crate::ram::Ram;
use crate::units::{Icount, VirtAddr};
use virtio_bindings::virtio_mmio::*;

/// Size of RAM in bytes.
pub(super) const RAM: u64 = 1 << 20;
/// Size of every queue.
pub(super) const SIZE: u16 = 8;
/// Address of free RAM for buffers.
pub(super) const RAM_BASE: u64 = crate::board::RAM_BASE.get();
pub(super) const BUFFERS: u64 = RAM_BASE + 0x4_0000;

/// Descriptor flags.
pub(super) const NEXT: u16 = 1;
pub(super) const WRITE: u16 = 2;
pub(super) const INDIRECT: u16 = 4;

/// The output of devices in a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outside {
    pub(super) blocks: Vec<BlockRequest>,
    pub(super) serial: Vec<u8>,
    pub(super) others: Vec<DeviceOutput>,
}

impl Inputs for Outside {
    fn host_clock(&mut self, _: Moment) -> Result<i64, Halted> {
        Err(Halted)
    }

    fn output(&mut self, _: Moment, output: Output<'_>) -> Result<(), Halted> {
        match output {
            Output::Serial { data, .. } => self.serial.extend(data),
            Output::Block(request) => self.blocks.push(request),
            Output::Device(output) => self.others.push(output),
        }
        Ok(())
    }

    fn mark(&mut self, _: Moment, _: Mark) -> Result<(), Halted> {
        Err(Halted)
    }
}

/// A device, its memory and its driver.
#[derive(Debug, Clone)]
pub(super) struct Bench {
    pub(super) dev: VirtioMmio,
    pub(super) ram: Ram,
    pub(super) outside: Outside,
    /// Per queue: next free descriptor, available index, used index.
    next: [(u16, u16, u16); 2],
}

/// Physical addresses of the parts of a queue.
pub(super) fn descriptors(queue: usize) -> u64 {
    RAM_BASE + 0x1_0000 * (queue as u64 + 1)
}

pub(super) fn available(queue: usize) -> u64 {
    descriptors(queue) + 0x2000
}

pub(super) fn used(queue: usize) -> u64 {
    descriptors(queue) + 0x4000
}

impl Bench {
    /// A device at power-on.
    pub(super) fn new(config: &VirtioConfig) -> Self {
        Self {
            dev: VirtioMmio::new(config),
            ram: Ram::new(RAM).unwrap(),
            outside: Outside::default(),
            next: [(0, 0, 0); 2],
        }
    }

    /// A device whose driver has accepted `features` and VIRTIO_F_VERSION_1 and set DRIVER_OK.
    pub(super) fn started(config: &VirtioConfig, features: u64) -> Self {
        let mut bench = Self::new(config);
        bench.start(features);
        bench
    }

    pub(super) fn read(&mut self, register: u32) -> u32 {
        self.dev.read(register.into(), 4).unwrap() as u32
    }

    pub(super) fn try_write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
    ) -> Result<(), AccessError> {
        let at = Moment {
            icount: Icount::ZERO,
            hart: 0,
            pc: VirtAddr::new(0),
        };
        let inputs = &mut self.outside;
        let mut cx = Context { now: 0, at, inputs };
        self.dev.write(offset, size, value, &mut self.ram, &mut cx)
    }

    pub(super) fn write(&mut self, register: u32, value: u32) {
        self.try_write(register.into(), 4, value.into()).unwrap();
    }

    /// Ticks the device as the bus does before each run.
    pub(super) fn tick(&mut self) {
        let at = Moment {
            icount: Icount::ZERO,
            hart: 0,
            pc: VirtAddr::new(0),
        };
        let inputs = &mut self.outside;
        let mut cx = Context { now: 0, at, inputs };
        self.dev.tick(&mut self.ram, &mut cx).unwrap();
    }

    /// Delivers an arrival to the device.
    pub(super) fn arrive(&mut self, arrival: &Arrival) {
        assert!(self.dev.arrive(arrival, &mut self.ram), "{arrival:?}");
    }

    /// Completes request `id` of the disk.
    pub(super) fn complete(&mut self, id: u64, result: BlockResult) {
        let drive = 3;
        self.arrive(&Arrival::Block { drive, id, result });
    }

    /// Delivers a frame to the network adapter.
    pub(super) fn receive(&mut self, frame: &[u8]) {
        let (adapter, data) = (1, frame.to_vec());
        self.arrive(&Arrival::Frame { adapter, data });
    }

    /// Delivers bytes to the console.
    pub(super) fn input(&mut self, data: &[u8]) {
        let (port, data) = (1, data.to_vec());
        self.arrive(&Arrival::Serial { port, data });
    }

    /// Number of frames that the network adapter has dropped.
    pub(super) fn dropped(&self) -> u64 {
        match &self.dev.device {
            Kind::Net(net) => net.dropped,
            other => panic!("{other:?}"),
        }
    }

    /// Number of bytes that wait in the console.
    pub(super) fn backlog(&self) -> usize {
        match &self.dev.device {
            Kind::Console(console) => console.backlog.len(),
            other => panic!("{other:?}"),
        }
    }

    /// Initializes the device (section 3.1.1): reset, negotiation, queues, DRIVER_OK.
    pub(super) fn start(&mut self, features: u64) {
        self.next = [(0, 0, 0); 2];
        self.negotiate(features | 1 << 32);
        for queue in 0..2 {
            self.place(queue, SIZE.into());
            self.put(available(queue), &[0; 4]);
            self.put(used(queue), &[0; 4]);
            self.write(VIRTIO_MMIO_QUEUE_READY, 1);
        }
        self.write(VIRTIO_MMIO_STATUS, 15);
    }

    pub(super) fn negotiate(&mut self, features: u64) {
        self.write(VIRTIO_MMIO_STATUS, 0);
        self.write(VIRTIO_MMIO_STATUS, 1);
        self.write(VIRTIO_MMIO_STATUS, 3);
        for half in 0..2 {
            self.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
            let value = (features >> (32 * half)) as u32;
            self.write(VIRTIO_MMIO_DRIVER_FEATURES, value);
        }
        self.write(VIRTIO_MMIO_STATUS, 11);
    }

    /// Sets the size and the addresses of a queue, without QueueReady.
    pub(super) fn place(&mut self, queue: usize, size: u32) {
        self.write(VIRTIO_MMIO_QUEUE_SEL, queue as u32);
        self.write(VIRTIO_MMIO_QUEUE_NUM, size);
        let places = [
            (VIRTIO_MMIO_QUEUE_DESC_LOW, descriptors(queue)),
            (VIRTIO_MMIO_QUEUE_AVAIL_LOW, available(queue)),
            (VIRTIO_MMIO_QUEUE_USED_LOW, used(queue)),
        ];
        for (low, address) in places {
            self.write(low, address as u32);
            self.write(low + 4, (address >> 32) as u32);
        }
    }

    pub(super) fn put(&mut self, address: u64, data: &[u8]) {
        assert!(self.ram.write(address - RAM_BASE, data));
    }

    pub(super) fn bytes(&self, address: u64, len: usize) -> &[u8] {
        self.ram.get(address - RAM_BASE, len).unwrap()
    }

    pub(super) fn u16(&self, address: u64) -> u16 {
        u16::from_le_bytes(*self.bytes(address, 2).first_chunk().unwrap())
    }

    /// Writes one descriptor.
    pub(super) fn describe(&mut self, at: u64, address: u64, len: u32, flags: u16, next: u16) {
        let mut bytes = address.to_le_bytes().to_vec();
        bytes.extend(len.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(next.to_le_bytes());
        self.put(at, &bytes);
    }

    /// Makes the chain with this head available.
    pub(super) fn publish(&mut self, queue: usize, head: u16) {
        let index = self.next[queue].1;
        self.put(
            available(queue) + 4 + 2 * u64::from(index % SIZE),
            &head.to_le_bytes(),
        );
        self.next[queue].1 = index.wrapping_add(1);
        self.put(available(queue) + 2, &index.wrapping_add(1).to_le_bytes());
    }

    /// Makes a chain of (address, length, flags) available. Returns its head.
    pub(super) fn offer(&mut self, queue: usize, chain: &[(u64, u32, u16)]) -> u16 {
        let head = self.next[queue].0 % SIZE;
        for (i, &(address, len, flags)) in chain.iter().enumerate() {
            let index = self.next[queue].0 % SIZE;
            let next = (index + 1) % SIZE;
            let last = i + 1 == chain.len();
            let flags = flags | if last { 0 } else { NEXT };
            let at = descriptors(queue) + 16 * u64::from(index);
            self.describe(at, address, len, flags, next);
            self.next[queue].0 = next;
        }
        self.publish(queue, head);
        head
    }

    pub(super) fn notify(&mut self, queue: usize) {
        self.write(VIRTIO_MMIO_QUEUE_NOTIFY, queue as u32);
    }

    /// The used chains since the last call: head and length.
    pub(super) fn take_used(&mut self, queue: usize) -> Vec<(u32, u32)> {
        let (from, to) = (self.next[queue].2, self.u16(used(queue) + 2));
        self.next[queue].2 = to;
        let entries = (0..to.wrapping_sub(from)).map(|i| from.wrapping_add(i));
        let word = |at: u64| u32::from_le_bytes(*self.bytes(at, 4).first_chunk().unwrap());
        entries
            .map(|index| used(queue) + 4 + 8 * u64::from(index % SIZE))
            .map(|at| (word(at), word(at + 4)))
            .collect()
    }

    /// Returns the level of the interrupt line, and acknowledges the interrupt.
    pub(super) fn interrupted(&mut self) -> bool {
        let status = self.read(VIRTIO_MMIO_INTERRUPT_STATUS);
        assert_eq!(self.dev.irq(), status != 0);
        self.write(VIRTIO_MMIO_INTERRUPT_ACK, status);
        assert!(!self.dev.irq());
        status != 0
    }
}

/// Traces all device types, for the test of the shape of saved state.
pub(crate) fn trace_kinds(
    tracer: &mut serde_reflection::Tracer,
    samples: &serde_reflection::Samples,
) {
    tracer.trace_type::<super::Kind>(samples).unwrap();
}

/// Whether bytes decode as the state of a device of a known type.
pub(crate) fn is_kind(bytes: &[u8]) -> bool {
    postcard::from_bytes::<super::Kind>(bytes).is_ok()
}
