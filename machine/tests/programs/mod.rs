//! Programs that are drawn from a seed: loads and stores that cross pages and reach devices, atomic
//! instructions, branches, traps, interrupts, stores to code and to page tables, in each mode.
//!
//! A program is switched to its mode by a fixed start in machine mode, and its traps come to a
//! fixed handler there. Its memory is mapped twice: where it is, and once more in other pages, in
//! an order of its own for each of two address spaces. So a watched page has several addresses.

use crate::Random;
use machine::boot::reset_rom;
use machine::virtio::{ConsoleConfig, RngConfig, VirtioConfig};
use machine::{Config, Machine, PhysAddr, PowerOn};
use riscv_isa::{Insn, Op, encode};

const RAM_BASE: u64 = machine::bus::RAM_BASE.get();
const RAM: u64 = 512 << 10;
/// Offsets in RAM: values of registers, the handler, page tables, data, the page of the program.
const POOL: u64 = 0x400;
const HANDLER: u64 = 0x800;
const ROOTS: [u64; 2] = [0x1000, 0x2000];
const MIDDLES: [u64; 2] = [0x3000, 0x4000];
const LEAVES: [u64; 2] = [0x5000, 0x6000];
const DATA: u64 = 0x8000;
const CODE: u64 = 0x1_0000;
/// Where the pages are mapped once more.
const SECOND: u64 = 0x4000_0000;
/// Pages of the second mapping.
const PAGES: u64 = 4;

// Registers that a program only reads; the handler has those from 28 on.
const TABLE: u8 = 1;
const ENTRIES: [u8; 2] = [2, 3];
const MTIME: u8 = 4;
const BASES: [u8; 4] = [16, 17, 18, 19];
/// The program's own start, at both its addresses.
const STARTS: [u8; 2] = [20, 21];
const WORDS: [u8; 2] = [22, 23];
const SPACES: [u8; 2] = [24, 25];
const SERIAL: u8 = 26;
const RESTART: u8 = 27;

const PTE_ALL: u64 = 0xf;
const PTE_USER: u64 = 0x10;
const PTE_USED: u64 = 0xc0;

const CSR_MSTATUS: i32 = 0x300;
const CSR_MIE: i32 = 0x304;
const CSR_MTVEC: i32 = 0x305;
const CSR_MENVCFG: i32 = 0x30a;
const CSR_MEPC: i32 = 0x341;
const CSR_MCAUSE: i32 = 0x342;
const CSR_PMPCFG0: i32 = 0x3a0;
const CSR_PMPADDR0: i32 = 0x3b0;
const CSR_SATP: i32 = 0x180;
const CSR_MHARTID: i32 = 0xf14;

fn insn(op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) -> Insn {
    Insn {
        rd,
        rs1,
        rs2,
        imm,
        ..Insn::new(op)
    }
}

/// One instruction of a program that is being made.
#[derive(Debug, Clone, Copy)]
enum Item {
    Plain(Insn),
    /// As it is: compressed, or illegal.
    Half(u16),
    /// Its immediate leads to the item of this number.
    To(Insn, usize),
    /// The same, but it counts from the start of the program.
    FromStart(Insn, usize),
}

impl Item {
    fn len(&self) -> u64 {
        match self {
            Self::Half(_) => 2,
            _ => 4,
        }
    }
}

/// A machine with a program.
pub(crate) struct Program {
    config: Config,
    power_on: PowerOn,
}

impl Program {
    /// A machine that is about to run it.
    pub(crate) fn machine(&self) -> Machine {
        Machine::new(&self.config, self.power_on.clone()).unwrap()
    }

    /// The program of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed ^ 0x7072_6f67);
        let mode = [3, 1, 1, 0][random.below(4)];
        // Somewhere in it an instruction lies across two pages.
        let start = CODE + 0x1000 - 2 * random.below(200) as u64;
        let code = body(&mut random);
        let segments = vec![
            (RAM_BASE, bytes(&prologue())),
            (RAM_BASE + POOL, pool(&mut random, mode, start)),
            (RAM_BASE + HANDLER, bytes(&handler(&mut random))),
            (RAM_BASE + start, code),
        ];
        let tables = tables(&mut random, mode);
        let harts = [1, 1, 2, 3][random.below(4)];
        let config = Config {
            shift: 2,
            harts,
            chaos: (harts > 1).then_some(seed),
            virtio: vec![
                VirtioConfig::Console(ConsoleConfig { port: 1 }),
                VirtioConfig::Rng(RngConfig { seed: [7; 32] }),
            ],
            ..Config::new(RAM)
        };
        let power_on = PowerOn {
            segments: segments
                .into_iter()
                .chain(tables)
                .map(|(address, bytes)| (PhysAddr::new(address), bytes))
                .collect(),
            rom: reset_rom(PhysAddr::new(RAM_BASE), PhysAddr::default(), None),
            ..PowerOn::default()
        };
        Self { config, power_on }
    }
}

