//! Watchpoints where devices are: on their registers, and on memory that they write to by
//! themselves. The guest works through a table of accesses, so each test says what is accessed.

#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

use machine::boot::reset_rom;
use machine::inputs::{
    Arrival, BlockOp, BlockRequest, BlockResult, Halted, Inputs, Mark, Moment, Output,
};
use machine::virtio::{BlockConfig, NetConfig, RngConfig, VirtioConfig};
use machine::{
    Access, Accessor, Config, Execution, Exit, Icount, Machine, PhysAddr, PowerOn, Probe, Stop,
    VirtAddr, WatchHit, WatchKind, Watchpoint,
};
use riscv_isa::{Insn, Op, encode};

const TIERS: [Execution; 3] = [
    Execution::Interpreter,
    Execution::Translated { after: 0 },
    Execution::Translated { after: 2 },
];

// The guest's memory.
const RAM_BASE: u64 = machine::bus::RAM_BASE.get();
const TABLE: u64 = RAM_BASE + 0x1000;
const DESCRIPTORS: u64 = RAM_BASE + 0x3000;
const AVAILABLE: u64 = RAM_BASE + 0x4000;
const USED: u64 = RAM_BASE + 0x5000;
const HEADER: u64 = RAM_BASE + 0x6000;
const STATUS: u64 = RAM_BASE + 0x7000;
/// Lies across two pages.
const BUFFER: u64 = RAM_BASE + 0x9000 - 100;

/// Slots of the virtio devices.
const RNG: u64 = 0;
const DISK: u64 = 1;
const NET: u64 = 2;

/// An access of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Do {
    Load(u64, u64),
    Store(u64, u64, u64),
}

use Do::{Load, Store};

/// How a load and a store of each size are done.
const OPS: [(u64, Op, Op); 4] = [
    (1, Op::Lbu, Op::Sb),
    (2, Op::Lhu, Op::Sh),
    (4, Op::Lwu, Op::Sw),
    (8, Op::Ld, Op::Sd),
];
/// Registers with what was loaded, and with what is stored.
const LOADED: u8 = 16;
const STORED: u8 = 15;

/// The program, and the address of the instruction for each load and each store.
fn program() -> (Vec<Insn>, Vec<[u64; 2]>) {
    let insn = |op, rd, rs1, rs2, imm| Insn {
        rd,
        rs1,
        rs2,
        imm,
        ..Insn::new(op)
    };
    let mut code = vec![
        insn(Op::Auipc, 11, 0, 0, (TABLE - RAM_BASE) as i32),
        insn(Op::Ld, 13, 11, 0, 0),
        insn(Op::Ld, 14, 11, 0, 8),
        insn(Op::Ld, STORED, 11, 0, 16),
        insn(Op::Addi, 11, 11, 0, 24),
        insn(Op::Jalr, 0, 13, 0, 0),
        insn(Op::Jal, 0, 0, 0, 0),
    ];
    let mut addresses = Vec::new();
    for (_, load, store) in OPS {
        let at = |index: usize| RAM_BASE + 4 * index as u64;
        addresses.push([at(code.len()), at(code.len() + 2)]);
        for access in [insn(load, LOADED, 14, 0, 0), insn(store, 0, 14, STORED, 0)] {
            code.push(access);
            code.push(insn(Op::Jal, 0, 0, 0, 4 - 4 * code.len() as i32));
        }
    }
    (code, addresses)
}

/// Where the program stays in the end.
const END: u64 = RAM_BASE + 6 * 4;

/// The address of the instruction that does an access.
fn pc_of(access: Do) -> u64 {
    let (_, addresses) = program();
    let of = |len: u64| addresses[OPS.iter().position(|(size, ..)| *size == len).unwrap()];
    match access {
        Load(_, len) => of(len)[0],
        Store(_, len, _) => of(len)[1],
    }
}

/// Takes what devices send.
#[derive(Debug, Default)]
struct Outside {
    requests: Vec<BlockRequest>,
}

impl Inputs for Outside {
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted> {
        Ok(1_700_000_000_000_000_000 + at.icount.get() as i64)
    }
    fn output(&mut self, _: Moment, output: Output<'_>) -> Result<(), Halted> {
        if let Output::Block(request) = output {
            self.requests.push(request);
        }
        Ok(())
    }
    fn mark(&mut self, _: Moment, _: Mark) -> Result<(), Halted> {
        Err(Halted)
    }
}

