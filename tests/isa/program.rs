//! The whole test program: the runtime, streams, their data, and the table that joins them.

use crate::asm::Asm;
use crate::layout::{MEMORY, POOL_WORDS, PROGRAM};
use crate::random::Random;
use crate::runtime::Machine;
use crate::stream::Row;
use crate::{elf, machine_mode, paging, runtime, tables};

/// The kind of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In machine mode.
    Machine,
    /// Under page tables.
    Paging,
}

impl Kind {
    /// The exceptions that its streams should cause, as in `layout::context::CAUSES`.
    pub(crate) fn causes(self) -> u64 {
        let machine: &[u64] = match self {
            Self::Machine => &[1, 2, 3, 5, 6, 7, 11],
            Self::Paging => &[1, 2, 3, 5, 7, 8, 9, 11, 12, 13, 15],
        };
        let supervisor: &[u64] = match self {
            Self::Machine => &[],
            Self::Paging => &[1, 2, 3, 5, 7, 12, 13, 15],
        };
        let supervisor = supervisor.iter().map(|cause| cause + 32);
        machine
            .iter()
            .copied()
            .chain(supervisor)
            .fold(0, |bits, bit| bits | 1 << bit)
    }
}

/// The place of a stream in the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

#[derive(Debug)]
pub(crate) struct Program {
    bytes: Vec<u8>,
    pub(crate) places: Vec<Place>,
}

impl Program {
    /// A program with one stream for each seed. With `full`, it prints the words of each signature,
    /// and not only their hash.
    pub(crate) fn new(kind: Kind, seeds: &[u64], full: bool, machine: Machine) -> Self {
        let mut asm = Asm::new(PROGRAM);
        let table = asm.label();
        runtime::emit(&mut asm, table, full, machine);
        let rows: Vec<(u64, Row)> = seeds
            .iter()
            .map(|seed| (*seed, stream(&mut asm, kind, *seed)))
            .collect();

        asm.align(8);
        let pools: Vec<u64> = seeds.iter().map(|seed| pool(&mut asm, *seed)).collect();
        for (seed, row) in &rows {
            if let Some((label, _)) = row.tables {
                tables::emit(&mut asm, *seed, label);
            }
        }
        asm.align(8);
        asm.bind(table);
        for (i, ((_, row), pool)) in rows.iter().zip(&pools).enumerate() {
            // In the order of `layout::row`.
            let (tables, words) = row
                .tables
                .map_or((0, 0), |(label, words)| (asm.address(label), words));
            // Sv39, if the stream has page tables.
            let satp = if tables == 0 {
                0
            } else {
                8 << 60 | tables >> 12
            };
            for word in [
                row.entry,
                row.end & 0xffff_ffff,
                *pool,
                row.mstatus,
                satp,
                row.medeleg,
                row.fcsr,
                i as u64,
                tables,
                words,
            ] {
                asm.double(word);
            }
        }
        asm.double(0);
        assert!(asm.pc() < MEMORY, "too many streams for one program");
        let places = rows
            .iter()
            .map(|(_, row)| Place {
                start: row.start,
                end: row.end,
            })
            .collect();
        Self {
            bytes: asm.finish(),
            places,
        }
    }

    pub(crate) fn elf(&self) -> Vec<u8> {
        elf::executable(PROGRAM, &self.bytes)
    }

    /// The instruction at `address`, as it was loaded.
    pub(crate) fn instruction(&self, address: u64) -> Option<u32> {
        let at = usize::try_from(address.checked_sub(PROGRAM)?).ok()?;
        let low = self.bytes.get(at..at + 2)?;
        let low = u32::from(u16::from_le_bytes([low[0], low[1]]));
        if low & 3 != 3 {
            return Some(low);
        }
        let high = self.bytes.get(at + 2..at + 4)?;
        Some(low | u32::from(u16::from_le_bytes([high[0], high[1]])) << 16)
    }
}

fn stream(asm: &mut Asm, kind: Kind, seed: u64) -> Row {
    match kind {
        Kind::Machine => machine_mode::stream(asm, seed),
        Kind::Paging => paging::stream(asm, seed),
    }
}

/// The stream's words for registers and memory.
fn pool(asm: &mut Asm, seed: u64) -> u64 {
    let mut random = Random::new(!seed);
    let at = asm.pc();
    for _ in 0..POOL_WORDS {
        asm.double(random.operand());
    }
    at
}