fn bytes(code: &[Insn]) -> Vec<u8> {
    let words = code.iter().flat_map(|insn| encode(insn).to_le_bytes());
    words.collect()
}

/// What the pool holds of CSRs, in this order; then come the registers 1 to 27.
const CSRS: [i32; 8] = [
    CSR_MTVEC,
    CSR_PMPADDR0,
    CSR_PMPCFG0,
    CSR_MENVCFG,
    CSR_SATP,
    CSR_MEPC,
    CSR_MSTATUS,
    CSR_MIE,
];

/// Loads CSRs, the first alarm of the timer and the registers, and goes to the program.
fn prologue() -> Vec<Insn> {
    let mut code = vec![insn(Op::Auipc, 31, 0, 0, 0)];
    let load = |to, index: usize| insn(Op::Ld, to, 31, 0, POOL as i32 + 8 * index as i32);
    for (index, csr) in CSRS.into_iter().enumerate() {
        code.extend([load(30, index), insn(Op::Csrrw, 0, 30, 0, csr)]);
    }
    code.extend(alarm());
    code.push(insn(Op::Sd, 0, 29, 0, 0));
    code.extend((1..28).map(|register| load(register, CSRS.len() + usize::from(register))));
    code.push(Insn::new(Op::Mret));
    assert!(code.len() * 4 <= POOL as usize);
    code
}

/// The address of the hart's own `mtimecmp`, in register 29.
fn alarm() -> [Insn; 4] {
    [
        insn(Op::Csrrs, 29, 0, 0, CSR_MHARTID),
        insn(Op::Slli, 29, 29, 0, 3),
        insn(Op::Lui, 30, 0, 0, 0x200_4000),
        insn(Op::Add, 29, 29, 30, 0),
    ]
}

/// Sets the alarm anew, or goes on behind the instruction that trapped.
fn handler(random: &mut Random) -> Vec<Insn> {
    const MPRV: i32 = 1 << 17;
    let period = 1 + random.below(30) as i32;
    let mut code = vec![
        insn(Op::Csrrs, 28, 0, 0, CSR_MCAUSE),
        insn(Op::Bge, 0, 28, 0, 4 * 9),
    ];
    code.extend(alarm());
    code.extend([
        insn(Op::Ld, 30, 29, 0, 0),
        insn(Op::Addi, 30, 30, 0, period),
        insn(Op::Sd, 0, 29, 30, 0),
        Insn::new(Op::Mret),
    ]);
    // A fetch that failed: from the start. Else by the length of the instruction, as it is read in
    // the mode that it was executed in.
    let failed = [
        insn(Op::Addi, 29, 28, 0, -1),
        insn(Op::Beq, 0, 29, 0, 4 * 14),
        insn(Op::Addi, 29, 28, 0, -12),
        insn(Op::Beq, 0, 29, 0, 4 * 12),
    ];
    let past = [
        insn(Op::Csrrs, 29, 0, 0, CSR_MEPC),
        insn(Op::Lui, 30, 0, 0, MPRV),
        insn(Op::Csrrs, 0, 30, 0, CSR_MSTATUS),
        insn(Op::Lhu, 28, 29, 0, 0),
        insn(Op::Csrrc, 0, 30, 0, CSR_MSTATUS),
        insn(Op::Addi, 29, 29, 0, 2),
        insn(Op::Andi, 28, 28, 0, 3),
        insn(Op::Addi, 28, 28, 0, -3),
        insn(Op::Bne, 0, 28, 0, 8),
        insn(Op::Addi, 29, 29, 0, 2),
        insn(Op::Csrrw, 0, 29, 0, CSR_MEPC),
    ];
    code.extend(failed);
    code.extend(past);
    code.push(Insn::new(Op::Mret));
    code.extend([
        insn(Op::Csrrw, 0, RESTART, 0, CSR_MEPC),
        Insn::new(Op::Mret),
    ]);
    code
}

