//! Disassembles the instructions around a place, from the guest's memory as a hart sees it.

use crate::analysis::symbols::Symbols;
use machine::{Machine, VirtAddr};
use serde::Serialize;

/// The number of instructions that are listed before the place, and after it.
const AROUND: usize = 5;

/// A line of disassembly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Virtual address.
    pub address: VirtAddr,
    /// The instruction.
    pub text: String,
    /// The symbol and offset, if the kernel's symbols have it: `function+0x10`.
    pub symbol: Option<String>,
    /// True for the instruction at the place.
    pub marked: bool,
}

/// The instructions around `pc`.
pub(super) fn around(machine: &Machine, hart: u8, pc: VirtAddr, symbols: &Symbols) -> Vec<Line> {
    let mut places = before(machine, hart, pc);
    let mut at = pc;
    for _ in 0..=AROUND {
        places.push(at);
        let Some(len) = length(machine, hart, at) else {
            break;
        };
        at = at.wrapping_add(len);
    }
    let line = |address: VirtAddr| {
        let raw = machine.instruction(hart, address)?;
        Some(Line {
            address,
            text: riscv_isa::disassemble(raw, address.get()),
            symbol: symbols.name(address),
            marked: address == pc,
        })
    };
    places.into_iter().filter_map(line).collect()
}

fn length(machine: &Machine, hart: u8, at: VirtAddr) -> Option<u64> {
    let raw = machine.instruction(hart, at)?;
    Some(if raw & 3 == 3 { 4 } else { 2 })
}

/// The addresses of the instructions before `pc`. Lengths vary, so this is a guess: it begins at
/// the farthest address from which valid instructions lead exactly to `pc`.
fn before(machine: &Machine, hart: u8, pc: VirtAddr) -> Vec<VirtAddr> {
    let farthest = 4 * AROUND as u64;
    for distance in (2..=farthest).rev().step_by(2) {
        let mut places = Vec::new();
        let mut at = VirtAddr::new(pc.get().wrapping_sub(distance));
        while pc.wrapping_sub(at) <= distance && at != pc {
            let raw = machine.instruction(hart, at);
            let Some(raw) = raw.filter(|raw| riscv_isa::decode(*raw).is_some()) else {
                break;
            };
            places.push(at);
            at = at.wrapping_add(if raw & 3 == 3 { 4 } else { 2 });
        }
        if at == pc {
            return places.split_off(places.len().saturating_sub(AROUND));
        }
    }
    Vec::new()
}