/// A machine whose guest does these accesses, one after the other, and has `memory`.
fn machine(accesses: &[Do], memory: &[(u64, Vec<u8>)]) -> Machine {
    let (code, _) = program();
    let mut table = Vec::new();
    for access in accesses {
        let (address, value) = match *access {
            Load(address, _) => (address, 0),
            Store(address, _, value) => (address, value),
        };
        table.extend([pc_of(*access), address, value]);
    }
    table.push(END);
    let code = code.iter().flat_map(|insn| encode(insn).to_le_bytes());
    let table = table.into_iter().flat_map(u64::to_le_bytes);
    let mut segments = vec![(RAM_BASE, code.collect()), (TABLE, table.collect())];
    segments.extend_from_slice(memory);
    let segments = segments.into_iter();
    let power_on = PowerOn {
        segments: segments
            .map(|(address, bytes)| (PhysAddr::new(address), bytes))
            .collect(),
        rom: reset_rom(PhysAddr::new(RAM_BASE), PhysAddr::default(), None),
        ..PowerOn::default()
    };
    let virtio = vec![
        VirtioConfig::Rng(RngConfig { seed: [3; 32] }),
        VirtioConfig::Block(BlockConfig {
            drive: 5,
            size: 1 << 20,
            read_only: false,
            serial: String::new(),
        }),
        VirtioConfig::Net(NetConfig {
            adapter: 6,
            mac: [2; 6],
        }),
    ];
    let config = Config {
        virtio,
        ..Config::new(1 << 20)
    };
    Machine::new(&config, power_on).unwrap()
}

/// Executes one instruction.
fn step(machine: &mut Machine, outside: &mut Outside) {
    let next = machine.icount() + 1;
    assert_eq!(machine.run(next, outside), Exit::Count);
}

/// Instructions executed once each access is done: found one after the other, without probes.
fn places(accesses: &[Do], memory: &[(u64, Vec<u8>)]) -> Vec<Icount> {
    let mut machine = machine(accesses, memory);
    let mut places = Vec::new();
    for access in accesses {
        let is_next = |machine: &Machine| machine.moment().pc.get() == pc_of(*access);
        while !is_next(&machine) {
            step(&mut machine, &mut Outside::default());
        }
        step(&mut machine, &mut Outside::default());
        places.push(machine.icount());
    }
    places
}

/// Runs to the next hit; `None`: the guest has done all.
fn next_hit(machine: &mut Machine, outside: &mut Outside, until: Icount) -> Option<WatchHit> {
    match machine.run(until, outside) {
        Exit::Stopped(Stop::Watch(hit)) => Some(hit),
        Exit::Count => None,
        other => panic!("{other:?}"),
    }
}

const UART: u64 = 0x1000_0000;
const CLINT: u64 = 0x200_0000;
const PLIC: u64 = 0xc00_0000;
const RTC: u64 = 0x10_1000;
const fn virtio(slot: u64) -> u64 {
    0x1000_1000 + 0x1000 * slot
}

/// Registers of every device, read and written, each more than once.
fn registers() -> Vec<Do> {
    let once = [
        Store(UART + 3, 1, 3),
        Load(UART + 3, 1),
        Store(UART + 7, 1, 0x5a),
        Load(UART + 5, 1),
        Store(UART, 1, 0x41),
        Load(CLINT, 4),
        Store(CLINT, 4, 1),
        Store(CLINT, 4, 0),
        Store(CLINT + 0x4000, 8, 0x1122_3344_5566_7788),
        Load(CLINT + 0x4000, 8),
        Load(CLINT + 0x4004, 4),
        Load(CLINT + 0xbff8, 8),
        Store(PLIC + 4, 4, 7),
        Load(PLIC + 4, 4),
        Store(PLIC + 0x2000, 4, 2),
        Load(PLIC + 0x20_0004, 4),
        Store(PLIC + 0x20_0004, 4, 1),
        Load(RTC, 4),
        Load(RTC + 4, 4),
        Load(virtio(RNG), 4),
        Store(virtio(DISK) + 0x70, 4, 1),
        Load(virtio(DISK) + 0x70, 4),
        Store(virtio(NET) + 0x14, 4, 1),
        // A byte of its configuration; an empty slot; the ROM.
        Load(virtio(NET) + 0x101, 1),
        Load(virtio(7) + 8, 4),
        Load(0x1000, 8),
    ];
    [once, once].concat()
}