fn pool(random: &mut Random, mode: u64, start: u64) -> Vec<u8> {
    let translated = mode != 3;
    let at = |offset: u64| RAM_BASE + offset;
    let second = |offset: u64| match translated {
        true => SECOND + offset,
        false => RAM_BASE + DATA + offset,
    };
    let [satp, other] = ROOTS.map(|root| 8 << 60 | at(root) >> 12);
    let csrs = [
        at(HANDLER),
        u64::MAX >> 10,
        0x1f,
        // Entries are marked as used by the walker, or by nobody.
        (random.below(4) as u64).min(1) << 61,
        if translated { satp } else { 0 },
        at(start),
        mode << 11 | 1 << 7,
        1 << 7,
    ];
    let mut registers = [0u64; 28];
    for value in &mut registers {
        *value = [random.next(), random.next() & 7, u64::MAX][random.below(3)];
    }
    let mut set = |register: u8, value: u64| registers[usize::from(register)] = value;
    set(TABLE, at(LEAVES[0]));
    for entry in ENTRIES {
        let used = [PTE_USED, 0][random.below(2)];
        let page = at(DATA) / 4096 + random.below(4) as u64;
        set(entry, leaf(page, mode) & !PTE_USED | used);
    }
    set(MTIME, 0x200_bff8);
    let within = 8 * random.below(500) as u64;
    let bases = [
        at(DATA + within),
        second(0x100 + within),
        at(DATA + 0x1000 - 4),
        second(0x2000 - 4),
    ];
    for (base, value) in BASES.into_iter().zip(bases) {
        set(base, value);
    }
    let again = if translated {
        SECOND + start
    } else {
        at(start)
    };
    for (register, value) in STARTS.into_iter().zip([at(start), again]) {
        set(register, value);
    }
    let words = [
        insn(Op::Addi, 5, 5, 0, 1),
        [
            insn(Op::Ld, 6, BASES[0], 0, 8),
            insn(Op::Jal, 0, 0, 0, 8),
            insn(Op::Sw, 0, BASES[1], 7, 4),
        ][random.below(3)],
    ];
    for (register, word) in WORDS.into_iter().zip(words) {
        set(register, encode(&word).into());
    }
    // The second space has a number of its own, or the first one has two numbers.
    let other = [other | 5 << 44, satp | 9 << 44][random.below(2)];
    set(SPACES[0], satp);
    set(SPACES[1], other);
    set(SERIAL, 0x1000_0000);
    set(RESTART, at(start));
    let values = csrs.into_iter().chain(registers);
    values.flat_map(u64::to_le_bytes).collect()
}

/// An entry that leads to a page, by its number.
fn leaf(page: u64, mode: u64) -> u64 {
    let user = if mode == 0 { PTE_USER } else { 0 };
    page << 10 | PTE_ALL | PTE_USED | user
}

/// Two address spaces (Sv39): all there is where it is, and the second mapping.
fn tables(random: &mut Random, mode: u64) -> Vec<(u64, Vec<u8>)> {
    let at = |offset: u64| (RAM_BASE + offset) / 4096;
    let mut segments = Vec::new();
    let mut entry = |table: u64, index: u64, value: u64| {
        let bytes = value.to_le_bytes().to_vec();
        segments.push((RAM_BASE + table + 8 * index, bytes));
    };
    for ((root, middle), leaves) in ROOTS.into_iter().zip(MIDDLES).zip(LEAVES) {
        // Devices, and RAM: pages of 1 GiB.
        entry(root, 0, leaf(0, mode));
        entry(root, 2, leaf(RAM_BASE / 4096, mode));
        entry(root, 1, at(middle) << 10 | 1);
        entry(middle, 0, at(leaves) << 10 | 1);
        for page in 0..PAGES {
            let to = at(DATA) + random.below(PAGES as usize) as u64;
            let rights = match random.below(8) {
                // Read only; not yet used; nothing.
                0 => leaf(to, mode) & !4,
                1 | 2 => leaf(to, mode) & !PTE_USED,
                3 if page > 1 => 0,
                _ => leaf(to, mode),
            };
            entry(leaves, page, rights);
        }
        for page in 0..4 {
            entry(leaves, CODE / 4096 + page, leaf(at(CODE) + page, mode));
        }
    }
    segments
}

/// The program itself.
fn body(random: &mut Random) -> Vec<u8> {
    let count = 30 + random.below(150);
    let mut items: Vec<Item> = (0..count).map(|index| item(random, index, count)).collect();
    items.push(Item::To(insn(Op::Jal, 0, 0, 0, 0), 0));
    let mut places = vec![0i64];
    for item in &items {
        places.push(places.last().copied().unwrap_or(0) + item.len() as i64);
    }
    let mut code = Vec::new();
    for (item, place) in items.iter().zip(&places) {
        let place_of = |index: usize| places[index.min(count)] as i32;
        match *item {
            Item::Plain(insn) => code.extend(encode(&insn).to_le_bytes()),
            Item::Half(half) => code.extend(half.to_le_bytes()),
            Item::To(insn, to) => {
                let imm = place_of(to) - *place as i32;
                code.extend(encode(&Insn { imm, ..insn }).to_le_bytes());
            }
            Item::FromStart(insn, to) => {
                let imm = insn.imm + place_of(to);
                code.extend(encode(&Insn { imm, ..insn }).to_le_bytes());
            }
        }
    }
    code
}

