//! The scenario of a seed: the guest, its machine, the user's input, and the host's faults.

use super::chance::Chance;
use super::storage::Trouble;
use super::world::SECOND;
use crate::host::disk::{DriveOptions, Format};
use crate::host::net::{DEFAULT_ID, NetdevKind, NetdevOptions, UserOptions};
use crate::recording::options::{IcountOptions, MachineOptions};
use machine::bus::RAM_BASE;
use machine::{
    Breakpoint, Cause, Execution, Icount, PhysAddr, Probe, VirtAddr, WatchKind, Watchpoint,
};
use std::path::{Path, PathBuf};

/// How the host behaves. A fault's number says that it happens once in so many times; 0: never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    /// The host's time for 1000 instructions, ns, from 1.
    pub(super) pace: u64,
    /// After a period, the host is busy with other work.
    pub(super) stalls: u64,
    /// After a period, the wall clock is set.
    pub(super) clock_set: u64,
    /// A write to the serial port takes only a part.
    pub(super) serial_short: u64,
    /// A write to the serial port has to wait.
    pub(super) serial_slow: u64,
    /// At a write, the serial port's reader is gone.
    pub(super) serial_gone: u64,
    /// A request to a disk fails in the middle.
    pub(super) disk_fails: u64,
    /// The longest time of a disk request, in ns.
    pub(super) latency: u64,
    /// A frame is lost.
    pub(super) lost: u64,
    /// A frame is answered twice.
    pub(super) twice: u64,
    /// The longest time of an answer, in ns.
    pub(super) delay: u64,
    /// After a period, a frame arrives without a request.
    pub(super) noise: u64,
    /// The time from which and to which the network's peer is gone, in ms.
    pub(super) peer_gone: (i64, i64),
}

impl Faults {
    /// Each kind of fault is absent in half of all runs, so that each is also tested alone.
    fn any(chance: &mut Chance) -> Self {
        let mut rate = |most: u64| match chance.one_in(2) {
            true => 1 + chance.scale(most),
            false => 0,
        };
        Self {
            pace: 1000 + rate(1_000_000),
            stalls: rate(100),
            clock_set: rate(100),
            serial_short: rate(200),
            serial_slow: rate(200),
            serial_gone: rate(2000),
            disk_fails: rate(20),
            latency: rate(SECOND / 10),
            lost: rate(4),
            twice: rate(4),
            delay: rate(SECOND / 10),
            noise: rate(100),
            peer_gone: (rate(20) as i64, rate(2000) as i64),
        }
    }
}

/// The whole scenario.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) options: MachineOptions,
    /// Instructions from one state digest to the next.
    pub(super) digest_every: u64,
    pub(super) record_with: Execution,
    pub(super) replay_with: Execution,
    /// The input of the serial port: each piece after a pause (ns).
    pub(super) input: Vec<(u64, Vec<u8>)>,
    pub(super) faults: Faults,
    /// The largest number of instructions in a period.
    pub(super) period: u64,
    /// The instruction counts at which the user resets the machine, in order.
    pub(super) resets: Vec<Icount>,
    /// The instruction count at which the user ends the run. True: through the monitor; false: by a
    /// signal.
    pub(super) end: (Icount, bool),
    /// What happens to the log's disk, in a tenth of all runs.
    pub(super) trouble: Option<Trouble>,
    /// The random choices of the host.
    pub(super) world: Chance,
    /// What looks at the replay.
    pub(super) probes: Vec<Probe>,
}

/// The guests. A guest that stands several times is chosen more often.
const GUESTS: [&str; 10] = [
    "echo",
    "echo",
    "clock",
    "heisenbug",
    "smp",
    "virtio",
    "virtio",
    "virtio",
    "virtio_bad",
    "hello",
];