#[test]
fn registers_of_devices_are_watched() {
    let accesses = registers();
    let places = places(&accesses, &[]);
    let end = *places.last().unwrap() + 100;
    let mut ranges: Vec<(u64, u64)> = accesses.iter().map(|access| part(*access)).collect();
    // All of a device, one byte in the middle of a register, and bytes that two registers share.
    ranges.extend([(UART, 0x100), (CLINT + 0x4005, 1), (PLIC + 2, 4)]);
    ranges.extend([(virtio(DISK) + 0x73, 2), (UART + 1, 1), (RTC + 8, 8)]);
    let mut seen = 0;
    for tier in TIERS {
        for (round, &(address, len)) in ranges.iter().enumerate() {
            let kinds = [WatchKind::Write, WatchKind::Read, WatchKind::Access];
            for kind in kinds {
                let watch = watchpoint(kind, (address, len));
                let mut machine = machine(&accesses, &[]);
                machine.set_execution(tier);
                let mut outside = Outside::default();
                // Not from the start each time: code is translated already, pages are cached.
                let from = places[(round * 7) % 30];
                assert_eq!(machine.run(from, &mut outside), Exit::Count);
                machine.insert_probe(Probe::Watch(watch));
                for (access, place) in accesses.iter().zip(&places) {
                    let Some(wanted) = wanted(watch, *access).filter(|_| *place > from) else {
                        continue;
                    };
                    let hit = next_hit(&mut machine, &mut outside, end);
                    assert_eq!(
                        machine.icount(),
                        *place,
                        "{tier:?}: {watch:x?}, {access:x?}"
                    );
                    let loaded = machine.hart(0).unwrap().x[usize::from(LOADED)];
                    let new = match *access {
                        Load(..) => loaded,
                        Store(_, _, value) => value,
                    };
                    let shift = 8 * (wanted.address.get() - part(*access).0);
                    let mask = u64::MAX >> (64 - 8 * wanted.len);
                    let new = new >> shift & mask;
                    assert_eq!(hit, Some(WatchHit { new, ..wanted }), "{tier:?}");
                    seen += 1;
                }
                assert_eq!(
                    next_hit(&mut machine, &mut outside, end),
                    None,
                    "{watch:x?}"
                );
            }
        }
    }
    assert!(seen > 500, "{seen}");
}

/// One of these bytes: address and length.
fn watchpoint(kind: WatchKind, (address, len): (u64, u64)) -> Watchpoint {
    Watchpoint {
        address: PhysAddr::new(address),
        len,
        kind,
    }
}

/// Address and length of what is accessed.
fn part(access: Do) -> (u64, u64) {
    match access {
        Load(address, len) | Store(address, len, _) => (address, len),
    }
}

/// What a watchpoint must see of an access to a register, but for its value.
fn wanted(watch: Watchpoint, access: Do) -> Option<WatchHit> {
    let (address, len) = part(access);
    let watched = watch.address.get();
    let first = address.max(watched);
    let end = (address + len).min(watched + watch.len);
    let (done, blind) = match access {
        Load(..) => (Access::Read, WatchKind::Write),
        Store(..) => (Access::Write, WatchKind::Read),
    };
    (first < end && watch.kind != blind).then(|| WatchHit {
        watch,
        access: done,
        address: PhysAddr::new(first),
        len: end - first,
        old: None,
        new: 0,
        by: Accessor::Hart,
        hart: 0,
        pc: VirtAddr::new(pc_of(access)),
    })
}

#[test]
fn the_guest_is_the_same_with_its_registers_watched() {
    let accesses = registers();
    let end = *places(&accesses, &[]).last().unwrap() + 100;
    let digest = |watched: bool| {
        let mut machine = machine(&accesses, &[]);
        let whole = watchpoint(WatchKind::Access, (0, RAM_BASE));
        if watched {
            machine.insert_probe(Probe::Watch(whole));
        }
        let mut outside = Outside::default();
        let mut hits = 0;
        while next_hit(&mut machine, &mut outside, end).is_some() {
            hits += 1;
        }
        // The ROM reads two words of its own.
        assert_eq!(hits, if watched { accesses.len() + 2 } else { 0 });
        machine.digest()
    };
    assert_eq!(digest(true), digest(false));
}

/// What a driver does to a device until it works.
fn start(slot: u64) -> Vec<Do> {
    let mut all = Vec::new();
    let mut write = |register: u64, value| all.push(Store(virtio(slot) + register, 4, value));
    // Version 1 and nothing else.
    for (register, value) in [(0x70, 1), (0x70, 3), (0x24, 1), (0x20, 1), (0x70, 11)] {
        write(register, value);
    }
    for (register, value) in [(0x30, 0), (0x38, 8)] {
        write(register, value);
    }
    for (register, address) in [(0x80, DESCRIPTORS), (0x90, AVAILABLE), (0xa0, USED)] {
        write(register, address);
        write(register + 4, 0);
    }
    for (register, value) in [(0x44, 1), (0x70, 15)] {
        write(register, value);
    }
    all
}

