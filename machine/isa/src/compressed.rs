//! Expansion of compressed instructions (RV64C) to 32-bit instructions.
//!
//! Source: volume I, chapter 16 "C Standard Extension for Compressed Instructions", tables 16.5 to
//! 16.7.

use crate::{Insn, Op, encode};

/// Maps bits `from..from + width` of the halfword to `dst[at..at + width]` of an immediate.
struct Piece {
    from: u32,
    width: u32,
    at: u32,
}

const fn piece(from: u32, width: u32, at: u32) -> Piece {
    Piece { from, width, at }
}

// The immediates, in the order of the manual's figures.
/// `nzimm[5] | nzimm[4:0]`: c.addi, c.li, c.addiw, c.andi, and the shift amounts.
const IMM6: &[Piece] = &[piece(12, 1, 5), piece(2, 5, 0)];
/// c.addi4spn
const ADDI4SPN: &[Piece] = &[
    piece(11, 2, 4),
    piece(7, 4, 6),
    piece(6, 1, 2),
    piece(5, 1, 3),
];
/// c.addi16sp
const ADDI16SP: &[Piece] = &[
    piece(12, 1, 9),
    piece(6, 1, 4),
    piece(5, 1, 6),
    piece(3, 2, 7),
    piece(2, 1, 5),
];
/// c.lw, c.sw
const WORD: &[Piece] = &[piece(10, 3, 3), piece(6, 1, 2), piece(5, 1, 6)];
/// c.ld, c.sd, c.fld, c.fsd
const DOUBLE: &[Piece] = &[piece(10, 3, 3), piece(5, 2, 6)];
/// c.lwsp
const LWSP: &[Piece] = &[piece(12, 1, 5), piece(4, 3, 2), piece(2, 2, 6)];
/// c.ldsp, c.fldsp
const LDSP: &[Piece] = &[piece(12, 1, 5), piece(5, 2, 3), piece(2, 3, 6)];
/// c.swsp
const SWSP: &[Piece] = &[piece(9, 4, 2), piece(7, 2, 6)];
/// c.sdsp, c.fsdsp
const SDSP: &[Piece] = &[piece(10, 3, 3), piece(7, 3, 6)];
/// c.j
const JUMP: &[Piece] = &[
    piece(12, 1, 11),
    piece(11, 1, 4),
    piece(9, 2, 8),
    piece(8, 1, 10),
    piece(7, 1, 6),
    piece(6, 1, 7),
    piece(3, 3, 1),
    piece(2, 1, 5),
];
/// c.beqz, c.bnez
const BRANCH: &[Piece] = &[
    piece(12, 1, 8),
    piece(10, 2, 3),
    piece(5, 2, 6),
    piece(3, 2, 1),
    piece(2, 1, 5),
];

fn gather(half: u32, pieces: &[Piece]) -> i32 {
    let imm = pieces.iter().fold(0, |imm, p| {
        imm | (half >> p.from & ((1 << p.width) - 1)) << p.at
    });
    imm as i32
}

/// The gathered immediate, sign-extended from bit `bits - 1`.
fn signed(half: u32, pieces: &[Piece], bits: u32) -> i32 {
    gather(half, pieces) << (32 - bits) >> (32 - bits)
}

const ZERO: u8 = 0;
const RA: u8 = 1;
const SP: u8 = 2;