const COMPUTE: [Op; 10] = [
    Op::Add,
    Op::Sub,
    Op::Xor,
    Op::And,
    Op::Sltu,
    Op::Mul,
    Op::Addi,
    Op::Xori,
    Op::Slli,
    Op::Addw,
];
const LOADS: [Op; 7] = [Op::Lb, Op::Lbu, Op::Lh, Op::Lhu, Op::Lw, Op::Lwu, Op::Ld];
const STORES: [Op; 4] = [Op::Sb, Op::Sh, Op::Sw, Op::Sd];
const ATOMICS: [Op; 8] = [
    Op::LrW,
    Op::ScW,
    Op::LrD,
    Op::ScD,
    Op::AmoaddW,
    Op::AmoswapD,
    Op::AmoxorD,
    Op::AmomaxuW,
];
const BRANCHES: [Op; 6] = [Op::Beq, Op::Bne, Op::Blt, Op::Bge, Op::Bltu, Op::Bgeu];

fn item(random: &mut Random, index: usize, count: usize) -> Item {
    fn one<T: Copy>(random: &mut Random, all: &[T]) -> T {
        all[random.below(all.len())]
    }
    let any = |random: &mut Random| 5 + random.below(11) as u8;
    let (a, b, c) = (any(random), any(random), any(random));
    let base = one(random, &BASES);
    let aligned = random.below(2) == 0;
    let near = (random.below(80) as i32 - 40) & if aligned { !7 } else { !0 };
    // Backward only a few, or a program is one short loop.
    let ahead = index + 1 + random.below(12);
    let target = match random.below(4) {
        0 => index.saturating_sub(random.below(8)),
        _ => ahead.min(count),
    };
    match random.below(100) {
        0..25 => Item::Plain(insn(one(random, &COMPUTE), a, b, c, near & 31)),
        25..40 => Item::Plain(insn(one(random, &LOADS), a, base, 0, near)),
        40..55 => Item::Plain(insn(one(random, &STORES), 0, base, a, near)),
        55..62 => Item::Plain(insn(one(random, &ATOMICS), a, base, b, 0)),
        62..70 => Item::To(insn(one(random, &BRANCHES), 0, a, b, 0), target),
        70..72 => Item::To(insn(Op::Jal, 5 * (a & 1), 0, 0, 0), ahead.min(count)),
        72..76 => {
            let through = one(random, &STARTS);
            Item::FromStart(insn(Op::Jalr, 5 * (a & 1), through, 0, 0), ahead.min(count))
        }
        76..80 => {
            let (through, word) = (one(random, &STARTS), one(random, &WORDS));
            Item::FromStart(insn(Op::Sw, 0, through, word, 0), random.below(count))
        }
        80..83 => match random.below(4) {
            0 => Item::Plain(Insn::new(Op::Ecall)),
            1 => Item::Plain(Insn::new(Op::Ebreak)),
            2 => Item::Half(0),
            _ => Item::Half(0x9002), // c.ebreak
        },
        // c.nop, c.addi x8, c.li x9, c.mv x10,x11
        83..88 => Item::Half(one(random, &[0x0001, 0x0405, 0x4485, 0x852e])),
        88..91 => Item::Plain(insn(Op::Csrrw, 0, one(random, &SPACES), 0, CSR_SATP)),
        91 => Item::Plain(Insn::new(Op::SfenceVma)),
        92 => Item::Plain(Insn::new(one(random, &[Op::FenceI, Op::Wfi]))),
        93..95 => {
            let (op, base, offset) = one(
                random,
                &[
                    (Op::Ld, MTIME, 0),
                    (Op::Lw, MTIME, 4),
                    (Op::Lbu, SERIAL, 5),
                    (Op::Lbu, SERIAL, 2),
                    // Of the virtio slots: magic value, state of a queue.
                    (Op::Lw, SERIAL, 0),
                ],
            );
            Item::Plain(insn(op, a, base, 0, offset))
        }
        95..97 => {
            let offset = one(random, &[0, 1, 2, 7]);
            Item::Plain(insn(Op::Sb, 0, SERIAL, a, offset))
        }
        97..99 => {
            let entry = one(random, &ENTRIES);
            let offset = 8 * random.below(PAGES as usize) as i32;
            Item::Plain(insn(Op::Sd, 0, TABLE, entry, offset))
        }
        _ => {
            let through = one(random, &STARTS);
            Item::FromStart(insn(Op::Lw, a, through, 0, 0), random.below(count))
        }
    }
}