/// It is told of queue 0.
fn notify(slot: u64) -> Do {
    Store(virtio(slot) + 0x50, 4, 0)
}

/// The driver starts a device, and makes head 0 of its queue available.
fn start_and_offer(slot: u64) -> Vec<Do> {
    [start(slot), vec![Store(AVAILABLE + 2, 2, 1), notify(slot)]].concat()
}

/// A chain of (address, length, writable by the device). Its head is 0.
fn chain(parts: &[(u64, u32, bool)]) -> Vec<(u64, Vec<u8>)> {
    let mut table = Vec::new();
    for (index, &(address, len, writable)) in (1u16..).zip(parts) {
        let more = usize::from(index) < parts.len();
        let flags = u16::from(more) | u16::from(writable) << 1;
        table.extend(address.to_le_bytes());
        table.extend(len.to_le_bytes());
        table.extend(flags.to_le_bytes());
        table.extend(index.to_le_bytes());
    }
    vec![(DESCRIPTORS, table)]
}

/// Watches that a device hits, and some that it does not: its reads, and what nobody accesses.
fn watches(points: &[(u64, u64)]) -> Vec<Watchpoint> {
    let mut all: Vec<_> = points
        .iter()
        .map(|&at| watchpoint(WatchKind::Write, at))
        .collect();
    for &at in points.iter().chain(&[(DESCRIPTORS, 64), (HEADER, 16)]) {
        all.push(watchpoint(WatchKind::Read, at));
    }
    all.push(watchpoint(WatchKind::Access, (RAM_BASE + 0xf000, 0x1000)));
    all
}

/// Of each hit: address, length, bytes before and after.
type Hit = (u64, u64, u64, u64);

/// Runs on, and holds what is hit against `wanted`. All of it is the doing of the device in `slot`,
/// at one place, with `pc`.
fn hit_by(
    machine: &mut Machine,
    outside: &mut Outside,
    slot: u64,
    place: (Icount, u64),
    wanted: &[Hit],
) {
    let end = machine.icount() + 1000;
    for &(address, len, old, new) in wanted {
        let hit = next_hit(machine, outside, end).unwrap();
        assert_eq!((machine.icount(), hit.pc.get()), place, "{hit:x?}");
        assert_eq!(hit.by, Accessor::Virtio { slot: slot as u8 }, "{hit:x?}");
        assert_eq!(hit.access, Access::Write);
        let found = (hit.address.get(), hit.len, hit.old.unwrap(), hit.new);
        assert_eq!(found, (address, len, old, new));
    }
    assert_eq!(next_hit(machine, outside, end), None);
}

#[test]
fn a_disk_that_reads_into_memory_is_named() {
    let mut accesses = Vec::new();
    // The guest's own stores to the page do not count as the disk's later.
    accesses.push(Store(BUFFER + 512, 8, 0x77));
    accesses.extend(start_and_offer(DISK));
    let mut memory = chain(&[(HEADER, 16, false), (BUFFER, 1024, true), (STATUS, 1, true)]);
    memory.extend([(HEADER, vec![0; 16]), (STATUS, vec![0xff])]);
    let end = *places(&accesses, &memory).last().unwrap() + 50;
    for (tier, before) in TIERS
        .into_iter()
        .flat_map(|tier| [(tier, true), (tier, false)])
    {
        let mut machine = machine(&accesses, &memory);
        machine.set_execution(tier);
        let mut outside = Outside::default();
        // Four bytes across the border of the pages, the guest's own word, status, index.
        let points = watches(&[
            (BUFFER + 98, 4),
            (BUFFER + 512, 8),
            (STATUS, 1),
            (USED + 2, 2),
        ]);
        let insert = |machine: &mut Machine| {
            for point in &points {
                machine.insert_probe(Probe::Watch(*point));
            }
        };
        if before {
            insert(&mut machine);
            let hit = next_hit(&mut machine, &mut outside, end).unwrap();
            assert_eq!((hit.by, hit.new), (Accessor::Hart, 0x77));
        }
        assert_eq!(next_hit(&mut machine, &mut outside, end), None);
        if !before {
            insert(&mut machine);
        }
        let read = BlockOp::Read {
            offset: 0,
            len: 1024,
        };
        assert_eq!(outside.requests.len(), 1);
        assert_eq!(outside.requests[0].op, read);
        let data: Vec<u8> = (0..1024).map(|index| (index % 251) as u8).collect();
        let word = |at: usize| u64::from_le_bytes(*data[at..].first_chunk().unwrap());
        let done = Arrival::Block {
            drive: 5,
            id: outside.requests[0].id,
            result: BlockResult::Done(data.clone()),
        };
        machine.arrive(&done).unwrap();
        // Between two instructions: it is not that of any.
        let wanted = [
            (BUFFER + 98, 4, 0, word(98) & 0xffff_ffff),
            (BUFFER + 512, 8, 0x77, word(512)),
            (STATUS, 1, 0xff, 0),
            (USED + 2, 2, 0, 1),
        ];
        hit_by(&mut machine, &mut outside, DISK, (end, END), &wanted);
    }
}