/// Expands a compressed instruction to the equivalent 32-bit word. `None` if it is reserved, is not
/// in RV64C, or has 3 in its low two bits (not compressed). A HINT expands like the instruction
/// that it encodes.
pub fn expand_compressed(half: u16) -> Option<u32> {
    let h = u32::from(half);
    let op = |op, rd, rs1, rs2, imm| Insn {
        rd,
        rs1,
        rs2,
        imm,
        ..Insn::new(op)
    };
    // The full register fields. The short ones select x8 to x15.
    let rd = (h >> 7 & 31) as u8;
    let rs2 = (h >> 2 & 31) as u8;
    let rs1_short = (h >> 7 & 7) as u8 + 8;
    let rs2_short = (h >> 2 & 7) as u8 + 8;

    let insn = match (h & 3, h >> 13) {
        (0, 0) => {
            let imm = gather(h, ADDI4SPN);
            // An immediate of 0 is reserved. If all other bits are 0 too, it is the defined illegal
            // instruction.
            if imm == 0 {
                return None;
            }
            op(Op::Addi, rs2_short, SP, 0, imm)
        }
        (0, 1) => op(Op::Fld, rs2_short, rs1_short, 0, gather(h, DOUBLE)),
        (0, 2) => op(Op::Lw, rs2_short, rs1_short, 0, gather(h, WORD)),
        (0, 3) => op(Op::Ld, rs2_short, rs1_short, 0, gather(h, DOUBLE)),
        (0, 5) => op(Op::Fsd, 0, rs1_short, rs2_short, gather(h, DOUBLE)),
        (0, 6) => op(Op::Sw, 0, rs1_short, rs2_short, gather(h, WORD)),
        (0, 7) => op(Op::Sd, 0, rs1_short, rs2_short, gather(h, DOUBLE)),
        (1, 0) => op(Op::Addi, rd, rd, 0, signed(h, IMM6, 6)),
        (1, 1) if rd != ZERO => op(Op::Addiw, rd, rd, 0, signed(h, IMM6, 6)),
        (1, 2) => op(Op::Addi, rd, ZERO, 0, signed(h, IMM6, 6)),
        (1, 3) => {
            let imm = if rd == SP {
                signed(h, ADDI16SP, 10)
            } else {
                signed(h, IMM6, 6) << 12
            };
            match (imm, rd) {
                (0, _) => return None,
                (_, SP) => op(Op::Addi, SP, SP, 0, imm),
                _ => op(Op::Lui, rd, 0, 0, imm),
            }
        }
        (1, 4) => {
            let (rd, rs2) = (rs1_short, rs2_short);
            match (h >> 10 & 3, h >> 12 & 1, h >> 5 & 3) {
                (0, ..) => op(Op::Srli, rd, rd, 0, gather(h, IMM6)),
                (1, ..) => op(Op::Srai, rd, rd, 0, gather(h, IMM6)),
                (2, ..) => op(Op::Andi, rd, rd, 0, signed(h, IMM6, 6)),
                (_, 0, 0) => op(Op::Sub, rd, rd, rs2, 0),
                (_, 0, 1) => op(Op::Xor, rd, rd, rs2, 0),
                (_, 0, 2) => op(Op::Or, rd, rd, rs2, 0),
                (_, 0, _) => op(Op::And, rd, rd, rs2, 0),
                (_, _, 0) => op(Op::Subw, rd, rd, rs2, 0),
                (_, _, 1) => op(Op::Addw, rd, rd, rs2, 0),
                _ => return None,
            }
        }
        (1, 5) => op(Op::Jal, ZERO, 0, 0, signed(h, JUMP, 12)),
        (1, 6) => op(Op::Beq, 0, rs1_short, ZERO, signed(h, BRANCH, 9)),
        (1, 7) => op(Op::Bne, 0, rs1_short, ZERO, signed(h, BRANCH, 9)),
        (2, 0) => op(Op::Slli, rd, rd, 0, gather(h, IMM6)),
        (2, 1) => op(Op::Fld, rd, SP, 0, gather(h, LDSP)),
        (2, 2) if rd != ZERO => op(Op::Lw, rd, SP, 0, gather(h, LWSP)),
        (2, 3) if rd != ZERO => op(Op::Ld, rd, SP, 0, gather(h, LDSP)),
        (2, 4) => match (h >> 12 & 1, rd, rs2) {
            (0, ZERO, 0) => return None,
            (0, rs1, 0) => op(Op::Jalr, ZERO, rs1, 0, 0),
            (0, rd, rs2) => op(Op::Add, rd, ZERO, rs2, 0),
            (_, ZERO, 0) => Insn::new(Op::Ebreak),
            (_, rs1, 0) => op(Op::Jalr, RA, rs1, 0, 0),
            (_, rd, rs2) => op(Op::Add, rd, rd, rs2, 0),
        },
        (2, 5) => op(Op::Fsd, 0, SP, rs2, gather(h, SDSP)),
        (2, 6) => op(Op::Sw, 0, SP, rs2, gather(h, SWSP)),
        (2, 7) => op(Op::Sd, 0, SP, rs2, gather(h, SDSP)),
        _ => return None,
    };
    Some(encode(&insn))
}
