//! The encoder: instructions to words.

use crate::Insn;
use crate::table::Format;

/// Encodes an instruction as a 32-bit word. `len` and `raw` are ignored, so a compressed
/// instruction gives its 32-bit equivalent. Fields are truncated to their widths, and fields that
/// the format does not have are ignored. `decode(encode(&insn))` returns `insn` if its fields are
/// in range.
pub fn encode(insn: &Insn) -> u32 {
    let entry = insn.op.entry();
    let rd = (u32::from(insn.rd) & 31) << 7;
    let rs1 = (u32::from(insn.rs1) & 31) << 15;
    let rs2 = (u32::from(insn.rs2) & 31) << 20;
    let rs3 = (u32::from(insn.rs3) & 31) << 27;
    let rm = (u32::from(insn.rm) & 7) << 12;
    let imm = insn.imm as u32;
    let operands = match entry.format {
        Format::U => rd | imm & 0xffff_f000,
        Format::J => rd | imm_j(imm),
        Format::I | Format::Load | Format::FLoad | Format::Fence | Format::Csr | Format::CsrI => {
            rd | rs1 | imm << 20
        }
        Format::B => rs1 | rs2 | imm_b(imm),
        Format::Store | Format::FStore => rs1 | rs2 | imm_s(imm),
        Format::Shift => rd | rs1 | (imm & 63) << 20,
        Format::ShiftW => rd | rs1 | (imm & 31) << 20,
        Format::R | Format::F | Format::FCmp => rd | rs1 | rs2,
        Format::None => 0,
        Format::SfenceVma => rs1 | rs2,
        Format::LoadReserved => rd | rs1 | (u32::from(insn.rm) & 3) << 25,
        Format::Amo => rd | rs1 | rs2 | (u32::from(insn.rm) & 3) << 25,
        Format::XF | Format::FX => rd | rs1,
        Format::F4 => rd | rs1 | rs2 | rs3 | rm,
        Format::FRm => rd | rs1 | rs2 | rm,
        Format::FFRm | Format::XFRm | Format::FXRm => rd | rs1 | rm,
    };
    entry.match_bits | operands
}

fn imm_s(imm: u32) -> u32 {
    (imm >> 5 & 0x7f) << 25 | (imm & 31) << 7
}

fn imm_b(imm: u32) -> u32 {
    (imm >> 12 & 1) << 31 | (imm >> 5 & 0x3f) << 25 | (imm >> 1 & 0xf) << 8 | (imm >> 11 & 1) << 7
}

fn imm_j(imm: u32) -> u32 {
    (imm >> 20 & 1) << 31 | (imm >> 1 & 0x3ff) << 21 | (imm >> 11 & 1) << 20 | imm & 0xff000
}
