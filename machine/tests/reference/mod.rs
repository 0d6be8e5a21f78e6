//! The reference for probes: everything that a probe could report, derived from the states between
//! the instructions of a run. It decodes instructions, translates addresses and keeps a copy of RAM
//! by itself, and uses no probe.

use crate::common::EXCEPTION;
use crate::{At, End, Script, run};
use machine::cpu::{Hart, Mode};
use machine::{
    Access, Accessor, AddressSpace, Cause, Harts, Icount, Machine, PhysAddr, Probe, Stop, VirtAddr,
};
use machine::{WatchHit, WatchKind, Watchpoint};
use riscv_isa::table::Format;
use riscv_isa::{Insn, Op, decode};

const RAM: u64 = 0x8000_0000;
const PAGE: u64 = 4096;
const MPRV: u64 = 1 << 17;
const FETCH_FAULTS: [u64; 2] = [1, 12];

/// An event that a probe may stop for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The point before an instruction that can be fetched.
    Execute {
        hart: u8,
        pc: u64,
        space: Option<AddressSpace>,
    },
    Trap {
        hart: u8,
        pc: u64,
        cause: Cause,
    },
    /// An access within a page, and its bytes before and after; a register of a device has none
    /// before.
    Access {
        hart: u8,
        pc: u64,
        access: Access,
        address: u64,
        old: Option<Vec<u8>>,
        new: Vec<u8>,
    },
    /// The point after an instruction.
    Executed {
        hart: u8,
        pc: u64,
    },
}

/// The events of a run, with their icounts.
pub(crate) struct Trace {
    pub(crate) harts: u8,
    pub(crate) seen: Vec<(u64, Seen)>,
    /// RAM before the next instruction.
    ram: Vec<u8>,
    /// Number of marks that have been processed.
    marks: usize,
}

/// A hart and RAM.
struct View<'a> {
    hart: &'a Hart,
    ram: &'a [u8],
}

impl View<'_> {
    fn bytes(&self, address: u64, len: usize) -> Option<&[u8]> {
        let start = address.checked_sub(RAM)? as usize;
        self.ram.get(start..start + len)
    }

    /// Translates `va` in `mode`. Returns the physical address, and the addresses of the entries.
    fn walk(&self, va: u64, mode: Mode) -> Option<(u64, Vec<u64>)> {
        let satp = self.hart.csrs.satp;
        if mode == Mode::Machine || satp >> 60 == 0 {
            return Some((va, Vec::new()));
        }
        let mut table = (satp & ((1 << 44) - 1)) << 12;
        let mut entries = Vec::new();
        for level in (0..(satp >> 60) - 5).rev() {
            let shift = 12 + 9 * level;
            let at = table + (va >> shift & 0x1ff) * 8;
            let entry = u64::from_le_bytes(*self.bytes(at, 8)?.first_chunk()?);
            entries.push(at);
            table = (entry >> 10 & ((1 << 44) - 1)) << 12;
            match entry & 0xf {
                bits if bits & 1 == 0 => return None,
                1 => {}
                _ => {
                    let within = (1 << shift) - 1;
                    return Some((table & !within | va & within, entries));
                }
            }
        }
        None
    }

    fn data_mode(&self) -> Mode {
        match self.hart.mode {
            Mode::Machine if self.hart.csrs.mstatus & MPRV != 0 => {
                Mode::from_bits(self.hart.csrs.mstatus >> 11).unwrap()
            }
            mode => mode,
        }
    }

    /// The instruction at the pc, from RAM or the boot ROM.
    fn instruction(&self, machine: &Machine) -> Option<Insn> {
        let half = |va: u64| {
            let (address, _) = self.walk(va, self.hart.mode)?;
            // The boot ROM never changes.
            let bytes = self.bytes(address, 2);
            let bytes = bytes.or_else(|| machine.bus().memory(PhysAddr::new(address), 2))?;
            Some(u32::from(u16::from_le_bytes(*bytes.first_chunk()?)))
        };
        let pc = self.hart.pc;
        let low = half(pc)?;
        if low & 3 != 3 {
            return decode(low);
        }
        decode(half(pc.wrapping_add(2))? << 16 | low)
    }

    /// The memory access of an instruction: address, length, whether it reads, whether it writes.
    fn access(&self, insn: &Insn, after: &Hart) -> Option<(u64, usize, bool, bool)> {
        let base = self.hart.x[usize::from(insn.rs1)];
        let at = base.wrapping_add_signed(insn.imm.into());
        let (reads, writes) = match insn.op.entry().format {
            Format::Load | Format::FLoad => (true, false),
            Format::Store | Format::FStore => (false, true),
            Format::LoadReserved => (true, false),
            Format::Amo if matches!(insn.op, Op::ScW | Op::ScD) => {
                // Without a result only the reservation tells.
                let held = self.walk(base, self.data_mode()).map(|(at, _)| at - RAM);
                let done = match insn.rd {
                    0 => self.hart.reservation.is_some() && self.hart.reservation == held,
                    rd => after.x[usize::from(rd)] == 0,
                };
                (false, done)
            }
            Format::Amo => (true, true),
            _ => return None,
        };
        let len = match insn.op {
            Op::Lb | Op::Lbu | Op::Sb => 1,
            Op::Lh | Op::Lhu | Op::Sh => 2,
            Op::Lw | Op::Lwu | Op::Sw | Op::Flw | Op::Fsw => 4,
            Op::Ld | Op::Sd | Op::Fld | Op::Fsd => 8,
            op if op.entry().mnemonic.ends_with(".w") => 4,
            _ => 8,
        };
        let atomic = matches!(insn.op.entry().format, Format::LoadReserved | Format::Amo);
        Some((if atomic { base } else { at }, len, reads, writes))
    }
}

