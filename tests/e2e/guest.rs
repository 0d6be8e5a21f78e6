//! Tiny guests that are assembled here, for cases that no sample has.

/// The address of the guest's segment and of its first instruction.
const BASE: u64 = 0x8000_0000;

/// An ELF file for 64-bit RISC-V with these instructions at the start of RAM.
pub(crate) fn elf(code: &[u32]) -> Vec<u8> {
    let size = 4 * code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2, 0, 243, 0, 1, 0, 0, 0]); // An executable, RISC-V, version 1.
    for word in [BASE, 64, 0] {
        file.extend(word.to_le_bytes()); // Entry, program headers, no section headers.
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]); // PT_LOAD, readable and executable.
    for word in [120, BASE, BASE, size, size, 4] {
        file.extend(word.to_le_bytes());
    }
    for instruction in code {
        file.extend(instruction.to_le_bytes());
    }
    file
}

/// Registers.
pub(crate) const ZERO: u32 = 0;
pub(crate) const T0: u32 = 5;
pub(crate) const T1: u32 = 6;
pub(crate) const T2: u32 = 7;
pub(crate) const A0: u32 = 10;
pub(crate) const A1: u32 = 11;

// Unprivileged specification, chapter "RV32/64G Instruction Set Listings".

pub(crate) fn lui(rd: u32, upper: u32) -> u32 {
    upper << 12 | rd << 7 | 0x37
}

pub(crate) fn auipc(rd: u32, upper: u32) -> u32 {
    upper << 12 | rd << 7 | 0x17
}

/// `immediate`: 0 to 2047.
pub(crate) fn addi(rd: u32, rs: u32, immediate: u32) -> u32 {
    immediate << 20 | rs << 15 | rd << 7 | 0x13
}

pub(crate) fn lw(rd: u32, base: u32) -> u32 {
    base << 15 | 2 << 12 | rd << 7 | 0x03
}

pub(crate) fn sw(rs: u32, base: u32) -> u32 {
    rs << 20 | base << 15 | 2 << 12 | 0x23
}

pub(crate) fn sb(rs: u32, base: u32) -> u32 {
    rs << 20 | base << 15 | 0x23
}

/// Skips this number of instructions (1 to 15, this one included) if a >= b.
pub(crate) fn bge_over(a: u32, b: u32, instructions: u32) -> u32 {
    let bytes = 4 * instructions;
    (bytes >> 5) << 25 | b << 20 | a << 15 | 5 << 12 | (bytes & 0x1e) << 7 | 0x63
}

/// Jumps to itself.
pub(crate) const HERE: u32 = 0x6f;