impl Scenario {
    /// The scenario of a seed; `image` is the image of the guest's disk.
    pub(super) fn of(seed: u64, image: &Path) -> Self {
        let mut chance = Chance::new(seed);
        let (mut world, mut trouble) = (chance.fork(), chance.fork());
        let mut faults = Faults::any(&mut world.fork());
        let guest = chance.of(&GUESTS);
        let harts = 1 + chance.below(4) as u8;
        let mut options = machine(guest, harts.max(if guest == "smp" { 2 } else { 1 }));
        options.chaos = chance.one_in(2).then(|| chance.any());
        options.icount = IcountOptions {
            shift: chance.below(5) as u8,
            sleep: chance.one_in(2),
        };
        options.append = match guest {
            "smp" => format!("harts={} n={}", options.harts, 1 + chance.below(20)),
            "clock" => format!("n={} ms={}", chance.below(6), 1 + chance.below(20)),
            "virtio" => format!("n={}", 1 + chance.below(8)),
            _ => String::new(),
        };
        if guest.starts_with("virtio") {
            options.drives.push(drive(image));
            options
                .netdevs
                .push(network(NetdevKind::User(UserOptions::default())));
        } else {
            options.netdevs.push(network(NetdevKind::None));
            faults.noise = 0;
        }
        let execution = [
            Execution::Interpreter,
            Execution::default(),
            Execution::Translated { after: 1 },
        ];
        let digest_every = 1 + chance.scale(200_000);
        let resets = (0..chance.scale(3)).map(|_| Icount::new(chance.scale(300_000)));
        let mut resets: Vec<Icount> = resets.collect();
        resets.sort_unstable();
        Self {
            // Each digest costs time, so they are not closer together.
            digest_every: digest_every.max(1000),
            record_with: chance.of(&execution),
            replay_with: chance.of(&execution),
            input: input(guest, &mut chance),
            faults,
            period: 1 + chance.scale(100_000).max(100),
            resets,
            end: (
                Icount::new(1000 + chance.scale(1_000_000)),
                chance.one_in(2),
            ),
            trouble: (seed % 10 == 9).then(|| match trouble.below(6) {
                0 => Trouble::Full(trouble.any()),
                1 => Trouble::KilledAtPeriod(trouble.any()),
                2 | 3 => Trouble::KilledAtByte(trouble.any()),
                _ => Trouble::Crash(trouble.any(), trouble.any()),
            }),
            options,
            world,
            probes: probes(&mut Chance::new(!seed)),
        }
    }
}

/// In every other replay a debugger looks at what the log holds: traps and devices. It must come to
/// the same.
fn probes(chance: &mut Chance) -> Vec<Probe> {
    let mut probes = Vec::new();
    if chance.one_in(2) {
        return probes;
    }
    probes.extend((0..16).map(|cause| Probe::Catch(Cause::Exception(cause))));
    probes.extend((1..12).map(|cause| Probe::Catch(Cause::Interrupt(cause))));
    let page = |number: u64| Watchpoint {
        address: RAM_BASE + 4096 * number,
        len: 4096,
        kind: WatchKind::Write,
    };
    let devices = Watchpoint {
        address: PhysAddr::default(),
        len: RAM_BASE.get(),
        kind: WatchKind::Access,
    };
    // Most of the guests' data is in the first pages.
    let pages = [page(chance.below(16)), page(chance.below(16))];
    probes.extend(pages.into_iter().chain([devices]).map(Probe::Watch));
    for _ in 0..64 {
        // Of code where it lies, without translation.
        let address = VirtAddr::new(RAM_BASE.get() + 2 * chance.below(0x2000));
        let space = None;
        probes.push(Probe::Breakpoint(Breakpoint { address, space }));
    }
    probes
}

fn machine(guest: &str, harts: u8) -> MachineOptions {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/bin");
    MachineOptions {
        memory: 2 << 20,
        harts,
        kernel: Some(samples.join(format!("{guest}.elf"))),
        rng_seed: "5".repeat(64),
        ..MachineOptions::default()
    }
}

fn drive(image: &Path) -> DriveOptions {
    DriveOptions {
        file: PathBuf::from(image),
        format: Some(Format::Raw),
        id: None,
        readonly: false,
    }
}

fn network(kind: NetdevKind) -> NetdevOptions {
    let id = DEFAULT_ID.to_owned();
    NetdevOptions { id, kind }
}

/// The user's input: lines that the guest knows, and others, in pieces.
fn input(guest: &str, chance: &mut Chance) -> Vec<(u64, Vec<u8>)> {
    let mut text = Vec::new();
    for _ in 0..chance.scale(40) {
        let (account, amount) = (chance.below(9), chance.below(100));
        let noise = chance.scale(60);
        match (guest, chance.below(8)) {
            ("heisenbug", 0..=5) => text.extend(
                format!(
                    "d {account} {amount}
"
                )
                .bytes(),
            ),
            ("echo", 0..=2) => text.extend(
                b"time
",
            ),
            (_, 7) => text.extend(chance.bytes(noise)),
            _ => text.extend(
                format!(
                    "a line {amount}
"
                )
                .bytes(),
            ),
        }
    }
    if !chance.one_in(4) {
        text.extend(
            b"
quit
",
        );
    }
    let pause = chance.scale(SECOND);
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let rest = text.split_off(text.len().min(1 + chance.scale(300) as usize));
        pieces.push((chance.scale(pause), text));
        text = rest;
    }
    pieces
}