impl Trace {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self {
            harts: machine.harts().len() as u8,
            seen: Vec::new(),
            ram: ram(machine),
            marks: 0,
        }
    }

    /// Runs the guest step by step.
    pub(crate) fn record(
        &mut self,
        machine: &mut Machine,
        input: &[(u64, &[u8])],
        limit: u64,
    ) -> End {
        let mut last = (machine.icount(), machine.harts().to_vec());
        let step = |machine: &mut Machine, script: &Script| {
            if machine.icount() > last.0 {
                self.executed(last.0.get(), &last.1, machine, script);
            }
            last = (machine.icount(), machine.harts().to_vec());
            machine.icount() + 1
        };
        let end = run(machine, input, limit, step, |_, stop| panic!("{stop:?}"));
        if machine.icount() > last.0 {
            self.executed(last.0.get(), &last.1, machine, &end.script);
        }
        assert!(self.ram == ram(machine), "the reference missed a store");
        end
    }

    /// Records the instruction that was executed at `icount`. `before` are the harts before it.
    fn executed(&mut self, icount: u64, before: &[Hart], machine: &Machine, script: &Script) {
        let harts = machine.harts();
        let mut changed = before.iter().zip(harts).filter(|(a, b)| a.steps != b.steps);
        let (before, after) = changed.next().unwrap();
        let (mut hart, id) = (before.clone(), before.id);
        let mut see = |count, what| self.seen.push((count, what));
        let mut exception = None;
        for (at, number) in &script.marks[self.marks..] {
            assert_eq!(at.icount, Icount::new(icount));
            if number & EXCEPTION != 0 {
                exception = Some(number & !EXCEPTION);
                continue;
            }
            hart.take_interrupt(*number);
            let cause = Cause::Interrupt(*number);
            see(
                icount,
                Seen::Trap {
                    hart: id,
                    pc: at.pc.get(),
                    cause,
                },
            );
        }
        self.marks = script.marks.len();
        let pc = hart.pc;
        let view = View {
            hart: &hart,
            ram: &self.ram,
        };
        let faults = exception.is_some_and(|cause| FETCH_FAULTS.contains(&cause));
        let tval = match after.mode {
            Mode::Machine => after.csrs.mtval,
            _ => after.csrs.stval,
        };
        if !(faults && tval == pc) {
            let space = AddressSpace::of_satp(hart.csrs.satp);
            let space = (hart.mode != Mode::Machine).then_some(space);
            see(
                icount,
                Seen::Execute {
                    hart: id,
                    pc,
                    space,
                },
            );
        }
        // The ranges that may have been stored to.
        let mut stale: Vec<(u64, usize)> = Vec::new();
        for va in [pc, pc.wrapping_add(2)] {
            let walked = view.walk(va, hart.mode);
            let entries = walked.map(|(_, entries)| entries).unwrap_or_default();
            stale.extend(entries.into_iter().map(|at| (at, 8)));
        }
        let insn = view.instruction(machine);
        let access = insn.and_then(|insn| view.access(&insn, after));
        if let Some((va, len, reads, writes)) = access {
            let in_page = (PAGE - va % PAGE).min(len as u64);
            let next = va.wrapping_add(in_page);
            let mode = view.data_mode();
            let mut parts = Vec::new();
            for (va, len) in [(va, in_page as usize), (next, len - in_page as usize)] {
                if let Some((address, entries)) = view.walk(va, mode).filter(|_| len > 0) {
                    stale.extend(entries.into_iter().map(|at| (at, 8)));
                    parts.push((address, len, view.bytes(address, len).map(<[u8]>::to_vec)));
                }
            }
            for (access, _) in [(Access::Read, reads), (Access::Write, writes)]
                .into_iter()
                .filter(|(_, done)| *done && exception.is_none())
            {
                for (address, len, old) in &parts {
                    let (address, len, old) = (*address, *len, old.clone());
                    let new = match (access, &old) {
                        (Access::Read, Some(old)) => old.clone(),
                        (Access::Write, Some(_)) => {
                            stale.push((address, len));
                            let now = machine.bus().memory(PhysAddr::new(address), len);
                            now.unwrap().to_vec()
                        }
                        (_, None) => register(insn.as_ref(), access, &hart, after, len),
                    };
                    see(
                        icount + 1,
                        Seen::Access {
                            hart: id,
                            pc,
                            access,
                            address,
                            old,
                            new,
                        },
                    );
                }
            }
        }
        if let Some(cause) = exception {
            let cause = Cause::Exception(cause);
            see(
                icount + 1,
                Seen::Trap {
                    hart: id,
                    pc,
                    cause,
                },
            );
        }
        see(
            icount + 1,
            Seen::Executed {
                hart: id,
                pc: after.pc,
            },
        );
        for (address, len) in stale {
            let now = machine.bus().memory(PhysAddr::new(address), len).unwrap();
            let start = (address - RAM) as usize;
            self.ram[start..start + len].copy_from_slice(now);
        }
    }

    /// The addresses in RAM and of device registers that the run accesses.
    pub(crate) fn accesses(&self) -> Vec<u64> {
        let address = |(_, seen): &(u64, Seen)| match seen {
            Seen::Access { address, .. } => Some(*address),
            _ => None,
        };
        self.seen.iter().filter_map(address).collect()
    }

    /// The traps that the run takes.
    pub(crate) fn causes(&self) -> Vec<Cause> {
        let cause = |(_, seen): &(u64, Seen)| match seen {
            Seen::Trap { cause, .. } => Some(*cause),
            _ => None,
        };
        self.seen.iter().filter_map(cause).collect()
    }

    /// The stops that these probes cause.
    pub(crate) fn stops(&self, probes: &[Probe]) -> Vec<At> {
        let mut watches: Vec<Watchpoint> = Vec::new();
        for probe in probes {
            if let Probe::Watch(watch) = probe
                && !watches.contains(watch)
            {
                watches.push(*watch);
            }
        }
        watches.sort();
        let mut stops = Vec::new();
        for (icount, seen) in &self.seen {
            let mut stop = |stop| stops.push((Icount::new(*icount), stop));
            match seen {
                Seen::Execute { hart, pc, space } => {
                    let here = |probe: &Probe| match probe {
                        Probe::Breakpoint(point) => {
                            let anywhere = point.space.is_none();
                            point.address.get() == *pc && (anywhere || point.space == *space)
                        }
                        _ => false,
                    };
                    if probes.iter().any(here) {
                        stop(Stop::Breakpoint {
                            hart: *hart,
                            pc: VirtAddr::new(*pc),
                        });
                    }
                }
                Seen::Trap { hart, pc, cause } => {
                    if probes.contains(&Probe::Catch(*cause)) {
                        let (hart, pc, cause) = (*hart, VirtAddr::new(*pc), *cause);
                        stop(Stop::Trap {
                            hart,
                            pc,
                            cause,
                            tval: 0,
                        });
                    }
                }
                Seen::Executed { hart, pc } => {
                    let harts = [Harts::All, Harts::One(*hart)];
                    if harts.iter().any(|who| probes.contains(&Probe::Step(*who))) {
                        stop(Stop::Step {
                            hart: *hart,
                            pc: VirtAddr::new(*pc),
                        });
                    }
                }
                Seen::Access { .. } => {
                    for watch in &watches {
                        if let Some(hit) = hit(watch, seen) {
                            stop(Stop::Watch(hit));
                        }
                    }
                }
            }
        }
        stops
    }
}