/// Bytes in front of each frame.
const NET_HEADER: u64 = 12;

#[test]
fn a_network_card_that_receives_is_named() {
    let frame: Vec<u8> = (1..=60).collect();
    let arrival = Arrival::Frame {
        adapter: 6,
        data: frame.clone(),
    };
    let word = u64::from_le_bytes(*frame.first_chunk().unwrap());
    let wanted = [(BUFFER + NET_HEADER, 8, 0, word), (USED + 2, 2, 0, 1)];
    let points = watches(&[(BUFFER + NET_HEADER, 8), (USED + 2, 2)]);
    let accesses = start_and_offer(NET);
    let memory = chain(&[(BUFFER, 2048, true)]);
    let places = places(&accesses, &memory);
    let [.., offered, notified] = places[..] else {
        panic!("{places:?}");
    };
    for tier in TIERS {
        // The guest has a buffer for it: between two instructions. It has none yet: by the
        // instruction that notifies the card of one.
        for (arrives, place) in [
            (notified + 50, (notified + 50, END)),
            (offered.saturating_sub(1), (notified, pc_of(notify(NET)))),
        ] {
            let mut machine = machine(&accesses, &memory);
            machine.set_execution(tier);
            for point in &points {
                machine.insert_probe(Probe::Watch(*point));
            }
            let mut outside = Outside::default();
            assert_eq!(next_hit(&mut machine, &mut outside, arrives), None);
            machine.arrive(&arrival).unwrap();
            hit_by(&mut machine, &mut outside, NET, place, &wanted);
        }
    }
}

#[test]
fn a_device_that_answers_at_once_is_named_and_the_store_is_the_harts() {
    let accesses = start_and_offer(RNG);
    let memory = chain(&[(BUFFER, 32, true)]);
    let place = *places(&accesses, &memory).last().unwrap();
    let register = virtio(RNG) + 0x50;
    for tier in TIERS {
        let mut machine = machine(&accesses, &memory);
        machine.set_execution(tier);
        for (address, len) in [(BUFFER, 8), (register, 4)] {
            let kind = WatchKind::Write;
            machine.insert_probe(Probe::Watch(watchpoint(kind, (address, len))));
        }
        let mut outside = Outside::default();
        let mut found = Vec::new();
        while let Some(hit) = next_hit(&mut machine, &mut outside, place + 50) {
            assert_eq!(
                (machine.icount(), hit.pc.get()),
                (place, pc_of(notify(RNG)))
            );
            found.push((hit.address.get(), hit.by));
        }
        found.sort();
        let device = Accessor::Virtio { slot: RNG as u8 };
        assert_eq!(found, [(register, Accessor::Hart), (BUFFER, device)]);
    }
}

/// A watchpoint on the last page of what a device writes, and none on the pages before.
#[test]
fn a_device_that_writes_over_a_border_of_pages_is_seen_behind_it() {
    let accesses = start_and_offer(RNG);
    let memory = chain(&[(BUFFER, 256, true)]);
    let place = *places(&accesses, &memory).last().unwrap();
    for tier in TIERS {
        let mut machine = machine(&accesses, &memory);
        machine.set_execution(tier);
        let watched = (BUFFER + 200, 2);
        let probe = watchpoint(WatchKind::Write, watched);
        machine.insert_probe(Probe::Watch(probe));
        let mut outside = Outside::default();
        let hit = next_hit(&mut machine, &mut outside, place + 50).unwrap();
        assert_eq!(
            (machine.icount(), (hit.address.get(), hit.len)),
            (place, watched)
        );
        assert_eq!(next_hit(&mut machine, &mut outside, place + 50), None);
    }
}
