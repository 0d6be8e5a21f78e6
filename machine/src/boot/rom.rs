//! The boot ROM: the first instructions of every hart, and the data that firmware reads.

use crate::units::PhysAddr;
/// `struct fw_dynamic_info` of OpenSBI (its documentation, "FW_DYNAMIC").
mod fw_dynamic {
    /// "OSBI".
    pub(super) const MAGIC: u64 = 0x4942_534f;
    pub(super) const VERSION: u64 = 2;
    /// The next stage runs in S-mode.
    pub(super) const NEXT_MODE_S: u64 = 1;
    pub(super) const NO_OPTIONS: u64 = 0;
    /// The id of the boot hart; the other harts wait.
    pub(super) const BOOT_HART: u64 = 0;
}

/// Offsets of the data after the code. The immediates of the code refer to them.
mod data {
    pub(super) const ENTRY: u32 = 24;
    pub(super) const FDT: u32 = 32;
    pub(super) const FW_DYNAMIC: u32 = 40;
}

const T0: u32 = 5;
const A0: u32 = 10;
const A1: u32 = 11;
const A2: u32 = 12;
const MHARTID: u32 = 0xf14;

/// Encodes an instruction of the I format.
const fn i_type(opcode: u32, funct3: u32, rd: u32, rs1: u32, imm: u32) -> u32 {
    imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

/// Encodes `ld rd, offset(t0)`.
const fn ld(rd: u32, offset: u32) -> u32 {
    i_type(0x03, 3, rd, T0, offset)
}

/// The code of the boot ROM. It passes the hart id in `a0` and the devicetree in `a1` (RISC-V boot
/// convention), and `fw_dynamic_info` in `a2` (OpenSBI). It leaves the same state as QEMU's ROM.
const CODE: [u32; 6] = [
    0x17 | T0 << 7,                            // auipc t0, 0
    i_type(0x73, 2, A0, 0, MHARTID),           // csrr a0, mhartid
    ld(A1, data::FDT),                         // ld a1, the device tree
    i_type(0x13, 0, A2, T0, data::FW_DYNAMIC), // addi a2, t0, fw_dynamic_info
    ld(T0, data::ENTRY),                       // ld t0, the entry
    i_type(0x67, 0, 0, T0, 0),                 // jr t0
];

/// The content of the boot ROM. The code is position-independent. It jumps to `entry` with
/// `fdt_addr` in `a1`. Firmware starts the kernel at `kernel_entry`, if there is one.
#[must_use]
pub fn reset_rom(entry: PhysAddr, fdt_addr: PhysAddr, kernel_entry: Option<PhysAddr>) -> Vec<u8> {
    let words = [
        entry.get(),
        fdt_addr.get(),
        fw_dynamic::MAGIC,
        fw_dynamic::VERSION,
        kernel_entry.map_or(0, PhysAddr::get),
        fw_dynamic::NEXT_MODE_S,
        fw_dynamic::NO_OPTIONS,
        fw_dynamic::BOOT_HART,
    ];
    let code = CODE
        .iter()
        .flat_map(|instruction| instruction.to_le_bytes());
    code.chain(words.iter().flat_map(|word| word.to_le_bytes()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_data() {
        let [entry, fdt, kernel] = [0x8000_0000, 0x8fe0_0000, 0x8020_0000].map(PhysAddr::new);
        let rom = reset_rom(entry, fdt, Some(kernel));
        let code: Vec<u32> = rom[..24]
            .chunks(4)
            .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
            .collect();
        // The output of an assembler for the same code.
        let expected = [
            0x0000_0297,
            0xf140_2573,
            0x0202_b583,
            0x0282_8613,
            0x0182_b283,
            0x0002_8067,
        ];
        assert_eq!(code, expected);
        let word = |at: u32| u64::from_le_bytes(rom[at as usize..][..8].try_into().unwrap());
        assert_eq!(
            (word(data::ENTRY), word(data::FDT)),
            (0x8000_0000, 0x8fe0_0000)
        );
        let info: Vec<u64> = (0..6).map(|n| word(data::FW_DYNAMIC + n * 8)).collect();
        assert_eq!(info, [0x4942_534f, 2, 0x8020_0000, 1, 0, 0]);
    }
}