fn ram(machine: &Machine) -> Vec<u8> {
    let pages = (0..).map_while(|page| machine.page(page));
    pages.flatten().copied().collect()
}

/// The bytes that an integer instruction moved from or to a register of a device.
fn register(
    insn: Option<&Insn>,
    access: Access,
    before: &Hart,
    after: &Hart,
    len: usize,
) -> Vec<u8> {
    let insn = insn.unwrap();
    let value = match access {
        Access::Read => {
            assert_ne!(insn.rd, 0, "what it read cannot be seen");
            after.x[usize::from(insn.rd)]
        }
        Access::Write => before.x[usize::from(insn.rs2)],
    };
    value.to_le_bytes()[..len].to_vec()
}

/// The hit of a watchpoint at an access.
fn hit(watch: &Watchpoint, seen: &Seen) -> Option<WatchHit> {
    let Seen::Access {
        hart,
        pc,
        access,
        address,
        old,
        new,
    } = seen
    else {
        return None;
    };
    let unseen = match access {
        Access::Read => WatchKind::Write,
        Access::Write => WatchKind::Read,
    };
    let from = watch.address.get();
    let watched = |at: u64| (from..from + watch.len).contains(&at);
    let part = |bytes: &[u8]| -> Vec<u8> {
        let bytes = (*address..).zip(bytes).filter(|(at, _)| watched(*at));
        bytes.map(|(_, byte)| *byte).collect()
    };
    let bytes = part(new);
    let first = (*address..*address + new.len() as u64).find(|at| watched(*at));
    let first = first.filter(|_| watch.kind != unseen)?;
    let value = |bytes: Vec<u8>| {
        let mut value = [0; 8];
        value[..bytes.len()].copy_from_slice(&bytes);
        u64::from_le_bytes(value)
    };
    Some(WatchHit {
        watch: *watch,
        access: *access,
        address: PhysAddr::new(first),
        len: bytes.len() as u64,
        old: old.as_deref().map(|old| value(part(old))),
        new: value(bytes),
        by: Accessor::Hart,
        hart: *hart,
        pc: VirtAddr::new(*pc),
    })
}
